"""Which variable wins, and what Kubernetes accepts (runtime 6.2)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.incluster.airflow import podenv, podspec
from harness.incluster.airflow.errors import InvalidPodError
from harness.incluster.airflow.profile import PodProfile

CORE = {"RUN_ID": "r", "WORKFLOW_DIR": "/kaapana/mounted/data/r"}
URLS = dict.fromkeys(podenv.SERVICE_URLS, "http://service")


def merge(**changes: Any) -> dict[str, Any]:
    rows: dict[str, Any] = {"operator_env": {}, "gpu_device": "", "workflow_form": {}, "core": {}}
    return podenv.merge(**{**rows, **changes})


def of_operator(given: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    place: dict[str, Any] = {
        "release": PodProfile(),
        "operator_in_dir": None,
        "enable_proxy": False,
        "no_proxy": None,
        "environ": URLS,
    }
    return podenv.operator_variables(given, **{**place, **changes})


@pytest.mark.parametrize(
    ("variable", "given", "place", "winner"),
    [
        ("AII_URL", {}, {}, "http://service"),
        ("AII_URL", {"AII_URL": "mine"}, {}, "mine"),
        ("http_proxy", {}, {"enable_proxy": True, "environ": {**URLS, "PROXY": "p"}}, "p"),
        ("no_proxy", {}, {"no_proxy": "x"}, "x"),
        ("no_proxy", {"no_proxy": "mine"}, {"no_proxy": "x"}, "mine"),
        ("OPERATOR_IN_DIR", {}, {"operator_in_dir": "in"}, "in"),
        ("OPERATOR_IN_DIR", {"OPERATOR_IN_DIR": "mine"}, {"operator_in_dir": "in"}, "mine"),
        ("ADMIN_NAMESPACE", {}, {}, "None"),
    ],
)
def test_the_authors_values_win_over_the_platforms_variables(
    variable: str, given: dict[str, Any], place: dict[str, Any], winner: str
) -> None:
    assert of_operator(given, **place)[variable] == winner


@pytest.mark.parametrize(
    ("variable", "rows", "winner"),
    [
        ("CUDA_VISIBLE_DEVICES", {"operator_env": {"CUDA_VISIBLE_DEVICES": "7"}}, ""),
        ("CUDA_VISIBLE_DEVICES", {"workflow_form": {"cuda_visible_devices": 3}}, "3"),
        ("MODE", {"operator_env": {"MODE": "operator"}, "workflow_form": {"mode": "form"}}, "form"),
        ("AII_URL", {"operator_env": {"AII_URL": "base"}, "workflow_form": {"aii_url": "form"}}, "form"),
        ("RUN_ID", {"workflow_form": {"run_id": "form"}, "core": {"RUN_ID": "core"}}, "core"),
    ],
)
def test_the_later_source_of_a_variable_wins(variable: str, rows: dict[str, Any], winner: str) -> None:
    assert merge(**rows)[variable] == winner


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"),
        (False, "False"),
        (None, "None"),
        (3, "3"),
        (0.5, "0.5"),
        (["a", "b"], "['a', 'b']"),
        ({"k": 1}, "{'k': 1}"),
    ],
)
def test_form_values_reach_the_container_as_python_writes_them(value: Any, text: str) -> None:
    assert merge(workflow_form={"some_key": value})["SOME_KEY"] == text


def test_without_an_input_the_variable_of_the_input_folder_is_absent() -> None:
    assert "OPERATOR_IN_DIR" not in of_operator()
    assert {"http_proxy", "https_proxy", "no_proxy"}.isdisjoint(of_operator(environ={**URLS, "PROXY": "p"}))


def test_a_number_as_value_is_refused_with_the_text_to_write_instead() -> None:
    with pytest.raises(InvalidPodError, match=r"THREADS is 3 \(int\).*'3'"):
        podenv.env_entries({"THREADS": 3}, secrets=[], namespace="project-a")


def test_a_name_with_a_blank_is_refused() -> None:
    with pytest.raises(InvalidPodError, match="'MY KEY'"):
        podenv.env_entries({"MY KEY": "x"}, secrets=[], namespace="project-a")


def test_none_reaches_the_container_as_empty_text() -> None:
    assert {"name": "LABEL", "value": ""} in podenv.env_entries({"LABEL": None}, secrets=[], namespace="project-a")


def by_name(entries: list[dict[str, Any]]) -> dict[str, Any]:
    assert len({entry["name"] for entry in entries}) == len(entries), "a name occurs twice"
    return {entry["name"]: entry for entry in entries}


def test_a_project_pod_gets_the_credentials_of_the_project_by_reference() -> None:
    env = by_name(podenv.env_entries({}, secrets=[], namespace="project-a"))
    reference = env["KAAPANA_PROJECT_USER_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "project-user-credentials", "key": "project-user-password"}
    assert env["KAAPANA_PROJECT_USER_NAME"]["valueFrom"]["secretKeyRef"]["key"] == "project-user"
    assert env["KAAPANA_CLIENT_SECRET"]["valueFrom"]["secretKeyRef"]["name"] == "oidc-client-secret"


def test_a_pod_of_the_services_namespace_is_the_system_user() -> None:
    env = by_name(podenv.env_entries({}, secrets=[], namespace="services"))
    assert env["KAAPANA_PROJECT_USER_NAME"] == {"name": "KAAPANA_PROJECT_USER_NAME", "value": "system"}
    assert env["KAAPANA_PROJECT_USER_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "system-user-password"


def test_a_plain_variable_wins_over_a_secret_of_the_same_name() -> None:
    env = by_name(podenv.env_entries({"KAAPANA_CLIENT_SECRET": "mine"}, secrets=[], namespace="project-a"))
    assert env["KAAPANA_CLIENT_SECRET"] == {"name": "KAAPANA_CLIENT_SECRET", "value": "mine"}


def test_secrets_of_the_operator_come_first_and_may_be_objects_of_the_kubernetes_client() -> None:
    reference = SimpleNamespace(name="s", key="k")
    secret = SimpleNamespace(name="TOKEN", value=None, value_from=SimpleNamespace(secret_key_ref=reference))
    first = podenv.env_entries({"A": "b"}, secrets=[secret], namespace="project-a")[0]
    assert first == {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


@pytest.mark.parametrize(
    ("operator", "params", "conf", "expected"),
    [
        ("mine", {"project_form": {"kubernetes_namespace": "project-a"}}, {}, "mine"),
        (None, {"project_form": {"kubernetes_namespace": "project-a"}}, {}, "project-a"),
        (None, {}, {}, "project-admin"),
        ("mine", {}, {"federated_form": {"x": 1}}, "services"),
    ],
)
def test_the_namespace_follows_its_order(operator: str | None, params: Any, conf: Any, expected: str) -> None:
    assert podspec.namespace_of(operator, params, conf) == expected


def test_secrets_are_given_with_the_kubernetes_client_of_the_platform() -> None:
    from kubernetes.client import V1EnvVar, V1EnvVarSource, V1SecretKeySelector

    source = V1EnvVarSource(secret_key_ref=V1SecretKeySelector(name="s", key="k"))
    entry = podenv.env_entries({}, secrets=[V1EnvVar(name="TOKEN", value_from=source)], namespace="project-a")[0]
    assert entry == {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
