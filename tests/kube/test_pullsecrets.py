"""Which login of a pull secret fits an image, by the kubelet's rules, and how a refusal is explained."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from harness.kube.pullsecrets import Login, PullSecret, examine, logins_in
from harness.kube.troubles import Trouble
from harness.wire.pulls import PullRefusal, SecretVerdict

POD = {"metadata": {"namespace": "n"}, "spec": {"imagePullSecrets": [{"name": "s"}]}}


def secret(document: Any, key: str = ".dockerconfigjson") -> dict[str, Any]:
    return {"data": {key: base64.b64encode(json.dumps(document).encode()).decode()}}


def auths(*hosts: str) -> dict[str, Any]:
    """A login whose name is that of its registry."""
    return secret({"auths": {host: {"username": host, "password": "p"} for host in hosts}})


def fitting(image: str, *hosts: str) -> list[str]:
    (found,) = examine(POD, image, lambda namespace, name: auths(*hosts))
    return [login.username for login in found.logins]


@pytest.mark.parametrize(
    ("registry", "image"),
    [
        ("https://localhost:5000", "localhost:5000/a:1"),
        ("http://localhost:5000/v2/", "localhost:5000/a:1"),
        ("registry.example.org", "registry.example.org/group/a:1"),
        ("registry.example.org/group", "registry.example.org/group/a@sha256:00"),
        ("*.example.org", "registry.example.org/a:1"),
        ("https://index.docker.io/v1/", "alice/a:1"),
        ("https://index.docker.io/v1/", "a"),
    ],
)
def test_a_login_fits_the_images_of_its_registry(registry: str, image: str) -> None:
    assert fitting(image, registry) == [registry]


@pytest.mark.parametrize(
    ("registry", "image"),
    [
        ("localhost:5000", "localhost:5001/a:1"),
        ("localhost", "localhost:5000/a:1"),
        ("registry.example.org/group", "registry.example.org/other/a:1"),
        ("*.org", "registry.example.org/a:1"),
        ("example.org", "registry.example.org/a:1"),
        ("https://[broken", "registry.example.org/a:1"),
        ("registry.example.org:port", "registry.example.org/a:1"),
    ],
)
def test_a_login_does_not_fit_the_images_of_another_registry(registry: str, image: str) -> None:
    assert fitting(image, registry) == []


def test_the_login_of_the_longest_path_is_tried_first() -> None:
    assert fitting("r.example/group/a:1", "r.example", "r.example/group") == ["r.example/group", "r.example"]


def test_name_and_password_are_read_in_both_forms_and_both_kinds_of_secret() -> None:
    encoded = {"auth": base64.b64encode(b"user:pass:word").decode()}
    assert logins_in(secret({"auths": {"a": encoded}})) == {"a": Login("user", "pass:word")}
    assert logins_in(secret({"a": {"username": "u", "password": "p"}}, ".dockercfg")) == {"a": Login("u", "p")}


@pytest.mark.parametrize(
    "broken", [{}, {"data": {".dockerconfigjson": "e30="}}, {"data": {".dockerconfigjson": "????"}}, secret([1])]
)
def test_a_secret_without_a_login_has_none(broken: dict[str, Any]) -> None:
    assert logins_in(broken) == {}


def test_an_entry_without_a_login_is_skipped() -> None:
    entries = {"a": {"auth": "%%%"}, "b": "text", "c": None, "d": {"username": "u", "password": "p"}}
    assert list(logins_in(secret({"auths": entries}))) == ["d"]


@pytest.mark.parametrize(
    "entry",
    [
        {"auth": "é"},
        {"auth": 5},
        {"auth": ["a"]},
        {"auth": "/w=="},
        {"username": "\ud800"},
        {"username": "u", "password": "\udfff"},
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_decoded_is_skipped(entry: dict[str, Any]) -> None:
    assert list(logins_in(secret({"auths": {"a": entry, "b": {"username": "u", "password": "p"}}}))) == ["b"]


def test_a_document_that_is_nested_without_end_has_no_login() -> None:
    nested = base64.b64encode(b'{"auths":' * 100_000).decode()
    assert logins_in({"data": {".dockerconfigjson": nested}}) == {}


def test_a_password_does_not_show() -> None:
    assert "hidden" not in repr(PullSecret("s", logins=(Login("u", "hidden"),)))


def test_a_refusal_survives_the_way_through_a_tasks_record() -> None:
    refusal = PullRefusal(
        "r.example/a:1", (("s", SecretVerdict.ELSEWHERE, ("b.example",)), ("t", SecretVerdict.MISSING, ()))
    )
    assert PullRefusal.from_json(json.loads(json.dumps(refusal.as_json()))) == refusal


def test_the_first_line_of_a_refusal_begins_with_the_login_that_was_refused() -> None:
    refusal = PullRefusal(
        "r.example/a:1", (("s", SecretVerdict.ELSEWHERE, ()), ("t", SecretVerdict.REFUSED, ("r.example",)))
    )
    assert refusal.summary == (
        "image r.example/a:1 cannot be pulled: unauthorized: r.example refuses the login of pull secret t; "
        "pull secret s has no login, not for r.example"
    )


@pytest.mark.parametrize(
    ("message", "unauthorized"),
    [
        ("failed to authorize: no basic auth credentials", True),
        ("pull access denied: authorization failed: no basic auth credentials", True),
        ("unexpected status from HEAD request to http://10.0.0.1:5000/v2/a/manifests/1: 401 Unauthorized", True),
        ("Get http://localhost:1/v2/: unauthorized: authentication required", True),
        ('failed to pull "localhost:401/a:401": not found: no tag 401', False),
        ("dial tcp 127.0.0.1:4010: connection refused", False),
    ],
)
def test_the_words_of_kubelets_and_engines_for_a_missing_login_are_known(message: str, unauthorized: bool) -> None:
    assert Trouble("main", "r/a:1", "ErrImagePull", message).unauthorized is unauthorized
