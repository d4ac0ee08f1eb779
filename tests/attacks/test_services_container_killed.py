"""The container of the services is killed ten times while objects and documents come: nothing acknowledged is lost."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.platform.environment import Environment
from harness.settings import Settings
from harness.wire import names
from tests.cluster.objects import Objects, is_ready

KILLS = 10
SENDER = Path(__file__).with_name("sender_in_pod.py")
_MOST_ACKNOWLEDGED = 25
_MOST_WAIT_S = 0.3
_DEADLINE_S = 120.0
_SENDS, _SEARCHES = {names.LABEL_NETWORK_CTP: "true"}, {names.LABEL_NETWORK_OPENSEARCH: "true"}


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    """A platform of its own: its services are started again and again, and its admin project is filled."""
    settings = dataclasses.replace(Settings.load(), reuse=False)
    if settings.cluster != "docker":
        pytest.skip("the engine's containers are killed; those of a node of Kubernetes are its own")
    with Environment.up(settings) as made:
        yield made


class Sender:
    """A pod that sends, and what it says was acknowledged."""

    def __init__(self, objects: Objects, container: dict[str, Any]) -> None:
        self._objects = objects
        self.acknowledged: dict[str, list[str]] = {"store": [], "stow": [], "document": []}
        self._other: list[str] = []
        self._changed = threading.Condition()
        self._pod = objects.pod(container, labels=_SENDS | _SEARCHES)
        objects.until("Pod", self._pod, lambda pod: pod["status"].get("phase") == "Running")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._objects.api.logs(self._objects.namespace, self._pod, follow=True):
            what, _, name = line.partition(" ")
            with self._changed:
                if what in self.acknowledged:
                    self.acknowledged[what].append(name)
                else:
                    self._other.append(line)
                self._changed.notify_all()

    def counts(self) -> dict[str, int]:
        with self._changed:
            return {what: len(found) for what, found in self.acknowledged.items()}

    def wait_for(self, what: str, number: int) -> None:
        """Wait until a number of one kind has been acknowledged."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.acknowledged[what]) >= number, _DEADLINE_S), "\n".join(
                (f"only {len(self.acknowledged[what])} of {number} {what} were acknowledged", *self._other)
            )

    def end(self) -> None:
        """Let it end by itself, and read to the end of what it said."""
        self._objects.api.delete("Pod", self._objects.namespace, self._pod)
        self._reader.join(60)
        assert not self._reader.is_alive()
        assert self._other == []


def _services(api: Any) -> dict[str, Any]:
    (pod,) = api.list("Pod", names.SERVICES_NAMESPACE, labels={"app.kubernetes.io/name": "harness-services"})
    return dict(pod)


def _kill(environment: Environment) -> None:
    """Kill the container of the services, and wait until another one of the same pod is ready."""
    api = environment.cluster.api
    pod = _services(api)
    (status,) = pod["status"]["containerStatuses"]
    container = status["containerID"].removeprefix("docker://")
    subprocess.run(["docker", "kill", "-s", "KILL", container], check=True, capture_output=True)
    again = Objects(api, names.SERVICES_NAMESPACE).until(
        "Pod",
        pod["metadata"]["name"],
        lambda found: (
            found["status"]["containerStatuses"][0]["restartCount"] > status["restartCount"] and is_ready(found)
        ),
        _DEADLINE_S,
    )
    assert again["metadata"]["uid"] == pod["metadata"]["uid"]
    assert again["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137


def test_ten_kills_of_the_services_container_lose_nothing_that_was_acknowledged(environment: Environment) -> None:
    moments = random.Random(14)
    services, api = environment.services, environment.cluster.api
    project = environment.create_project("killed")
    objects = Objects(api, project.namespace, labels={names.LABEL_TYPE: names.LABEL_TYPE_PROCESSING})
    image = _services(api)["spec"]["containers"][0]["image"]
    index = project.record["opensearch_index"]
    variables = {
        "PROJECT": project.name,
        "INDEX": index,
        "USER_NAME": project.user,
        "PASSWORD": project.password,
        "CLIENT_SECRET": environment.credentials.oidc_client_secret,
    }
    container = {
        "name": "main",
        "image": image,
        "command": ["python", "-u", "-c", SENDER.read_text()],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    sender = Sender(objects, container)
    projects: dict[str, str] = {}
    for number in range(KILLS):
        before = sender.counts()
        for what in before:
            sender.wait_for(what, before[what] + 1)
        name = f"p{number}"
        projects[name] = services.create_project(name, "", "word")["id"]
        what = moments.choice(sorted(before))
        sender.wait_for(what, sender.counts()[what] + moments.randint(1, _MOST_ACKNOWLEDGED))
        # not a wait for anything: the moment of the kill is what is tried
        time.sleep(moments.uniform(0, _MOST_WAIT_S))
        _kill(environment)
    sender.end()
    assert services.settle(60), "the host has not noticed that the services were started again"
    assert not services.settle(60)
    acknowledged = sender.acknowledged
    assert all(len(found) > KILLS for found in acknowledged.values())
    assert projects.items() <= {item["name"]: item["id"] for item in services.projects()}.items()
    for what, owner in (("store", project.name), ("stow", "admin")):
        receipts = services.receipts(owner)
        assert set(acknowledged[what]) <= {item.sop_instance_uid for item in receipts}
        assert [item.error for item in receipts if not item.ingested] == []
        for item in receipts[:: max(1, len(receipts) // 5)]:
            assert len(services.receipt_file(item.id)) == item.size
    found = objects.output({**container, "env": [*container["env"], {"name": "LIST", "value": "1"}]}, labels=_SEARCHES)
    assert set(acknowledged["document"]) <= {line.partition(" ")[2] for line in found.splitlines()}
