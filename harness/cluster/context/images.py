"""Deliver images to nodes of a shared cluster: through a registry that both sides reach.

Images of the harness are named by their ids in the engine, so unchanged images are pushed once, for all
environments. Pods get every image by its digest: a node asks no registry for a tag that it has, and would go on with
an older image of that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness import engine
from harness.artefacts import engine_archives, loading
from harness.common.references import served_path, split_reference
from harness.errors import ImageError
from harness.images import RegistryClient, manifests
from harness.images.derivation import derive_image

if TYPE_CHECKING:
    import docker

_SHARED = "kaapana-harness/image"
_WORKERS = 3


class RegistryImages:
    """The images of one environment.

    Attributes:
        served: other registries with images in the environment's one, and the prefix of each host there.

    Args:
        client: the engine.
        address: the user's registry.
        own: the part of it that is the environment's registry.
        scratch: repository for names in the engine that are needed for a moment.
    """

    def __init__(self, client: docker.DockerClient, address: str, own: str, scratch: str) -> None:
        self._client = client
        self._address = address
        self._own = own
        self._scratch = scratch
        self.served: dict[str, str] = {}

    def provide(
        self, images: Mapping[str, str], commands: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> dict[str, str]:
        """Push images of the engine; those that are there move nothing.

        Args:
            images: reference in pods to id or name in the engine.
            commands: what takes the place of an image's own command under a reference; only documents are pushed for
                it, not the image.

        Returns:
            Reference in pods to the reference with the digest.

        Raises:
            ImageError: the engine does not have one of them, or the push fails.
        """
        ids = engine.find_ids(self._client.api, images)
        with ThreadPoolExecutor(_WORKERS) as pool:
            wanted = sorted(set(ids.values()))
            pushed = dict(zip(wanted, pool.map(self._push, wanted), strict=True))
            derived = pool.map(lambda reference: self._derive(pushed[ids[reference]], commands[reference]), commands)
            own = dict(zip(commands, derived, strict=True))
        return {reference: pushed[image] for reference, image in ids.items()} | own

    def import_archive(self, archive: Path) -> dict[str, str]:
        """Push the images of an archive.

        Returns:
            Reference in the archive to the reference with the digest.

        Raises:
            ArchiveError: the file is not an archive of images, is damaged, or its images are for another architecture.
            ImageError: the engine does not take it, or the push fails.
        """
        images = engine_archives.open_archive(self._client, archive).images
        names = {loading.make_name(self._scratch, image.config_digest) for image in images}
        try:
            return self.provide(engine_archives.load(self._client, archive, keep_as=self._scratch))
        finally:
            self._remove(names)

    def current(self, references: Iterable[str]) -> dict[str, str]:
        """Return the present digests in the environment's registry, by the references that it serves."""
        found = {}
        with RegistryClient(self._own) as registry:
            for reference in references:
                place = served_path(reference, self._own, self.served)
                if place:
                    repository, tag = split_reference(place)
                    digest = registry.digest(repository, tag)
                    if digest:
                        found[reference] = f"{self._own}/{place.partition('@')[0]}@{digest}"
        return found

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            engine.remove_image(self._client.api, name, noprune=True)

    def _push(self, image: str) -> str:
        name = f"{_SHARED}:{_tag(image)}"
        with RegistryClient(self._address) as registry:
            digest = registry.digest(*split_reference(name)) or registry.push(image, name)
        return f"{self._address}/{name}@{digest}"

    def _derive(self, pushed: str, command: Sequence[str]) -> str:
        """Return the reference of an image of the layers of one that was pushed, with a command of its own."""
        with RegistryClient(self._address) as registry:
            image = manifests.resolve(registry, _SHARED, pushed.rpartition("@")[2], engine.read_architecture())
            manifest = registry.manifest(_SHARED, image.digest) if image and image.platform_fits else None
            if image is None or manifest is None:
                raise ImageError(f"{pushed} was pushed, but the registry does not have it for the engine's processor")
            derived = derive_image(manifest[1], registry.blob(_SHARED, image.config_digest), command)
            name = f"{_SHARED}:{_tag(derived.configuration.digest)}"
            if registry.digest(*split_reference(name)) != derived.manifest.digest:
                registry.put(name, derived)
        return f"{self._address}/{name}@{derived.manifest.digest}"


def _tag(image: str) -> str:
    return image.removeprefix("sha256:")[:24]


def delete_own(address: str, references: Iterable[str]) -> None:
    """Delete the images in the environment's part of a registry, if the registry can delete."""
    with RegistryClient(address) as registry:
        for reference in references:
            name, _, digest = reference.removeprefix(f"{address}/").partition("@")
            if digest:
                registry.delete(split_reference(name)[0], digest)
