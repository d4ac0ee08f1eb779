"""Read the events of an object: the part of a failure that is not in its status."""

from __future__ import annotations

from harness.kube.client import KubeApi
from harness.kube.errors import ApiError
from harness.kube.manifest import Manifest

# what each pod has on its way, and tells nothing
_USUAL = frozenset({"Scheduled", "Pulling", "Pulled", "Created", "Started", "SuccessfulCreate", "Killing"})


def list_unusual(api: KubeApi, manifest: Manifest, *, limit: int = 10) -> list[str]:
    """Return the events of an object that say more than that all goes well: ``FailedMount: ...``, the oldest first.

    Args:
        limit: maximum number, the latest ones. Equal events are counted.

    Without access to events there are none: they only add to a message.
    """
    own = [event for event in list_events(api, manifest) if event.get("reason") not in _USUAL]
    return [_line(event) for event in own[-limit:]]


def list_events(api: KubeApi, manifest: Manifest) -> list[Manifest]:
    """Return all events of an object, oldest first; none without access to events."""
    metadata = manifest["metadata"]
    try:
        found = api.list("Event", metadata.get("namespace"))
    except ApiError:
        return []
    return sorted((event for event in found if _is_about(event, metadata)), key=_time)


def _is_about(event: Manifest, metadata: Manifest) -> bool:
    about = event.get("involvedObject") or {}
    if about.get("uid") and metadata.get("uid"):
        return bool(about["uid"] == metadata["uid"])
    return bool(about.get("name") == metadata["name"])


def _time(event: Manifest) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def count(event: Manifest) -> int:
    """Return how often an event has happened."""
    return int(event.get("count") or (event.get("series") or {}).get("count") or 1)


def _line(event: Manifest) -> str:
    number = count(event)
    times = f" ({number} times)" if number > 1 else ""
    return f"{event.get('reason')}: {str(event.get('message') or '').strip()}{times}"
