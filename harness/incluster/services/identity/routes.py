"""Keycloak's part: tokens with the platform's claims, discovery and key set (services 2)."""

from __future__ import annotations

import hmac
import time
import urllib.parse
import uuid
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.incluster.services.access.directory import RIGHTS, ROLE_IDS, Directory, User
from harness.incluster.services.identity.jwt import Signer, TokenError
from harness.incluster.services.web import error, read_body
from harness.wire import names

TOKEN_LIFETIME_S: Final = 3600
REFRESH_LIFETIME_S: Final = 1800
_FORM_LIMIT = 64 << 10


class Identity:
    """Issues and checks the tokens of the realm ``kaapana``."""

    def __init__(self, directory: Directory, signer: Signer, *, issuer: str, client_secret: str) -> None:
        self._directory = directory
        self._signer = signer
        self._issuer = issuer
        self._client_secret = client_secret

    def claims(self, user: User) -> dict[str, Any]:
        """Return the claims that the platform's mappers add to an access token (services 2.3)."""
        admin = "admin" in user.realm_roles
        memberships = self._directory.memberships(user.id)
        lists: dict[str, list[str]] = {key: [] for rights in RIGHTS.values() for key, _ in rights}
        for project, role in memberships:
            for key, value in RIGHTS[role]:
                lists[key].append(f"{value}_{project.id}")
        lists["policy"].append("consoleAdmin" if admin else "kaapanaUser")
        if admin:
            lists["opensearch"].append("admin")
        projects = [
            {
                "id": project.id,
                "name": project.name,
                "description": project.description,
                "role_id": ROLE_IDS[role],
                "role_name": role,
            }
            for project, role in memberships
        ]
        return {
            "sub": user.id,
            "preferred_username": user.username,
            "realm_access": {"roles": list(user.realm_roles)},
            "groups": list(user.groups),
            "projects": projects,
            **lists,
        }

    def access_token(self, user: User) -> str:
        """Return a new access token."""
        return self._sign("Bearer", TOKEN_LIFETIME_S, {**self.claims(user), "scope": "openid profile email roles"})

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of an access token; raises TokenError."""
        return self._signer.verify(token, audience=names.OIDC_CLIENT_ID)

    def _sign(self, typ: str, lifetime_s: int, claims: Mapping[str, Any]) -> str:
        now = int(time.time())
        registered = {
            "iss": self._issuer,
            "aud": [names.OIDC_CLIENT_ID, "account"],
            "azp": names.OIDC_CLIENT_ID,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + lifetime_s,
            "typ": typ,
        }
        return self._signer.sign({**registered, **claims})

    async def token(self, request: Request) -> Response:
        """POST token: password and refresh grant (services 2.2)."""
        body = (await read_body(request, _FORM_LIMIT)).decode("utf-8", "replace")
        form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        secret = form.get("client_secret", "")
        known = form.get("client_id") == names.OIDC_CLIENT_ID
        if not hmac.compare_digest(secret.encode(), self._client_secret.encode()) or not known:
            return _refuse(401, "unauthorized_client", "Invalid client or Invalid client credentials")
        grant = form.get("grant_type")
        if grant == "password":
            user = self._directory.user_by_name(form.get("username", ""))
            if user is None or not user.accepts(form.get("password", "")):
                return _refuse(401, "invalid_grant", "Invalid user credentials")
        elif grant == "refresh_token":
            try:
                claims = self._signer.verify(
                    form.get("refresh_token", ""), audience=names.OIDC_CLIENT_ID, typ="Refresh"
                )
            except TokenError as problem:
                return _refuse(400, "invalid_grant", f"Invalid refresh token: {problem}")
            user = self._directory.user(str(claims.get("sub")))
            if user is None:
                return _refuse(400, "invalid_grant", "Invalid refresh token: the user is gone")
        else:
            return _refuse(400, "unsupported_grant_type", "Unsupported grant_type")
        return JSONResponse(
            {
                "access_token": self.access_token(user),
                "expires_in": TOKEN_LIFETIME_S,
                "refresh_expires_in": REFRESH_LIFETIME_S,
                "refresh_token": self._sign("Refresh", REFRESH_LIFETIME_S, {"sub": user.id}),
                "token_type": "Bearer",
                "not-before-policy": 0,
                "scope": "profile email",
            }
        )

    async def discovery(self, request: Request) -> Response:
        """GET the OpenID configuration, by which MinIO finds the keys (services 10.1)."""
        endpoint = f"{self._issuer}/protocol/openid-connect"
        return JSONResponse(
            {
                "issuer": self._issuer,
                "authorization_endpoint": f"{endpoint}/auth",
                "token_endpoint": f"{endpoint}/token",
                "userinfo_endpoint": f"{endpoint}/userinfo",
                "end_session_endpoint": f"{endpoint}/logout",
                "jwks_uri": f"{endpoint}/certs",
                "grant_types_supported": ["password", "refresh_token"],
                "response_types_supported": ["code", "token", "id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email", "roles"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "claims_supported": ["sub", "iss", "aud", "policy", "opensearch", "projects", "preferred_username"],
            }
        )

    async def certificates(self, request: Request) -> Response:
        """GET the JSON Web Key Set."""
        return JSONResponse(self._signer.jwks())

    async def userinfo(self, request: Request) -> Response:
        """GET the claims of the bearer."""
        try:
            claims = self.verify(bearer(request) or "")
        except TokenError as problem:
            raise error(401, str(problem)) from None
        return JSONResponse({key: value for key, value in claims.items() if key not in {"exp", "iat", "jti", "typ"}})

    def routes(self) -> list[Route]:
        """Return the realm's paths."""
        realm = f"/auth/realms/{names.REALM}"
        return [
            Route(f"{realm}/.well-known/openid-configuration", self.discovery),
            Route(f"{realm}/protocol/openid-connect/certs", self.certificates),
            Route(f"{realm}/protocol/openid-connect/token", self.token, methods=["POST"]),
            Route(f"{realm}/protocol/openid-connect/userinfo", self.userinfo, methods=["GET", "POST"]),
        ]


def bearer(request: Request, *, forwarded: bool = False) -> str | None:
    """Return the bearer token of a request.

    Args:
        forwarded: look into ``x-forwarded-access-token`` as well (services 7.1).
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-forwarded-access-token") if forwarded else None


def _refuse(status: int, code: str, description: str) -> Response:
    return JSONResponse({"error": code, "error_description": description}, status)
