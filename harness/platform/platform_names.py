"""What a platform is called in the references of images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.common.references import split_reference
from harness.profiles import Profile
from harness.wire import edk, names


@dataclasses.dataclass(frozen=True)
class PlatformNames:
    """Registry and version of a platform, and the names that follow from them.

    Attributes:
        registry: ``DEFAULT_REGISTRY``.
        version: ``KAAPANA_BUILD_VERSION``.
        profile: the release.
        platform_globals: ``global`` of the platform's own release (build 10.3).
        has_edk: the development kit's registry is there as well.
    """

    registry: str
    version: str
    profile: Profile
    platform_globals: Mapping[str, Any]
    has_edk: bool = False

    def serves(self, reference: str) -> bool:
        """Return whether it is in a registry of the platform by its name."""
        return reference.startswith(f"{self.registry}/") or (self.has_edk and edk.is_in_registry(reference))

    def provides(self, reference: str) -> bool:
        """Return whether it is one of the platform's own images."""
        repository, tag = split_reference(reference)
        registry, _, name = repository.rpartition("/")
        return registry == self.registry and tag == self.version and name in names.PLATFORM_IMAGES
