"""The globals of the platform that reach an extension's chart."""

from __future__ import annotations

import pytest

from harness import profiles
from harness.extension.platform_globals import GLOBAL_KEYS
from harness.platform import platform_globals
from harness.platform.credentials import Credentials
from harness.settings import Settings

REGISTRY = "registry.example.org/kaapana"
OURS = {"harness_dag_image_tag"}


@pytest.mark.parametrize("release", profiles.names())
def test_each_key_is_one_of_the_platform(release: str) -> None:
    known = platform_globals.of(Settings(), profiles.load(release), REGISTRY, "0.6.0")
    assert set(known) - OURS <= GLOBAL_KEYS


def test_a_job_of_a_chart_gets_the_login_of_the_object_store() -> None:
    credentials = Credentials.random()
    known = platform_globals.of(
        Settings(), profiles.load("0.6.0"), REGISTRY, "0.6.0", environment_id="e", credentials=credentials
    )
    assert known["credentials_minio_username"] == credentials.minio_user
    assert known["credentials_minio_password"] == credentials.minio_password
    assert known["credentials_registry_password"] == credentials.registry_password
    assert known["kaapana_init_password"] == credentials.user_password


def test_without_an_environment_each_secret_is_empty() -> None:
    known = platform_globals.of(Settings(), profiles.load("0.6.0"), REGISTRY, "0.6.0")
    secrets = {key for key in known if "password" in key or "secret" in key}
    assert secrets
    assert all(known[key] == "" for key in secrets)
