"""Images on the nodes of a kind cluster: from the engine, from archives, and kept in step with the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness import engine
from harness.artefacts import engine_archives
from harness.cluster.kind.nodes import KindNode, pipe, run_on_all
from harness.common.references import split_reference, to_canonical, to_familiar
from harness.errors import ImageError, PlatformError
from harness.images.derivation import derive_image, make_archive

if TYPE_CHECKING:
    import docker

    from harness.kube.pullsecrets import Login

# a name on the nodes that identifies the engine's image, besides its other names; never pulled
_BY_ID = "node.kaapana-harness.invalid/image"


def make_node_name(image_id: str) -> str:
    """Return the name that an image of the engine has on the nodes."""
    return f"{_BY_ID}:{image_id.removeprefix('sha256:')}"


def transfer(client: docker.DockerClient, node: KindNode, image_ids: Iterable[str], scratch: str) -> None:
    """Send images of the engine to a node, all in one archive: a layer that several have is sent once.

    Args:
        client: the engine.
        node: which gets them under the names of :func:`make_node_name`.
        image_ids: ids in the engine.
        scratch: repository for names in the engine that are needed for a moment.
    """
    ids = sorted(image_ids)
    if not ids:
        return
    names = {image: f"{scratch}:{image.removeprefix('sha256:')[:24]}" for image in ids}
    try:
        for image, name in names.items():
            client.api.tag(image, *split_reference(name))
        with pipe(engine.save_images(client.api, names.values())) as archive:
            node.import_images(archive)
    finally:
        for name in names.values():
            engine.remove_image(client.api, name, noprune=True)
    node.tag({to_canonical(name): [make_node_name(image)] for image, name in names.items()})
    node.remove(to_canonical(name) for name in names.values())


def _derive(node: KindNode, images: Mapping[str, str], commands: Mapping[str, Sequence[str]]) -> None:
    """Make images on a node from the layers of others that it has, with other commands.

    Args:
        node: the node.
        images: name in containerd's notation to the id of an image of the engine that the node has.
        commands: by the same names.
    """
    documents = {image: node.documents(make_node_name(image)) for image in {images[name] for name in commands}}
    derived = {name: derive_image(*documents[images[name]], command) for name, command in commands.items()}
    if derived:
        with pipe(iter([make_archive(derived)])) as archive:
            node.import_images(archive)


class NodeImages:
    """The images of all nodes of one cluster.

    Args:
        client: the engine.
        nodes: of the cluster.
        scratch: repository for names in the engine that are needed for a moment.
    """

    def __init__(self, client: docker.DockerClient, nodes: Sequence[KindNode], scratch: str) -> None:
        self._client = client
        self._nodes = nodes
        self._scratch = scratch

    def provide(self, images: Mapping[str, str], commands: Mapping[str, Sequence[str]] = MappingProxyType({})) -> None:
        """Copy images of the engine to the nodes; those that are there only get another name.

        Args:
            images: reference to id or name in the engine.
            commands: what takes the place of an image's own command under a reference.

        Raises:
            ImageError: the engine does not have one of them.
        """
        own = {to_canonical(reference): command for reference, command in commands.items()}
        ids = engine.find_ids(self._client.api, images)
        wanted = {to_canonical(reference): image for reference, image in ids.items()}
        for node in self._nodes:
            present = node.names()
            transfer(
                self._client, node, {i for i in wanted.values() if make_node_name(i) not in present}, self._scratch
            )
            references: dict[str, list[str]] = {}
            for reference, image in wanted.items():
                if reference not in own:
                    references.setdefault(make_node_name(image), []).append(reference)
            node.tag(references)
            _derive(node, wanted, own)
        run_on_all(self._nodes, "wait_until_noticed", list(wanted))

    def import_archive(self, archive: Path) -> list[str]:
        """Load an archive into containerd, as the platform does with ``images.tar``.

        Raises:
            ArchiveError: the file is not an archive of images, is damaged, or its images are for another architecture.
            ImageError: containerd does not take it.
        """
        opened = engine_archives.open_archive(self._client, archive)
        images = engine_archives.list_named(opened)
        try:
            for node in self._nodes if images else ():
                with pipe(opened.stream(images)) as stream:
                    node.import_images(stream)
        except PlatformError as error:
            raise ImageError(f"the nodes do not load {archive}", last_seen=error.last_seen or error.cause) from None
        run_on_all(self._nodes, "wait_until_noticed", [to_canonical(reference) for reference in images])
        return sorted(images)

    def withdraw(
        self, references: Iterable[str], digest_in_registry: Mapping[str, str], login: Login | None = None
    ) -> None:
        """Update the nodes' images whose content differs from the registry's.

        Args:
            references: the names.
            digest_in_registry: digest of the manifest for those that the registry has.
            login: to the registry.
        """
        references = list(references)
        for node in self._nodes:
            present = node.digests()
            for reference in references:
                name, current = to_canonical(reference), digest_in_registry.get(reference, "")
                if name not in present or present[name] == current:
                    continue
                if current:
                    # in place, and not after a removal: containerd would drop the layers that stay the same
                    node.pull(name, login)
                else:
                    node.remove([name])

    def names(self) -> list[str]:
        """Return the references of all images, as one writes them."""
        found = {
            to_familiar(name)
            for name in self._nodes[0].names()
            if not name.startswith(("sha256:", _BY_ID)) and "@" not in name
        }
        return sorted(found)
