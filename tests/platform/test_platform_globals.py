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
    known = platform_globals.of(Settings(), profiles.load("0.6.0"), REGISTRY, "0.6.0", credentials=credentials)
    assert known["credentials_minio_username"] == credentials.minio_user
    assert known["credentials_minio_password"] == credentials.minio_password
    assert known["credentials_registry_password"] == credentials.registry_password
    assert known["kaapana_init_password"] == credentials.user_password


def test_a_template_may_require_a_secret_before_there_is_an_environment() -> None:
    known = platform_globals.of(Settings(), profiles.load("0.6.0"), REGISTRY, "0.6.0")
    assert all(known[key] for key in known if key.startswith(("credentials_", "kaapana_init_", "oidc_")))


def test_a_platform_of_one_instance_has_no_instance_uid() -> None:
    assert platform_globals.of(Settings(), profiles.load("0.6.0"), REGISTRY, "0.6.0")["instance_uid"] == ""
