"""Which registry the images of a tree belong to."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import extension
from harness.extension import ExtensionSource
from harness.platform import source_registry
from tests.extension.trees_for_tests import FILES, write

CUSTOM = "custom.site/team"
VALUES = "extension/mean-workflow/values.yaml"
OPERATOR = "extension/docker/files/mean-value/MeanOperator.py"


@pytest.fixture
def source(tmp_path: Path) -> ExtensionSource:
    """Its chart names a custom registry, and so does its operator."""
    values = FILES[VALUES] + f"  custom_registry_url: {CUSTOM}\n"
    operator = FILES[OPERATOR].replace("{DEFAULT_REGISTRY}", CUSTOM)
    return extension.read(write(tmp_path, {VALUES: values, OPERATOR: operator}))


def test_a_registry_that_chart_and_operator_name_has_the_images_where_the_platform_knows_it(
    source: ExtensionSource,
) -> None:
    assert source_registry.find_custom_registry(source) == CUSTOM
    for container in (source.dag_image, *source.processing_images):
        assert source_registry.find_registry(source, container, "platform", (CUSTOM,)) == CUSTOM
        assert source_registry.find_registry(source, container, "platform", ()) == "platform"


def test_an_operator_names_a_registry_also_without_a_tag(tmp_path: Path) -> None:
    operator = FILES[OPERATOR].replace("{DEFAULT_REGISTRY}", CUSTOM).replace(":{KAAPANA_BUILD_VERSION}", "")
    source = extension.read(write(tmp_path, {OPERATOR: operator}))
    (image,) = source.contents.operator_images
    assert ":" not in image.reference
    (container,) = source.processing_images
    assert source_registry.find_registry(source, container, "platform", (CUSTOM,)) == CUSTOM
