"""Why a registry does not have an image, in the same words for a run and an installation."""

from __future__ import annotations

import pytest

from harness.common.repositories import Absence, HeldRepository

DIGEST = f"sha256:{0:064}"


@pytest.mark.parametrize("image", ["r.example:5000/group/tool:2", f"r.example:5000/group/tool:2@{DIGEST}"])
def test_a_missing_tag_is_reported_with_the_existing_tags(image: str) -> None:
    expected = Absence("tag 2 is not in the registry, which has 1, 3")
    assert HeldRepository(["1", "3"]).explain(image) == expected
    assert HeldRepository([]).explain(image) == Absence("tag 2 is not in the registry, which has no tag")


@pytest.mark.parametrize("image", ["r.example/tool", "r.example/tool:2", f"r.example/tool@{DIGEST}"])
def test_a_missing_repository_is_named_with_the_others(image: str) -> None:
    cause = "the registry has no repository tool"
    assert HeldRepository(None, ["a", "b"]).explain(image) == Absence(cause, "the registry has: a, b")
    assert HeldRepository(None).explain(image) == Absence(cause, "the registry has: nothing")


@pytest.mark.parametrize("image", ["r.example/tool", "r.example/tool:latest", f"r.example/tool@{DIGEST}"])
def test_an_image_with_an_existing_tag_or_a_digest_is_not_missing(image: str) -> None:
    assert HeldRepository(["latest"]).explain(image) is None
