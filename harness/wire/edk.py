"""The registry of the development kit (EDK), an application of the platform (build 16)."""

from __future__ import annotations

from typing import Final

REGISTRY: Final = "localhost:32000"
"""Its name on the nodes, so also in ``custom_registry_url`` and in operators."""
IN_CLUSTER: Final = "local-registry.services.svc.cluster.local:5000"
"""Its name in pods, which the kit writes into ``FROM`` lines."""
REGISTRIES: Final = (REGISTRY, IN_CLUSTER)


def is_in_registry(reference: str) -> bool:
    """Return whether an image is in the kit's registry by its name."""
    return reference.startswith(tuple(f"{registry}/" for registry in REGISTRIES))
