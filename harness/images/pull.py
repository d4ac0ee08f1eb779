"""Pull with a short time limit: a machine without a route to a registry must notice it in seconds."""

from __future__ import annotations

from harness import engine
from harness.common.progress import OnProgress
from harness.wire.images import host_of

PATIENCE_S = 20.0
"""Seconds until a pull is given up on which the engine reports nothing new."""

_unreachable: dict[str, str] = {}


def pull(reference: str, on_line: OnProgress) -> str:
    """Try to pull ``reference``.

    Returns:
        An empty text on success, otherwise the reason in one line. A registry that could not be reached is
        remembered and not asked again by this process.
    """
    registry = host_of(reference) or "the public registry"
    if registry in _unreachable:
        return _unreachable[registry]
    impatient = engine.connect_api(timeout_s=PATIENCE_S)
    try:
        on_line(f"pull {reference}")
        for _ in engine.pull(impatient, reference):
            pass
        return ""
    except engine.TransferError as error:
        reason = " ".join(str(error).split())
        if error.unreached:
            _unreachable[registry] = reason
        return reason
    finally:
        impatient.close()
