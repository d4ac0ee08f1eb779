"""The parts of an image's name, as engines and nodes read it."""

from __future__ import annotations

import pytest

from harness.common.references import (
    api_host,
    find_last_part,
    join_reference,
    login_host,
    parse_reference,
    served_path,
    split_reference,
)

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("reference", "name", "version"),
    [
        ("localhost:5000/tool", "localhost:5000/tool", "latest"),
        ("localhost:5000/team/tool:1", "localhost:5000/team/tool", "1"),
        ("tool", "tool", "latest"),
        ("tool:1", "tool", "1"),
        (f"localhost:5000/tool@{DIGEST}", "localhost:5000/tool", DIGEST),
        (f"localhost:5000/tool:1@{DIGEST}", "localhost:5000/tool", DIGEST),
    ],
)
def test_a_port_is_not_a_tag_and_of_tag_and_digest_the_digest_counts(reference: str, name: str, version: str) -> None:
    assert split_reference(reference) == (name, version)
    assert split_reference(join_reference(name, version)) == (name, version)
    assert find_last_part(reference) == "tool"


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("tool", ("docker.io", "library/tool", "latest")),
        ("team/tool:1", ("docker.io", "team/tool", "1")),
        ("docker.io/tool:1", ("docker.io", "library/tool", "1")),
        ("index.docker.io/team/tool:1", ("docker.io", "team/tool", "1")),
        ("localhost/tool", ("localhost", "tool", "latest")),
        (f"registry.site:5000/tool@{DIGEST}", ("registry.site:5000", "tool", DIGEST)),
    ],
)
def test_a_reference_without_a_host_is_one_of_dockers_own_registry(reference: str, found: tuple[str, str, str]) -> None:
    assert parse_reference(reference) == found


def test_dockers_own_registry_has_one_name_for_images_and_another_for_its_api() -> None:
    assert api_host("docker.io") == api_host("index.docker.io") == "registry-1.docker.io"
    assert login_host("registry-1.docker.io") == login_host("index.docker.io") == "docker.io"
    assert api_host("registry.site:5000") == login_host("registry.site:5000") == "registry.site:5000"


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("own.site/team/tool:1", "tool:1"),
        (f"own.site/team/group/tool@{DIGEST}", f"group/tool@{DIGEST}"),
        ("other.site:5000/g/tool", "other.site_5000/g/tool"),
        ("other.site:5000/h/tool", None),
        ("own.site/teams/tool", None),
    ],
)
def test_a_registry_holds_foreign_images_below_the_prefix_of_their_host(reference: str, path: str | None) -> None:
    assert served_path(reference, "own.site/team", {"other.site:5000/g": "other.site_5000"}) == path
