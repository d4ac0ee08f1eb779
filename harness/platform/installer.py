"""Wait for the Jobs of a chart and their pods, and explain why one does not finish (build 6, 7, 19)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from harness.common.progress import OnProgress
from harness.errors import InstallError
from harness.kube import ApiError, KubeApi, Manifest, NotFound, events, pullsecrets
from harness.kube.troubles import Trouble, statuses_of
from harness.kube.unread_secrets import find_trouble
from harness.platform import failed_pulls
from harness.settings import how_to_set
from harness.wire import reasons
from harness.wire.names import ADMIN_NAMESPACE

if TYPE_CHECKING:
    from harness.platform.registry import PlatformRegistry

_LOG_LINES = 30
# Kubernetes' own for a Job that says nothing
_BACKOFF_LIMIT = 6


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Why an image cannot be pulled, as far as the way of its delivery shows it.

    Attributes:
        fix: the next step.
        cause: what belongs in the first line, if the reason and the image do not say it.
    """

    fix: str = ""
    cause: str = ""


def wait(
    api: KubeApi,
    job: Manifest,
    *,
    timeout_s: float,
    what: str,
    registry: PlatformRegistry | None = None,
    explain: Callable[[Trouble], Explanation] = lambda trouble: Explanation(),
) -> None:
    """Wait until the Job's pod has succeeded.

    Args:
        job: the Job as it was applied.
        what: its purpose, for messages, e.g. ``the installer of dag-otsus-method``.
        registry: of the platform, to explain an image that cannot be pulled.
        explain: returns the trouble in an author's terms.

    Raises:
        InstallError: the pod failed, cannot start, or did not end in time; its state is named.
    """
    namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
    deadline = time.monotonic() + timeout_s
    retries = job["spec"].get("backoffLimit")
    retries = _BACKOFF_LIMIT if retries is None else int(retries)
    failed: set[str] = set()
    uid = _uid(api, namespace, name)
    last, latest = "no pod yet", None
    for _, pod in api.watch("Pod", namespace, timeout_s=timeout_s):
        if not _is_owned(pod, name, uid):
            continue
        status = pod.get("status") or {}
        phase = status.get("phase", "Pending")
        if phase == "Succeeded":
            return
        trouble = find_trouble(api, pod)
        if trouble is not None:
            message = trouble.message or trouble.reason
            why = f"{trouble.reason} of {trouble.image}"
            if trouble.unauthorized:
                why = pullsecrets.refusal(api, pod, trouble.image).summary
            elif trouble.pull_failed and registry is not None:
                message = failed_pulls.explain(registry, trouble.image, message)
            explanation = explain(trouble)
            raise InstallError(
                f"{what} cannot start: {why}" + (f": {explanation.cause}" if explanation.cause else ""),
                last_seen=f"container {trouble.container}: {message}",
                evidence=f"pod {namespace}/{pod['metadata']['name']}",
                fix=explanation.fix,
            )
        if phase == "Failed":
            failed.add(pod["metadata"]["name"])
            if len(failed) > retries:
                raise _explain_failure(api, pod, what)
        last, latest = f"pod {pod['metadata']['name']}: {phase} {_wait_reasons(pod)}".rstrip(), pod
        if time.monotonic() > deadline:
            break
    noted = events.list_unusual(api, latest or job)
    raise InstallError(
        f"{what} did not end within {timeout_s:.0f} s",
        last_seen="\n".join([last, *noted]),
        fix=f"raise the limit with {how_to_set('install_timeout')}, or see what the pod waits for",
    )


def wait_for_jobs(
    api: KubeApi,
    manifests: Iterable[Manifest],
    *,
    timeout_s: float,
    registry: PlatformRegistry,
    explain: Callable[[Trouble], Explanation],
    say: OnProgress,
) -> None:
    """Wait until the Jobs of the author's own templates have succeeded, one after the other.

    A user waits for the green tick before starting anything, and the tick needs them (build 10.2).

    Args:
        manifests: rendered objects; those of other kinds are passed over.
        timeout_s: seconds for each.
        registry: see :func:`wait`, as ``explain``.
        say: gets a line for each of them.

    Raises:
        InstallError: one failed, cannot start, or did not end in time.
    """
    for manifest in manifests:
        if manifest["kind"] != "Job":
            continue
        name = manifest["metadata"]["name"]
        say(f"waiting for the Job {name}")
        placed = {**manifest, "metadata": {"namespace": ADMIN_NAMESPACE, **manifest["metadata"]}}
        wait(api, placed, timeout_s=timeout_s, what=f"the chart's Job {name}", registry=registry, explain=explain)


def _uid(api: KubeApi, namespace: str, name: str) -> str:
    try:
        return str(api.get("Job", namespace, name)["metadata"].get("uid", ""))
    except NotFound:
        return ""


def _is_owned(pod: Manifest, name: str, uid: str) -> bool:
    metadata = pod["metadata"]
    for owner in metadata.get("ownerReferences") or []:
        if owner.get("kind") == "Job" and owner.get("name") == name:
            return not uid or owner.get("uid") == uid
    return False


def _wait_reasons(pod: Manifest) -> str:
    reasons = [((entry.get("state") or {}).get("waiting") or {}).get("reason", "") for entry in statuses_of(pod)]
    return ", ".join(reason for reason in reasons if reason)


def _explain_failure(api: KubeApi, pod: Manifest, what: str) -> InstallError:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    ended = [
        (entry["name"], terminated)
        for entry in statuses_of(pod)
        if (terminated := (entry.get("state") or {}).get("terminated")) and terminated.get("exitCode")
    ]
    container, terminated = ended[0] if ended else ("", {})
    reason = terminated.get("reason", "Error")
    try:
        log = list(api.logs(namespace, name, container=container or None))[-_LOG_LINES:]
    except ApiError as error:
        log = [f"(no log: {error})"]
    fix = ""
    if reason == reasons.OUT_OF_MEMORY:
        fix = "without a limit of its own a container has the default of 50 MiB: copy fewer or smaller files"
    elif any("Unknown relative directory" in line for line in log):
        fix = "below /kaapana/tmp/ only dags/, plugins/, mounted_scripts/ and extensions/ are accepted"
    return InstallError(
        f"{what} failed: container {container} ended with {reason}, exit status {terminated.get('exitCode')}",
        last_seen="\n".join(log) or "no output",
        evidence=f"pod {namespace}/{name}",
        fix=fix,
    )
