"""Which registry the images of a source tree belong to (build 13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.common.references import split_reference

if TYPE_CHECKING:
    from harness.extension import Container, ExtensionSource


def find_custom_registry(source: ExtensionSource) -> str:
    """Return ``global.custom_registry_url`` of the chart; empty where it names no registry."""
    known = source.chart.values.get("global")
    custom = known.get("custom_registry_url") if isinstance(known, dict) else None
    return custom if isinstance(custom, str) else ""


def find_registry(source: ExtensionSource, container: Container, registry: str, others: Sequence[str]) -> str:
    """Return the registry that the image of a container belongs to, as its author means it.

    ``LABEL REGISTRY`` decides. Otherwise it is another registry where ``global.custom_registry_url`` (for the DAG
    image) or an operator (for the others) names that, or the platform's.

    Args:
        source: the extension.
        container: one of its containers.
        registry: ``DEFAULT_REGISTRY``.
        others: the custom registries that the platform knows, the longest first.
    """
    if container.registry:
        return container.registry
    if container is source.dag_image:
        custom = find_custom_registry(source)
        return custom if custom in others else registry
    for image in source.contents.operator_images:
        for other in others:
            if split_reference(image.reference)[0] == f"{other}/{container.image}":
                return other
    return registry
