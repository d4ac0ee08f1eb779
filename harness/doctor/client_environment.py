"""The environment of programs that ask the engine: ``docker``, its plugin ``buildx``, and ``kind``.

They ask the engine that the harness asks, in the version that suits both sides. What else the user has chosen for other
work does not count: the harness's own requests know nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.doctor.address import find_address

_CHOICES: Final = frozenset(
    {
        "DOCKER_API_VERSION",
        "DOCKER_CERT_PATH",
        "DOCKER_CONTEXT",
        "DOCKER_DEFAULT_PLATFORM",
        "DOCKER_TLS",
        "DOCKER_TLS_VERIFY",
    }
)
_BUILDERS: Final = ("BUILDX_", "BUILDKIT_")


def make_client_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that asks the engine, from that of this process."""
    kept = {name: value for name, value in environ.items() if name not in _CHOICES and not name.startswith(_BUILDERS)}
    return {**kept, "DOCKER_HOST": find_address(environ).url}
