"""Wait until all parts of the platform are ready, all at once, and report which one is not and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from harness.common.progress import OnProgress, quiet
from harness.errors import PlatformError
from harness.kube import ApiError, KubeApi, Manifest, events, troubles
from harness.kube.errors import Unavailable
from harness.kube.unread_secrets import find_trouble
from harness.settings import how_to_set
from harness.wire.names import SERVICES_NAMESPACE
from harness.wire.polling import Polling

LABEL_NAME = "app.kubernetes.io/name"
LABEL_PART_OF = {"app.kubernetes.io/part-of": "kaapana-harness"}
# a part that ends so often while it is waited for is not going to start
_RESTARTS = 2
_LOG_LINES = 30
_REACH_POLL_S = 0.1
_OWN_PART = (
    "a part of the emulated platform is concerned, not the extension: see the message above, and report it where your "
    "cluster is not the cause"
)


def wait(api: KubeApi, workloads: Iterable[str], *, timeout_s: float, say: OnProgress) -> None:
    """Wait until a pod of every workload is ready.

    Args:
        workloads: names of the Deployments in the namespace ``services``.
        say: gets ``waiting for a, b`` whenever the list gets shorter.

    Raises:
        PlatformError: one cannot start, keeps ending, or is not ready in time; its log is in ``last_seen``.
    """
    missing = set(workloads)
    states: dict[str, str] = {}
    latest: dict[str, Manifest] = {}
    first: dict[str, Manifest] = {}
    deadline = time.monotonic() + timeout_s
    say(f"waiting for {', '.join(sorted(missing))}")
    for change, pod in api.watch("Pod", SERVICES_NAMESPACE, labels=LABEL_PART_OF, timeout_s=timeout_s):
        name = pod["metadata"]["labels"][LABEL_NAME]
        if change == "DELETED" or name not in missing:
            continue
        latest[name] = pod
        _raise_if_hopeless(api, name, pod, first.setdefault(pod["metadata"]["uid"], pod))
        states[name] = (pod.get("status") or {}).get("phase", "Pending")
        if _is_ready(pod):
            missing.discard(name)
            if not missing:
                return
            say(f"waiting for {', '.join(sorted(missing))}")
        if time.monotonic() > deadline:
            break
    name = sorted(missing)[0]
    raise PlatformError(
        f"{', '.join(sorted(missing))} did not become ready within {timeout_s:.0f} s",
        last_seen="\n".join(
            filter(None, [f"{name}: {states.get(name, 'no pod')}", *_collect_notes(api, latest.get(name))])
        ),
        fix=f"raise the limit with {how_to_set('start_timeout')}, or see the log above",
    )


def wait_for_restart(api: KubeApi, workload: str, *, timeout_s: float) -> bool:
    """Wait until a workload that has been ready before is ready again.

    Kubernetes lets a container that ends again and again wait before it starts it, for up to five minutes.

    Args:
        workload: name of the Deployment in the namespace ``services``.

    Returns:
        Whether it was not ready. False also where the cluster cannot be asked, or has no pod of it.

    Raises:
        PlatformError: as :func:`wait`.
    """
    try:
        pods = api.list("Pod", SERVICES_NAMESPACE, labels={**LABEL_PART_OF, LABEL_NAME: workload})
        if all(_is_ready(pod) for pod in pods):
            return False
        wait(api, [workload], timeout_s=timeout_s, say=quiet)
    except Unavailable:
        return False
    return True


def wait_until_reached(checks: Iterable[Callable[[], object]], *, timeout_s: float) -> None:
    """Wait until this process reaches all parts: a ready part of a cluster becomes reachable a moment later.

    Args:
        checks: a request to each part, which raises :class:`PlatformError` when there is no answer.

    Raises:
        PlatformError: that of the first part that is not reached in time.
    """
    # nodes update their rules about once a second, without any signal
    polling = Polling(timeout_s=timeout_s, pause_s=_REACH_POLL_S)
    for check in checks:
        while True:
            try:
                check()
                break
            except PlatformError:
                if not polling.again():
                    raise


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)


def _raise_if_hopeless(api: KubeApi, name: str, pod: Manifest, first: Manifest) -> None:
    """Raise when a pod cannot start, or has ended too often since it was seen first."""
    trouble = find_trouble(api, pod)
    if trouble is not None:
        raise PlatformError(
            f"{name} cannot start: {trouble.reason} of {trouble.image}", last_seen=trouble.message, fix=_OWN_PART
        )
    before = _restarts(first)
    for entry in troubles.statuses_of(pod):
        if int(entry.get("restartCount") or 0) - before.get(entry["name"], 0) >= _RESTARTS:
            ended = _find_end(entry)
            raise PlatformError(
                f"{name} keeps ending: container {entry['name']}, exit status {ended.get('exitCode')}"
                f"{', ' + ended['reason'] if ended.get('reason') else ''}",
                last_seen=_log(api, pod, entry["name"]),
                fix=_OWN_PART,
            )


def _restarts(pod: Manifest) -> dict[str, int]:
    return {entry["name"]: int(entry.get("restartCount") or 0) for entry in troubles.statuses_of(pod)}


def _collect_notes(api: KubeApi, pod: Manifest | None) -> list[str]:
    """Return the events and the end of the log of a pod."""
    return [] if pod is None else [*events.list_unusual(api, pod), _log(api, pod)]


def _find_end(entry: dict[str, Any]) -> dict[str, Any]:
    for key in ("state", "lastState"):
        terminated = (entry.get(key) or {}).get("terminated")
        if terminated:
            return dict(terminated)
    return {}


def _log(api: KubeApi, pod: Manifest | None, container: str | None = None) -> str:
    if pod is None:
        return ""
    container = container or pod["spec"]["containers"][0]["name"]
    try:
        lines = api.logs(pod["metadata"]["namespace"], pod["metadata"]["name"], container=container)
        return "\n".join(list(lines)[-_LOG_LINES:])
    except ApiError as error:
        return f"(no log: {error})"
