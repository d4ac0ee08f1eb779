"""What registries do instead of answering."""

from __future__ import annotations

from harness.engine import logins
from harness.errors import PlatformError


class RegistryRefusedError(PlatformError):
    """A registry refuses a request, mostly because of a login; ``failure``: why that of the user was not found."""

    def __init__(self, address: str, status: int, path: str, text: str, failure: str = "") -> None:
        host = address.partition("/")[0]
        fix = f"`docker login {host}` with a user who may read it" if status in {401, 403} else ""
        if failure:
            fix = "repair docker's credential helper, or take it out of docker's config.json and log in again"
        super().__init__(
            f"the registry {address} answers {logins.explain(f'{status} to {path}', failure)}", last_seen=text, fix=fix
        )


class RegistryAnswerError(PlatformError):
    """What answers for a registry does not speak its API: a page of a proxy, or another server."""

    def __init__(self, address: str, url: str, request: str, problem: str, text: str) -> None:
        super().__init__(
            f"the registry {address} answers {request} with something else than the API of a registry: {problem}",
            last_seen=text,
            fix=f"see what answers there: `curl -i {url}/v2/`",
        )
