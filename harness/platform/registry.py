"""The environment's registry: the address for pushes, and the names by which nodes find its images."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from harness import engine
from harness.artefacts import loading
from harness.artefacts.sources import FoundImage, Route
from harness.common.progress import OnProgress, quiet
from harness.common.references import join_reference, served_path, split_reference
from harness.common.repositories import HeldRepository
from harness.errors import UsageError
from harness.images import RegistryClient, manifests
from harness.platform import registry_seed

if TYPE_CHECKING:
    from harness.cluster import Cluster
    from harness.kube.pullsecrets import Login

ELSEWHERE = (
    "add that registry with kaapana.add_registry(url, username, password), push the image yourself, or leave LABEL "
    "REGISTRY and custom_registry_url out"
)
"""Next step for an image of a registry that the environment's does not replace."""


def make_prefix(host: str) -> str:
    """Return the prefix of a served host's repositories, which separates equal paths of two hosts."""
    return host.lower().replace(":", "_")


class PlatformRegistry:
    """The environment's registry. Thread-safe; close it.

    Args:
        cluster: its nodes pull from it.
        name: ``DEFAULT_REGISTRY`` of the emulated platform; by default the registry's own address.
        pull: what nodes log in with; ``None`` where the user's own registry is used.
        push: the harness's login.
    """

    def __init__(self, cluster: Cluster, *, name: str = "", pull: Login | None, push: Login | None) -> None:
        self._cluster = cluster
        self._own = cluster.registry
        self._pull = pull
        self._push_login = push
        self._client = RegistryClient(cluster.push_address, login=push)
        self._served: dict[str, str] = {}
        self._lock = threading.Lock()
        self.name = name or self._own
        """``DEFAULT_REGISTRY``: what references of the platform's images begin with."""
        cluster.serve_registry(self._own, "", pull)
        if name:
            self.serve(name)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def serve(self, name: str, *, open_to_all: bool = False, same_as: str = "") -> None:
        """Serve the images of another registry to the nodes from here.

        Args:
            name: ``host[:port]``, or with a path behind it.
            open_to_all: pods need no pull secret for it, as for the local registry of the EDK (build 16).
            same_as: another served registry, of which this is a second name.
        """
        with self._lock:
            if name == self._own or name in self._served:
                return
            prefix = make_prefix((same_as or name).partition("/")[0])
            self._cluster.serve_registry(name, prefix, self._pull, open_to_all=open_to_all)
            self._served[name] = prefix

    def forget(self, name: str) -> None:
        """Push nothing more under a served name. Nodes go on asking here for it, with what logins they have."""
        with self._lock:
            self._served.pop(name, None)

    def serves(self, reference: str) -> bool:
        """Return whether images of this reference, or of this repository, come from here."""
        return self._path(reference) is not None

    def push(self, image: str, reference: str, on_line: OnProgress = quiet) -> str:
        """Push an image of the engine.

        Args:
            image: id or tag in the engine.
            reference: by a name that is served.
            on_line: gets a line for every layer and state.

        Returns:
            Digest of the manifest.

        Raises:
            ImageError: the engine does not have the image, or the push fails.
            UsageError: the reference is in another registry.
        """
        repository, tag = self._place(reference)
        if "/" not in self._client.address:
            # the part of a user's registry below a path has no base layers
            registry_seed.mount(self._client.address, repository, self._push_login)
        return self._client.push(image, join_reference(repository, tag), on_line)

    def has(self, reference: str, image_id: str) -> bool:
        """Return whether this reference is exactly this image of the engine.

        Raises:
            UsageError: the reference is in another registry.
        """
        return self._client.has(*self._place(reference), image_id)

    def digest(self, reference: str) -> str | None:
        """Return the digest of the manifest, or ``None`` when the registry does not have it.

        Raises:
            UsageError: the reference is in another registry.
        """
        return self._client.digest(*self._place(reference))

    def digests(self, reference: str) -> frozenset[str]:
        """Return the digests by which engines know the image that nodes would pull; empty without such an image.

        The id of an image is the digest of its configuration, with a containerd store that of its manifest or index.

        Raises:
            UsageError: the reference is in another registry.
            PlatformError: the registry does not answer.
            ImageError: the reference is not an image.
        """
        found = manifests.resolve(self._client, *self._place(reference), engine.read_architecture())
        if found is None or not found.platform_fits:
            return frozenset()
        tagged = self.digest(reference) or found.digest
        return frozenset({found.config_digest, found.digest, tagged})

    def tags(self, repository: str) -> list[str] | None:
        """Return the tags of a repository, sorted; ``None`` when there is no such repository here.

        Args:
            repository: as in references, with the name of the registry and without a tag.

        Raises:
            UsageError: the repository is in another registry.
        """
        path = self._served_path(repository)
        return self._client.tags(path) or ([] if path in self._client.catalog() else None)

    def look_up(self, repository: str) -> HeldRepository:
        """Return the tags of a repository, see :meth:`tags`; if it has none, the other repositories.

        Raises:
            UsageError: the repository is in another registry.
            PlatformError: the registry does not answer.
        """
        tags = self.tags(repository)
        return HeldRepository(tags, () if tags else self.repositories(repository))

    def repositories(self, repository: str) -> list[str]:
        """Return the names of all repositories of a registry, sorted and without its host.

        Args:
            repository: any of that registry, with its name.
        """
        served = dict(self._served)
        own = repository.startswith(f"{self._own}/")
        prefix = "" if own else next((served[name] for name in served if repository.startswith(f"{name}/")), "")
        # on a shared cluster the environment's own name has a path
        found = self._client.catalog()
        if prefix:
            return [name.removeprefix(f"{prefix}/") for name in found if name.startswith(f"{prefix}/")]
        others = tuple(f"{other}/" for other in served.values())
        return [name for name in found if not name.startswith(others)] if others else found

    def admits(self, login: tuple[str, str]) -> bool:
        """Return whether nodes with this login may pull."""
        with RegistryClient(self._own, login=login) as nodes:
            return nodes.ready()

    @property
    def title(self) -> str:
        """Name of the registry in messages."""
        return "the platform's registry"

    def find(self, reference: str, platform_registry: str) -> FoundImage | None:
        """Return an image that is here already, from an earlier delivery; see :class:`ImageSource`."""
        if not self.serves(reference):
            return None
        repository, tag = self._place(reference)
        architecture = engine.read_architecture()
        found = manifests.resolve(self._client, repository, tag, architecture)
        if found is None or not found.platform_fits:
            return None
        pinned = f"{self._client.address}/{repository}@{found.digest}"

        def load(say: OnProgress) -> str:
            return loading.pull(pinned, found.config_digest, say, login=self._push_login)

        return FoundImage(reference, reference, self.title, found.config_digest, found.layers, Route.PRESENT, load)

    def similar(self, reference: str, platform_registry: str) -> list[str]:
        """Return the references of an image of this name that are here; see :class:`ImageSource`."""
        if not self.serves(reference):
            return []
        repository, _ = split_reference(reference)
        return [f"{repository}:{tag}" for tag in self._client.tags_if_listed(self._served_path(repository))]

    def ready(self) -> bool:
        """Return whether the registry answers and accepts the logins for pushing and pulling."""
        if not self._client.ready():
            return False
        # where the user's own registry is used there is no other login
        return self._pull is None or self.admits(self._pull)

    def _path(self, reference: str) -> str | None:
        """Return the reference as this registry knows it, ``None`` for one that it does not serve."""
        return served_path(reference, self._own, dict(self._served))

    def _place(self, reference: str) -> tuple[str, str]:
        return split_reference(self._served_path(reference))

    def _served_path(self, reference: str) -> str:
        path = self._path(reference)
        if path is None:
            raise UsageError(
                f"{reference} is not in the platform's registry {self.name}",
                fix=ELSEWHERE,
            )
        return path
