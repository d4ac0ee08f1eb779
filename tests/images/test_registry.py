"""The registry client, against the registry that the platform runs."""

from __future__ import annotations

import pytest
from docker import APIClient

from harness.errors import EnvironmentError_, ImageError
from harness.images import RegistryClient
from harness.images.engine import find_image


def test_an_image_that_was_pushed_is_listed_and_leaves_no_name_in_the_engine(
    engine: APIClient, registry: RegistryClient, base_installer: str
) -> None:
    digest = registry.push(base_installer, f"{registry.address}/group/pushed:1.0")
    assert digest.startswith("sha256:")
    assert registry.digest("group/pushed", "1.0") == digest
    assert registry.tags("group/pushed") == ["1.0"]
    assert "group/pushed" in registry.catalog()
    assert find_image(engine, f"{registry.address}/group/pushed:1.0") is None


def test_a_missing_tag_is_answered_with_the_tags_that_are_there(registry: RegistryClient, base_installer: str) -> None:
    registry.push(base_installer, "known:0.1")
    assert registry.digest("known", "0.2") is None
    assert registry.missing("known", "0.2") == "tags of known: 0.1"
    assert "no repository knwon; the registry has: " in registry.missing("knwon", "0.1")
    assert "known" in registry.missing("knwon", "0.1")


def test_an_image_that_does_not_exist_cannot_be_pushed(registry: RegistryClient) -> None:
    with pytest.raises(ImageError, match="there is no image kaapana-harness/nothing:1 to push"):
        registry.push("kaapana-harness/nothing:1", "nothing:1")


def test_a_registry_that_does_not_answer_is_named() -> None:
    with RegistryClient("localhost:9", timeout_s=2) as registry:
        assert not registry.ready()
        with pytest.raises(EnvironmentError_, match="the registry localhost:9 does not answer"):
            registry.catalog()
