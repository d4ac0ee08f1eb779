"""Pull with a short time limit: a machine without a route to a registry must notice it in seconds."""

from __future__ import annotations

from harness.common.progress import OnProgress
from harness.wire.images import host_of

PATIENCE_S = 20.0
"""Seconds of silence until a pull is given up."""

_unreachable: dict[str, str] = {}


def pull(reference: str, on_line: OnProgress) -> str:
    """Try to pull ``reference``.

    Returns:
        An empty text on success, otherwise the reason in one line. A registry that could not be reached is
        remembered and not asked again by this process.
    """
    import docker
    import requests

    from harness.engine import connect_api, find_error, read_message

    registry = host_of(reference) or "the public registry"
    if registry in _unreachable:
        return _unreachable[registry]
    impatient = connect_api(timeout_s=PATIENCE_S)
    try:
        on_line(f"pull {reference}")
        for event in impatient.pull(reference, stream=True, decode=True):
            if trouble := find_error(event):
                return _reason(registry, trouble)
        return ""
    except docker.errors.APIError as error:
        return _reason(registry, read_message(error))
    except docker.errors.InvalidRepository as error:
        # no registry was asked
        return str(error)
    except requests.RequestException:
        return _reason(registry, f"no answer within {PATIENCE_S:.0f} s")
    finally:
        impatient.close()


def _reason(registry: str, text: str) -> str:
    text = " ".join(text.split())
    answered = ("not found", "manifest unknown", "denied", "unauthorized", "toomanyrequests")
    if not any(sign in text.lower() for sign in answered):
        _unreachable[registry] = text
    return text
