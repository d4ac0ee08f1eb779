"""Probes of containers, executed from outside as a kubelet does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from harness.incluster.controlplane.engine import Engine, EngineCallError
from harness.incluster.controlplane.http import fetch

Probe = Mapping[str, Any]

# until a container is ready it is probed more often than its period says: a test waits for it
_EAGER_FIRST_S = 0.1
_EAGER_MOST_S = 1.0
# a pause is a tenth of a second and a twelfth of the time waited so far
_EAGER_GROWTH = 1.08


def period(probe: Probe) -> float:
    """Return the seconds between two probes (Kubernetes' default: 10)."""
    return float(probe.get("periodSeconds") or 10)


def startup_delay(probe: Probe, attempt: int) -> float:
    """Return the seconds to wait after a number of failed attempts of a container that was never ready."""
    return min(_EAGER_FIRST_S * _EAGER_GROWTH**attempt, _EAGER_MOST_S, period(probe))


async def probe_once(
    engine: Engine, probe: Probe, *, container: str, spec: Mapping[str, Any], address: str
) -> str | None:
    """Probe once.

    Args:
        engine: the engine, for ``exec``.
        probe: the probe's description.
        container: the engine's id of the container.
        spec: the container's description, for named ports.
        address: IP address of the pod.

    Returns:
        ``None`` if it succeeds, otherwise why not.
    """
    limit = float(probe.get("timeoutSeconds") or 1)
    try:
        if http := probe.get("httpGet"):
            scheme = (http.get("scheme") or "HTTP").lower()
            host = http.get("host") or address
            url = f"{scheme}://{host}:{_port(http['port'], spec)}{_absolute(http.get('path') or '/')}"
            headers = {header["name"]: header["value"] for header in http.get("httpHeaders") or ()}
            reply = await fetch("GET", url, headers=headers, timeout_s=limit, most_bytes=1 << 16)
            # the status decides: an interceptor of the network may answer too, with 404
            if 200 <= reply.status < 400:
                return None
            return f"HTTP probe failed with statuscode: {reply.status}"
        if tcp := probe.get("tcpSocket"):
            port = _port(tcp["port"], spec)
            _, writer = await asyncio.wait_for(asyncio.open_connection(tcp.get("host") or address, port), limit)
            writer.close()
            return None
        code, _ = await engine.execute(container, list(probe["exec"]["command"]), limit)
        return None if code == 0 else f"command exited with {code}"
    except (OSError, asyncio.TimeoutError, EngineCallError, LookupError) as error:
        return str(error) or f"no answer in {limit:g} s"


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _port(port: int | str, spec: Mapping[str, Any]) -> int:
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for entry in spec.get("ports") or ():
        if entry.get("name") == port:
            return int(entry["containerPort"])
    raise LookupError(f"the container has no port named {port!r}")
