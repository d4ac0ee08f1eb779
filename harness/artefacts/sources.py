"""Find the images of a built extension in archives, a registry or the engine, by the references that pods pull."""

from __future__ import annotations

import dataclasses
import enum
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from harness import engine
from harness.artefacts import loading
from harness.artefacts.archive import ArchivedImage, ImageArchive, check_architecture
from harness.artefacts.archive import ImagePlatform as ImagePlatform
from harness.artefacts.pins import Pins
from harness.common.progress import OnProgress
from harness.common.references import find_last_part, join_reference, split_reference
from harness.errors import PlatformError, UsageError
from harness.images import manifests
from harness.images.manifests import RemoteImage
from harness.images.registry import RegistryClient
from harness.images.registry_errors import RegistryRefusedError
from harness.settings.values import is_registry

ENGINE = "engine"
"""The word for the engine's own images, where archives and registries are named."""


class Route(enum.Enum):
    """How an image reaches the nodes of the platform."""

    UPLOAD = "upload"
    """Into the nodes themselves, as the upload of an archive does."""
    PUSH = "push"
    """By way of the platform's registry."""
    PRESENT = "present"
    """The platform's registry has it already."""
    PULL = "pull"
    """It is where its reference says, unless that is the platform's registry: then it is pushed."""


@dataclasses.dataclass(frozen=True)
class FoundImage:
    """An image that a source has.

    Attributes:
        reference: under which pods pull it.
        name: its name in its source.
        origin: the source, for the evidence; of a registry with the digest of the manifest.
        config_digest: ``sha256:...`` of its configuration.
        layers: digests of its uncompressed layers, the lowest first.
        route: how it reaches the platform.
        load: loads it into the engine, and returns its id there.
    """

    reference: str
    name: str
    origin: str
    config_digest: str
    layers: tuple[str, ...]
    route: Route
    load: Callable[[OnProgress], str] = dataclasses.field(repr=False, compare=False)


class ImageSource(Protocol):
    """A place with images."""

    @property
    def title(self) -> str:
        """Name of the source in messages."""

    def find(self, reference: str, platform_registry: str) -> FoundImage | None:
        """Return the image that pods pull under this reference.

        Raises:
            UsageError: it has one that the engine cannot run.
        """

    def similar(self, reference: str, platform_registry: str) -> list[str]:
        """Return the source's references of images with this name, with any registry and tag.

        For hints only: a registry may not list all to this login.
        """


class ArchiveSource:
    """The images of one archive, by the names in it."""

    def __init__(self, path: Path, architecture: str) -> None:
        self.archive = ImageArchive.open(path, architecture=architecture)
        self.title = path.name
        self._architecture = architecture

    def find(self, reference: str, platform_registry: str) -> FoundImage | None:
        """See :class:`ImageSource`."""
        image = self.archive.find(reference)
        if image is None:
            return None
        check_architecture(image, self._architecture, str(self.archive.path))

        def load(say: OnProgress) -> str:
            return loading.ensure(self.archive, image, self._architecture, say)

        return FoundImage(reference, reference, self.title, image.config_digest, image.diff_ids, Route.UPLOAD, load)

    def similar(self, reference: str, platform_registry: str) -> list[str]:
        """See :class:`ImageSource`."""
        names = (name for image in self.archive.images for name in image.references)
        return sorted(name for name in names if find_last_part(name) == find_last_part(reference))


class EngineSource:
    """The images of the engine, by their tags there."""

    title = "the engine"

    def __init__(self, architecture: str) -> None:
        self._architecture = architecture

    def find(self, reference: str, platform_registry: str) -> FoundImage | None:
        """See :class:`ImageSource`."""
        api = engine.connect_api()
        try:
            found = engine.find_image(api, reference)
        finally:
            api.close()
        if found is None:
            return None
        _check(found, reference, self._architecture)
        image_id = str(found["Id"])
        return FoundImage(
            reference, reference, self.title, image_id, engine.read_layers(found), Route.PUSH, lambda say: image_id
        )

    def similar(self, reference: str, platform_registry: str) -> list[str]:
        """See :class:`ImageSource`."""
        api = engine.connect_api()
        try:
            tags = (tag for image in api.images() for tag in image["RepoTags"] or ())
            # tags of the harness are not the author's
            own = (tag for tag in tags if not tag.startswith(("kaapana-harness/", "kh-", "<none>")))
            return sorted(tag for tag in own if find_last_part(tag) == find_last_part(reference))
        finally:
            api.close()


class RegistrySource:
    """The images of a user's registry below a prefix, with the login of ``docker login``.

    Args:
        prefix: ``host[:port][/path]``; its repositories are those that pods find below the platform's registry.
        architecture: of the engine.
        pins: earlier answers of the registry, for when it does not answer.
    """

    def __init__(self, prefix: str, architecture: str, pins: Pins) -> None:
        self.title = prefix
        self._architecture = architecture
        self._pins = pins

    def find(self, reference: str, platform_registry: str) -> FoundImage | None:
        """See :class:`ImageSource`."""
        repository, tag = self._split(reference, platform_registry)
        if not repository:
            return None
        name = join_reference(f"{self.title}/{repository}", tag)
        found, since = self._ask(name, repository, tag)
        if found is None:
            return None
        if not found.platform_fits:
            wanted = f"linux/{self._architecture}"
            raise UsageError(
                f"{name} is an image for {', '.join(found.platforms) or 'no platform'}, the engine runs {wanted} "
                "images",
                fix=f"build it with `docker build --platform {wanted}` and push it again",
            )
        pinned = f"{self.title}/{repository}@{found.digest}"

        def load(say: OnProgress) -> str:
            return loading.pull(pinned, found.config_digest, say)

        origin = f"{pinned} (as of {since}: the registry does not answer)" if since else pinned
        route = Route.PULL if split_reference(name) == split_reference(reference) else Route.PUSH
        return FoundImage(reference, name, origin, found.config_digest, found.layers, route, load)

    def _ask(self, name: str, repository: str, tag: str) -> tuple[RemoteImage | None, str]:
        """Return the image of a tag; if the registry does not answer, the remembered one with its day."""
        try:
            with self._client() as client:
                found = manifests.resolve(client, repository, tag, self._architecture)
        except RegistryRefusedError:
            raise
        except PlatformError:
            pin = self._pins.recall(name)
            if pin is None:
                raise
            return pin.image, pin.day
        if found is not None:
            self._pins.remember(name, found)
        return found, ""

    def similar(self, reference: str, platform_registry: str) -> list[str]:
        """See :class:`ImageSource`."""
        repository, _ = self._split(reference, platform_registry)
        if not repository:
            return []
        with self._client() as client:
            return [f"{self.title}/{repository}:{tag}" for tag in client.tags_if_listed(repository)]

    def _client(self) -> RegistryClient:
        return RegistryClient(self.title, of_user=True)

    def _split(self, reference: str, platform_registry: str) -> tuple[str, str]:
        """Return repository and tag below the prefix; empty for a reference that is elsewhere."""
        for below in (f"{platform_registry}/", f"{self.title}/"):
            if reference.startswith(below):
                return split_reference(reference.removeprefix(below))
        return "", ""


def open_sources(given: Iterable[str | os.PathLike[str]], state: Path) -> list[ImageSource]:
    """Return the sources that a user has named.

    Args:
        given: paths of archives, prefixes of registries, or ``engine``. What exists as a file is an archive.
        state: the folder of this user's state.

    Raises:
        UsageError: one is neither, or an archive is damaged.
        EngineError: no engine answers.
    """
    words = [str(word) for word in given]
    architecture = engine.read_architecture() if words else ""
    return [_open(word, architecture, Pins(state / "registry-images.json")) for word in words]


def _open(word: str, architecture: str, pins: Pins) -> ImageSource:
    path = Path(os.path.expanduser(word))
    exists = os.path.exists(path)
    if word == ENGINE and not exists:
        return EngineSource(architecture)
    if exists or word.endswith(".tar") or word.startswith((".", "/", "~")):
        return ArchiveSource(path, architecture)
    registry = word.rstrip("/")
    if is_registry(registry):
        return RegistrySource(registry, architecture, pins)
    raise UsageError(
        f"{word} is neither an archive of images nor a registry: no such file, and no registry has such a name",
        fix="give the path of an images.tar, a registry such as registry.site:5000/team, or the word engine",
    )


def _check(found: dict[str, Any], reference: str, architecture: str) -> None:
    own = ImagePlatform(str(found.get("Os", "linux")), str(found["Architecture"]), str(found.get("Variant", "")))
    image = ArchivedImage((reference,), str(found["Id"]), (), own, {}, 0)
    check_architecture(image, architecture, "the engine")
