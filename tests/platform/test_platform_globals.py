"""The globals of the platform that reach an extension's chart."""

from __future__ import annotations

import pytest

from harness import profiles
from harness.extension.platform_globals import GLOBAL_KEYS
from harness.platform import platform_globals
from harness.platform.credentials import Credentials

REGISTRY = "registry.example.org/kaapana"
OURS = {"harness_dag_image_tag"}


@pytest.mark.parametrize("release", profiles.names())
def test_each_key_of_the_platform_is_there_and_no_other(release: str) -> None:
    known = platform_globals.make_globals(profiles.load(release), REGISTRY, "0.6.0")
    # the two that kube-helm takes out before it installs a chart (build 10.3)
    assert set(known) - OURS == GLOBAL_KEYS - {"preinstall_extensions", "kaapana_collections"}


def test_a_job_of_a_chart_gets_the_login_of_the_object_store() -> None:
    credentials = Credentials.random()
    known = platform_globals.make_globals(profiles.load("0.6.0"), REGISTRY, "0.6.0", credentials=credentials)
    assert known["credentials_minio_username"] == credentials.minio_user
    assert known["credentials_minio_password"] == credentials.minio_password
    assert known["credentials_registry_password"] == credentials.registry_password
    assert known["kaapana_init_password"] == credentials.user_password


def test_a_template_may_require_a_secret_before_there_is_an_environment() -> None:
    known = platform_globals.make_globals(profiles.load("0.6.0"), REGISTRY, "0.6.0")
    assert all(known[key] for key in known if key.startswith(("credentials_", "kaapana_init_", "oidc_")))


def test_a_platform_of_one_instance_has_no_instance_uid() -> None:
    assert platform_globals.make_globals(profiles.load("0.6.0"), REGISTRY, "0.6.0")["instance_uid"] == ""


def test_a_template_may_choose_the_node_that_has_the_volumes() -> None:
    known = platform_globals.make_globals(profiles.load("0.6.0"), REGISTRY, "0.6.0", main_node="node-1")
    assert known["main_node_name"] == "node-1"


def test_limits_of_memory_are_texts_of_whole_mib_and_requests_a_third_of_them() -> None:
    known = platform_globals.make_globals(profiles.load("0.6.0"), REGISTRY, "0.6.0")
    for part in ("pacs", "airflow", "opensearch"):
        assert int(known[f"{part}_memory_request"]) == int(known[f"{part}_memory_limit"]) // 3
