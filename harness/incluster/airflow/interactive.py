"""A task that waits for its author: the operator's image with the run's data, without its own program.

``dev_server="code-server"`` starts the editor of the image; an image without one gets a container that waits, for a
shell. ``launch_application_chart`` names an application of the platform, which is not there: its user's work can
be done by hand on the same data.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import dataclasses
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from harness.incluster.airflow import podrun
from harness.incluster.airflow.errors import InvalidPodError, WorkflowError
from harness.kube import Manifest
from harness.kube.client import KubeApi
from harness.kube.errors import ApiError, Conflict, NotFound
from harness.wire import interactive as wire
from harness.wire import reasons
from harness.wire.outcome import Outcome

ATTENDANCE_S: Final = 60.0
"""How long a step waits for a process that follows its run, which polls every second."""
LONGEST_S: Final = 12 * 3600.0
_AGAIN_S: Final = 0.5
_WATCH_S: Final = 60.0
_MARK: Final = "kaapana-harness: interactive step with"

_PASSWORD: Final = "KAAPANA_HARNESS_STEP_PASSWORD"

# the editor removes PASSWORD from the environment of its children
_SCRIPT: Final = f"""\
password="${_PASSWORD}"
unset {_PASSWORD}
if command -v code-server >/dev/null 2>&1; then
  echo "{_MARK} {wire.CODE_SERVER}"
  PASSWORD="$password" exec code-server --auth password --bind-addr 0.0.0.0:{wire.STEP_PORT} "$WORKSPACE"
fi
echo "{_MARK} {wire.SHELL}"
trap 'exit 0' TERM INT
while :; do sleep 3600 & wait $!; done
"""


class InteractiveStepError(WorkflowError):
    """The step cannot be completed; a retry would not help."""

    reason = reasons.INTERACTIVE_STEP


def interactive_parameter(operator: Any) -> str:
    """Return the parameter that makes an operator an interactive step; empty for all others."""
    if operator.launch_application_chart:
        return f"launch_application_chart={operator.launch_application_chart!r}"
    return f"dev_server={operator.dev_server!r}" if operator.dev_server else ""


def step_pod(manifest: Manifest) -> Manifest:
    """Return the step's pod: the task's image, data and environment, but with an editor or a shell to wait in.

    Raises:
        InvalidPodError: a variable is None, which the platform's dev server does not take (runtime 7.5).
    """
    changed = copy.deepcopy(manifest)
    container = changed["spec"]["containers"][0]
    container.pop("args", None)
    container["command"] = ["sh", "-c", _SCRIPT]
    password = {"name": _step_name(changed["metadata"]["name"]), "key": wire.PASSWORD}
    container["env"] = [
        {"name": "WORKSPACE", "value": wire.WORKSPACE},
        *(entry for entry in container.get("env") or [] if entry["name"] not in {"WORKSPACE", _PASSWORD}),
        {"name": _PASSWORD, "valueFrom": {"secretKeyRef": password}},
    ]
    container["resources"] = {"requests": {"memory": "200Mi"}, "limits": {"memory": "5Gi"}}
    container["securityContext"] = {"runAsUser": 0}
    container["ports"] = [{"containerPort": wire.STEP_PORT}]
    changed["spec"].pop("initContainers", None)
    changed["spec"]["terminationGracePeriodSeconds"] = 2
    changed["metadata"]["labels"][wire.LABEL_STEP] = changed["metadata"]["name"]
    return changed


def _step_name(pod_name: str) -> str:
    return f"{pod_name}-step"


def check_environment(env_vars: dict[str, Any]) -> None:
    """Raise InvalidPodError for values that the platform's dev server does not take (runtime 7.5, services 14.2)."""
    for name, value in env_vars.items():
        if value is None:
            raise InvalidPodError(
                f"the environment variable {name} is None: a dev_server takes text only, leave it out or write ''"
            )


class InteractiveSession:
    """One attempt of a step; ``attempt`` is its pod, which a kill deletes.

    Args:
        manifest: the pod of the task.
        on_line: writes to the task's log.
        startup_timeout_s: how long the pod may stay Pending.
    """

    def __init__(
        self,
        api: KubeApi,
        manifest: Manifest,
        step: wire.Step,
        *,
        on_line: Callable[[str], None],
        startup_timeout_s: float,
    ) -> None:
        self._api = api
        self._step = step
        self._on_line = on_line
        self.attempt = podrun.PodRun(api, step_pod(manifest), on_line=self._take, startup_timeout_s=startup_timeout_s)
        self._objects = _StepObjects(api, self.attempt, step)

    def run(self) -> Outcome:
        """Offer the step, and wait until it is completed.

        Returns:
            ``Completed`` if the author completed the step or ended its program, otherwise the outcome of the pod.

        Raises:
            InteractiveStepError: no author works in it, or the author did not complete it within 12 h.
        """
        objects, begin = self._objects, time.monotonic()
        try:
            objects.make()
            self._on_line(f"interactive step ({self._step.what}): waiting for the test or command that follows the run")
            objects.wait_until_attended()
            self.attempt.create()
            if objects.answer:  # it came before there was a pod to end
                podrun.delete_pod(self._api, self.attempt.namespace, self.attempt.name)
            result = self.attempt.follow()
        finally:
            objects.remove()
        if objects.answer not in {"", wire.COMPLETED}:
            raise InteractiveStepError(objects.problem())
        if objects.answer or result.reason in {reasons.DELETED, reasons.COMPLETED}:
            done = f"completed by hand after {time.monotonic() - begin:.0f} s"
            self._on_line(f"interactive step {done}")
            return dataclasses.replace(result, reason=reasons.COMPLETED, message=done)
        return result

    def _take(self, line: str) -> None:
        self._objects.tell_tool(line)
        self._on_line(line)


class _StepObjects:
    """The step's ConfigMap, Secret and Service, and a thread that waits for the answer and then ends the pod."""

    def __init__(self, api: KubeApi, attempt: podrun.PodRun, step: wire.Step) -> None:
        self._api = api
        self._attempt = attempt
        self._step = step
        self._name = _step_name(attempt.name)
        self._attended = threading.Event()
        self._over = threading.Event()
        self.answer = ""
        self.reason = ""

    def make(self) -> None:
        """Create them, and begin to wait."""
        step = dataclasses.replace(
            self._step,
            namespace=self._attempt.namespace,
            pod=self._attempt.name,
            service=self._service,
            image=self._attempt.image,
        )
        password = base64.b64encode(secrets.token_urlsafe(18).encode()).decode("ascii")
        self._create("Secret", self._name, {}, type="Opaque", data={wire.PASSWORD: password})
        self._create("ConfigMap", self._name, {wire.LABEL_STEP: "true"}, data=step.data())
        spec = {
            "type": "NodePort",
            "selector": {wire.LABEL_STEP: self._attempt.name},
            "ports": [{"name": "editor", "port": wire.STEP_PORT, "targetPort": wire.STEP_PORT}],
        }
        self._create("Service", self._service, {}, spec=spec)
        threading.Thread(target=self._wait, daemon=True, name=self._name).start()

    @property
    def _service(self) -> str:
        # the name of a Service is one label of DNS
        return "step-" + self._attempt.name.replace(".", "-")[-58:].strip("-")

    def wait_until_attended(self) -> None:
        """Wait until a process follows the run; the step's pod need not exist before."""
        if not self._attended.wait(ATTENDANCE_S):
            self.answer = wire.REFUSED
            self.reason = f"no test or command followed its run within {ATTENDANCE_S:g} s"
        if self.answer == wire.REFUSED:
            raise InteractiveStepError(self.problem())

    def problem(self) -> str:
        """Return why the step cannot be completed."""
        return f"{self._step.task_id} is an interactive step ({self._step.what}), and {self.reason}"

    def tell_tool(self, line: str) -> None:
        """Pass on which tool the container found, from the first line of its log."""
        if line.startswith(_MARK):
            tool = line[len(_MARK) :].strip()
            with contextlib.suppress(ApiError):
                self._api.patch("ConfigMap", self._attempt.namespace, self._name, {"data": {wire.TOOL: tool}})

    def remove(self) -> None:
        """Remove the step's objects, including the pod."""
        self._over.set()
        made = (
            ("Pod", self._attempt.name),
            ("Service", self._service),
            ("ConfigMap", self._name),
            ("Secret", self._name),
        )
        for kind, name in made:
            with contextlib.suppress(ApiError):
                self._api.delete(kind, self._attempt.namespace, name)

    def _create(self, kind: str, name: str, labels: dict[str, str], **content: Any) -> None:
        metadata = {"name": name, "namespace": self._attempt.namespace, "labels": labels}
        manifest = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}
        try:
            self._api.create(manifest)
        except Conflict:  # of an attempt whose process was killed
            with contextlib.suppress(NotFound):
                self._api.delete(kind, self._attempt.namespace, name)
            self._api.create(manifest)

    def _wait(self) -> None:
        deadline = time.monotonic() + LONGEST_S
        while not self._over.is_set() and not self.answer:
            left = deadline - time.monotonic()
            if left <= 0:
                self.answer, self.reason = wire.EXPIRED, f"it was not completed within {LONGEST_S / 3600:g} h"
                break
            try:
                for change, manifest in self._api.watch(
                    "ConfigMap", self._attempt.namespace, name=self._name, timeout_s=min(_WATCH_S, left)
                ):
                    if self._over.is_set() or self._take(change, manifest.get("data") or {}):
                        break
            except ApiError:
                self._over.wait(_AGAIN_S)
        if not self._over.is_set():
            self._attended.set()
            with contextlib.suppress(ApiError):
                podrun.delete_pod(self._api, self._attempt.namespace, self._attempt.name)

    def _take(self, change: str, data: dict[str, str]) -> bool:
        """Read the follower's answer; return ``True`` when there is one."""
        if change == "DELETED":
            self.answer = wire.COMPLETED
        elif data.get(wire.ANSWER):
            self.answer, self.reason = data[wire.ANSWER], data.get(wire.REASON, "")
        elif data.get(wire.ATTENDED):
            self._attended.set()
        return bool(self.answer)
