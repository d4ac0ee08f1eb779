"""The containers of a finished run once more, by ``docker run``: what an author without the harness would time."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from harness.platform import operator_images
from harness.platform.environment import Environment
from harness.wire import names

_DATA = names.PROCESSING_WORKFLOW_DIR


def bare_runs(environment: Environment, namespace: str, run_id: str, folder: Path) -> float:
    """Seconds that the containers of a run take one after the other, in the order in which they ran."""
    api = environment.cluster.api
    pods = api.list("Pod", namespace, labels={names.LABEL_RUN_ID: run_id})
    pods.sort(key=lambda pod: str(pod["status"]["startTime"]))
    data = folder / "data"
    (data / run_id / "conf").mkdir(parents=True)
    conf = _configuration(environment, run_id)
    (data / run_id / "conf" / "conf.json").write_text(conf, "utf-8")
    total = 0.0
    for pod in pods:
        command = _command(environment, namespace, pod, data)
        clock = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        total += time.monotonic() - clock
    return total


def _configuration(environment: Environment, run_id: str) -> str:
    """The cleaner has removed the run's ConfigMap; Airflow knows what it held."""
    dag_id = run_id.rsplit("-", 1)[0]
    return json.dumps(environment.airflow.run(dag_id, run_id).conf, indent=4, sort_keys=True)


def _command(environment: Environment, namespace: str, pod: dict[str, Any], data: Path) -> list[str]:
    container = pod["spec"]["containers"][0]
    network = "ctp" if pod["metadata"]["labels"].get(names.LABEL_NETWORK_CTP) == "true" else "pods"
    command = ["docker", "run", "--rm", "--network", f"kh-{environment.cluster.environment_id}-{network}"]
    command += ["--volume", f"{data}:{_DATA}", "--memory", str(container["resources"]["limits"]["memory"])[:-1]]
    for variable in container["env"]:
        command += ["--env", f"{variable['name']}={_value(environment, namespace, variable)}"]
    image = str(pod["status"]["containerStatuses"][0]["imageID"])
    registry, _, tagged = str(container["image"]).rpartition("/")
    # the nodes know what the platform's images run; the engine has one image for all of them
    of_the_platform = operator_images.list_commands(registry, tagged.rpartition(":")[2]).get(container["image"], ())
    program = [str(word) for word in container.get("command") or of_the_platform]
    if program:
        command += ["--entrypoint", program[0]]
    return [*command, image, *program[1:], *map(str, container.get("args") or ())]


def _value(environment: Environment, namespace: str, variable: dict[str, Any]) -> str:
    reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
    if reference is None:
        return str(variable.get("value") or "")
    secret = environment.cluster.api.get("Secret", namespace, reference["name"])
    return base64.b64decode(secret["data"][reference["key"]]).decode()
