"""Create a pod, follow it to its end, read what became of it. Watches, never polls."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from harness.incluster.airflow import outcome
from harness.incluster.airflow.errors import ClusterLostError, InvalidPodError, PodNameTakenError
from harness.incluster.airflow.loglimit import TAIL_LINES, LogLimit
from harness.kube import Manifest, events, pullsecrets, troubles
from harness.kube.client import KubeApi
from harness.kube.errors import ApiError, Conflict, Expired, NotFound, Unavailable
from harness.kube.unread_secrets import find_trouble
from harness.wire import name_lookups, names, reasons
from harness.wire.annotations import ANNOTATION_TASK
from harness.wire.outcome import Outcome
from harness.wire.pulls import PullRefusal

GRACE_S: Final = 2
_WATCH_S: Final = 60.0
_LOST_S: Final = 60.0
_AGAIN_S: Final = 0.5
_LOG_END_S: Final = 10.0


def ensure_configmap(api: KubeApi, manifest: Manifest) -> None:
    """Create the run's ConfigMap; the first task of a run wins, a later conf is not seen (runtime 6.5)."""
    with contextlib.suppress(Conflict):
        api.create(manifest)


def delete_pod(api: KubeApi, namespace: str, name: str) -> None:
    """Ask for the pod's deletion; one that does not exist is fine.

    A container that ignores SIGTERM gets two seconds instead of Kubernetes' 30: its clean end does not matter.
    """
    with contextlib.suppress(NotFound):
        api.delete("Pod", namespace, name, grace_period_s=GRACE_S)


def delete_pods_of(api: KubeApi, namespace: str, run_label: str, mark: str) -> None:
    """Delete every pod of one task, with any name.

    Args:
        run_label: value of the label ``run_id`` (:func:`podspec.run_label`).
        mark: value of the annotation (:func:`harness.wire.annotations.task_mark`).
    """
    for pod in api.list("Pod", namespace, labels={names.LABEL_RUN_ID: run_label}):
        if (pod["metadata"].get("annotations") or {}).get(ANNOTATION_TASK) == mark:
            delete_pod(api, namespace, pod["metadata"]["name"])


class PodRun:
    """One attempt of a task.

    Args:
        manifest: the pod, as :func:`harness.incluster.airflow.podspec.pod` makes it.
        on_line: gets every line that the container writes, as it comes.
        startup_timeout_s: how long the pod may stay Pending (runtime 7.2).
        replaces_ended: whether an existing pod of the same task that has succeeded is replaced, or is an error (409).
    """

    def __init__(
        self,
        api: KubeApi,
        manifest: Manifest,
        *,
        on_line: Callable[[str], None],
        startup_timeout_s: float,
        replaces_ended: bool = True,
    ) -> None:
        self._api = api
        self._manifest = manifest
        self._log = LogLimit(on_line)
        self._startup_timeout_s = startup_timeout_s
        self._replaces_ended = replaces_ended
        self._log_thread: threading.Thread | None = None
        self._log_is_over = threading.Event()
        # the last seen version of the pod: a watch continues after it
        self._seen = ""
        self.namespace: str = manifest["metadata"]["namespace"]
        self.name: str = manifest["metadata"]["name"]
        self.image: str = manifest["spec"]["containers"][0]["image"]
        self._container: str = manifest["spec"]["containers"][0]["name"]

    def create(self) -> None:
        """Create the pod. What an earlier attempt of the same task left is removed first.

        Raises:
            PodNameTakenError: a pod of another task has this name.
            InvalidPodError: the API server refuses the pod; its message names the field.
        """
        try:
            self._note(self._api.create(self._manifest))
        except Conflict:
            self._replace()
        except ApiError as error:
            if error.status in (400, 422):
                raise InvalidPodError(f"the cluster refuses the pod {self.name}: {error.message}") from error
            raise

    def follow(self) -> Outcome:
        """Wait for the pod's end, passing its log on.

        Returns:
            the outcome; reasons of :data:`reasons.GIVEN_UP`, ``StartupTimeout`` and ``Deleted`` stand for pods
            that did not come to an end of their own.

        Raises:
            ClusterLostError: the API server did not answer for a minute.
        """
        begin = time.monotonic()
        last: Manifest = self._manifest
        for change, pod in self._changes(begin + self._startup_timeout_s):
            if change == "TIMEOUT":
                why = "; ".join([_wait_reason(last), *events.list_unusual(self._api, last)])
                return self._end_early(
                    last, reasons.STARTUP_TIMEOUT, f"the pod did not start within {self._startup_timeout_s:g} s: {why}"
                )
            last = pod
            if change == "DELETED":
                if evicted := outcome.eviction_message(pod):
                    ended = self._end_early(pod, reasons.EVICTED, evicted)
                    return dataclasses.replace(ended, low_disk=outcome.is_low_on_disk(pod))
                return self._end_early(pod, reasons.DELETED, "the pod was deleted from outside while the task ran")
            trouble = find_trouble(self._api, pod)
            if trouble is not None:
                text = f"image {self.image} cannot be started, {trouble.reason}: {trouble.message}"
                ended = self._end_early(pod, trouble.reason, text)
                return dataclasses.replace(ended, refusal=self._refusal(pod, trouble), unreached=trouble.unreached)
            if self._log_thread is None and outcome.has_started(pod, self._container):
                self._log_thread = threading.Thread(target=self._follow_log, daemon=True, name=f"log of {self.name}")
                self._log_thread.start()
            if outcome.has_ended(pod):
                ended = outcome.read_outcome(pod, self._container, self.image, self._whole_tail())
                return ended if ended.reason == reasons.COMPLETED else self._with_unresolved(ended, pod)
        raise AssertionError("the stream of changes has no other end")

    def interrupt(self, reason: str, message: str) -> Outcome:
        """Return the outcome of an attempt that we end (timeout, kill), with the present log."""
        return self._end_early(self._manifest, reason, message)

    # -- inner parts -------------------------------------------------------------------------------------

    def _with_unresolved(self, ended: Outcome, pod: Manifest) -> Outcome:
        found = (name_lookups.read_event(event) for event in events.list_events(self._api, pod))
        return dataclasses.replace(ended, unresolved=tuple(name for name in found if name))

    def _refusal(self, pod: Manifest, trouble: troubles.Trouble) -> PullRefusal | None:
        if not trouble.unauthorized:
            return None
        # only an addition: without the secrets the pull has failed all the same
        with contextlib.suppress(ApiError):
            return pullsecrets.refusal(self._api, pod, trouble.image)
        return None

    def _note(self, pod: Manifest) -> None:
        self._seen = str(pod["metadata"].get("resourceVersion") or "")

    def _replace(self) -> None:
        mine = self._manifest["metadata"]["annotations"][ANNOTATION_TASK]
        try:
            present = self._api.get("Pod", self.namespace, self.name)
        except NotFound:
            self._note(self._api.create(self._manifest))
            return
        theirs = (present["metadata"].get("annotations") or {}).get(ANNOTATION_TASK, "something else")
        if theirs != mine:
            raise PodNameTakenError(
                f"the pod name {self.name} is taken by {theirs}: pod names are cut to 62 characters, so two tasks of "
                "one run share it; shorten the dag_id or make the task ids differ early"
            )
        if not self._replaces_ended and outcome.has_succeeded(present):
            raise PodNameTakenError(
                f"the pod {self.name} of this task exists already and has succeeded: this release does not delete "
                "it, so a task that succeeded cannot run again in the same run; start a new run"
            )
        # runtime 7.3: a retry starts a fresh pod of the same name
        delete_pod(self._api, self.namespace, self.name)
        self._wait_until_gone()
        self._note(self._api.create(self._manifest))

    def _wait_until_gone(self) -> None:
        deadline = time.monotonic() + _LOST_S
        while self._exists():
            if time.monotonic() > deadline:
                raise ClusterLostError(
                    f"the pod {self.name} of the attempt before is still there {_LOST_S:g} s after its deletion"
                )
            # short, because it may be gone before the watch begins
            with contextlib.suppress(Unavailable):
                for change, _ in self._api.watch("Pod", self.namespace, name=self.name, timeout_s=1.0):
                    if change == "DELETED":
                        return

    def _exists(self) -> bool:
        try:
            self._api.get("Pod", self.namespace, self.name)
        except NotFound:
            return False
        return True

    def _changes(self, start_deadline: float) -> Iterator[tuple[str, Manifest]]:
        """Yield changes of the pod; ``TIMEOUT`` when it is still pending at the deadline. Survive a lost connection."""
        lost_since: float | None = None
        started = False
        while True:
            left = _WATCH_S if started else min(_WATCH_S, start_deadline - time.monotonic())
            if left <= 0:
                yield "TIMEOUT", self._manifest
                return
            try:
                # a new watch begins with existing pods and does not report a removed one
                if not self._seen and not self._exists():
                    yield "DELETED", self._manifest
                    return
                for change, pod in self._api.watch(
                    "Pod", self.namespace, name=self.name, since=self._seen, timeout_s=left
                ):
                    lost_since = None
                    self._note(pod)
                    started = started or outcome.has_started(pod, self._container)
                    yield change, pod
            except Unavailable as error:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > _LOST_S:
                    raise ClusterLostError(f"the cluster did not answer for {_LOST_S:g} s: {error}") from error
                # the server is away: there is no event to wait for
                time.sleep(_AGAIN_S)
            except Expired:
                self._seen = ""

    def _follow_log(self) -> None:
        seen = 0
        while not self._log_is_over.is_set():
            try:
                for number, line in enumerate(
                    self._api.logs(self.namespace, self.name, container=self._container, follow=True)
                ):
                    if self._log_is_over.is_set():
                        return
                    if number < seen:
                        continue
                    seen = number + 1
                    self._log.add(line)
                return
            except Unavailable:
                self._log_is_over.wait(_AGAIN_S)
            except ApiError as error:
                self._log.add(f"[kaapana-harness] the log cannot be read: {error}")
                return

    def _whole_tail(self) -> list[str]:
        seen = -1
        # a long log takes its time; one that does not go on any more is not waited for
        while self._log_thread is not None and self._log_thread.is_alive() and seen != self._log.count:
            seen = self._log.count
            self._log_thread.join(_LOG_END_S)
        self._log_is_over.set()
        if self._log_thread is not None:
            # an engine ends the stream of a container that has just ended before its last lines, now and then
            with contextlib.suppress(ApiError):
                last = self._api.logs(self.namespace, self.name, container=self._container, tail=TAIL_LINES)
                self._log.complete(list(last))
        self._log.end()
        return self._log.tail

    def _end_early(self, pod: Manifest, reason: str, message: str) -> Outcome:
        self._log_is_over.set()
        self._log.end()
        status: dict[str, Any] = pod.get("status") or {}
        return Outcome(
            reason=reason,
            message=message,
            image=self.image,
            pod=self.name,
            pod_ip=status.get("podIP"),
            pod_ips=outcome.pod_addresses(status),
            namespace=self.namespace,
            started=status.get("startTime"),
            log_tail=self._log.tail,
        )


def _wait_reason(pod: Manifest) -> str:
    """Return the reason why a pod is pending, by its conditions."""
    status: dict[str, Any] = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting:
            return f"{waiting.get('reason')} {waiting.get('message') or ''}".strip()
    return f"phase {status.get('phase', 'unknown')}"
