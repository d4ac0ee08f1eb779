"""Who asks the filter, and which series that caller may see (services 7)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from harness.incluster.services.dicom.mappings import Mappings
from harness.incluster.services.identity.jwt import TokenError
from harness.incluster.services.identity.routes import Identity, bearer
from harness.incluster.services.web import error


class Caller:
    """The caller: the token's projects, and whether it is a realm admin (who sees everything)."""

    def __init__(self, claims: dict[str, Any], mappings: Mappings) -> None:
        self.admin = "admin" in claims.get("realm_access", {}).get("roles", [])
        projects = claims.get("projects")
        if projects is None:
            raise error(500, "the token has no claim 'projects'")
        self.projects = [str(project["id"]) for project in projects]
        self._mappings = mappings

    def list_mapped(self) -> set[str]:
        """Return the series of the caller's projects."""
        return self._mappings.visible(self.projects)

    def visible(self) -> set[str] | None:
        """Return the series that the caller may see, ``None`` for all."""
        return None if self.admin else self.list_mapped()


class Callers:
    """Identify the caller of a request by the token.

    Args:
        as_documented: an unknown caller gets the 403 of the guide. As built, raising inside the middleware turns
            it into a 500.
    """

    def __init__(self, identity: Identity, mappings: Mappings, *, as_documented: bool) -> None:
        self._identity = identity
        self._mappings = mappings
        self._no_token_status = 403 if as_documented else 500

    def identify(self, request: Request) -> Caller:
        """Return the caller; an error status without a valid token."""
        token = bearer(request, forwarded=True)
        if token is None:
            raise error(self._no_token_status, "neither Authorization: Bearer nor x-forwarded-access-token was sent")
        try:
            claims = self._identity.verify(token)
        except TokenError as problem:
            raise error(self._no_token_status, str(problem)) from None
        return Caller(claims, self._mappings)
