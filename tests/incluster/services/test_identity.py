from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest

from tests.incluster.services.running_services import CLIENT_SECRET, TOKEN, RunningServices, bearer

REALM = "/auth/realms/kaapana"


def claims_of(platform: RunningServices, token: str) -> dict[str, Any]:
    """Verify with an independent library, by the keys that discovery leads to."""
    discovery = platform.keycloak.get(f"{REALM}/.well-known/openid-configuration").json()
    issuer = discovery["issuer"]
    assert issuer == "http://keycloak-external-service.admin.svc:80/auth/realms/kaapana"
    assert discovery["jwks_uri"].startswith(issuer)
    keys = platform.keycloak.get(discovery["jwks_uri"].removeprefix(issuer.removesuffix(REALM))).json()
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=["RS256"], audience="kaapana", issuer=issuer, options={"require": ["exp", "iss", "aud"]}
    )
    return claims


def test_a_project_user_gets_the_claims_of_its_project_only(platform: RunningServices) -> None:
    project, other = platform.new_project(), platform.new_project()
    claims = claims_of(platform, platform.project_token(project))
    assert "kaapana" in claims["aud"]
    assert claims["preferred_username"] == f"project-{project['name']}-system-user"
    assert claims["realm_access"]["roles"] == ["user"]
    assert [entry["id"] for entry in claims["projects"]] == [project["id"]]
    assert claims["projects"][0]["role_name"] == "principal-investigator"
    assert claims["policy"] == [f"admin_project_{project['id']}", "kaapanaUser"]
    assert claims["opensearch"] == [f"admin_project_{project['id']}"]
    assert claims["kaapana.ai/extensions"] == [f"manage_{project['id']}"]
    assert other["id"] not in json.dumps(claims)


def test_the_system_user_is_an_admin_everywhere(platform: RunningServices) -> None:
    claims = claims_of(platform, platform.system_token())
    assert "admin" in claims["realm_access"]["roles"]
    assert "consoleAdmin" in claims["policy"]
    assert "kaapanaUser" not in claims["policy"]
    assert "admin" in claims["opensearch"]
    assert claims["exp"] - time.time() > 3000


def test_a_refresh_token_gives_a_new_access_token_but_cannot_replace_one(platform: RunningServices) -> None:
    first = platform.grant("system", "system-password").json()
    assert first["expires_in"] == 3600
    second = platform.token_endpoint({"grant_type": "refresh_token", "refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert claims_of(platform, second.json()["access_token"])["preferred_username"] == "system"
    assert platform.filter.get("/studies", headers=bearer(first["refresh_token"])).status_code == 403
    misused = {"grant_type": "refresh_token", "refresh_token": first["access_token"]}
    assert platform.token_endpoint(misused).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"grant_type": "password", "username": "system", "password": "wrong"}, 401, "invalid_grant"),
        ({"grant_type": "password", "username": "missing", "password": "x"}, 401, "invalid_grant"),
        ({"grant_type": "password", "username": "project-admin-system-user", "password": ""}, 401, "invalid_grant"),
        ({"grant_type": "password", "client_secret": "wrong"}, 401, "unauthorized_client"),
        ({"grant_type": "password", "client_secret": CLIENT_SECRET + "ü"}, 401, "unauthorized_client"),
        ({"grant_type": "refresh_token", "refresh_token": "abc"}, 400, "invalid_grant"),
        ({"grant_type": "implicit"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_wrong_grant_is_refused_with_its_reason(
    platform: RunningServices, form: dict[str, str], status: int, code: str
) -> None:
    answer = platform.token_endpoint(form)
    assert (answer.status_code, answer.json()["error"]) == (status, code)


def test_a_changed_token_and_a_token_with_alg_none_are_refused(platform: RunningServices) -> None:
    head, payload, signature = platform.system_token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["preferred_username"] = "alice"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for token in (
        f"{head}.{forged}.{signature}",
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        "a.b",
        "é.é.é",
    ):
        headers = {"Authorization": f"Bearer {token}".encode()}
        assert platform.filter.get("/studies", headers=headers).status_code == 403, token


def test_the_harness_can_set_the_password_of_a_project_again(platform: RunningServices) -> None:
    body = {"name": "admin", "description": "", "harness": {"project_user_password": "later"}}
    assert platform.aii.post("/projects", json=body, headers=bearer(TOKEN)).status_code == 200
    assert platform.grant("project-admin-system-user", "later").status_code == 200
