"""What the harness asks of a cluster: Kubernetes' API, and the few things that are not in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from harness.kube import KubeApi
from harness.kube.pullsecrets import Login


class Cluster(Protocol):
    """A cluster that belongs to one environment.

    Attributes:
        name: ``docker``, ``kind`` or ``context:NAME``.
        environment_id: id of the environment.
        api: its Kubernetes API; all objects and pods go through it.
        volume_node: the node with the platform's own volumes on its disk; empty: they are in its storage class.
    """

    name: str
    environment_id: str
    api: KubeApi
    volume_node: str

    def wait_until_usable(self, *, names: bool = True) -> None:
        """Wait until pods start; objects can be made before.

        Args:
            names: also wait until names of Services resolve.

        Raises:
            PlatformError: that was not so in time (``start_timeout``).
        """

    def make_volume_folders(self, names: Iterable[str]) -> dict[str, str]:
        """Make folders for the volumes of a project on :attr:`volume_node`.

        Returns:
            The folder of each name. None, and nothing is made, where the storage class has the volumes of projects.
        """

    @property
    def registry(self) -> str:
        """The environment's registry, as pods' images name it and nodes pull from it.

        ``host:port``, on a shared cluster with a path behind it. Waits until the registry's Service
        (``wire.names.HARNESS_REGISTRY``) has its address.

        Raises:
            PlatformError: there is no such Service, or it did not get an address in time.
        """

    @property
    def push_address(self) -> str:
        """The same registry as the host pushes to it; nodes have no login there.

        Raises:
            PlatformError: as :attr:`registry`.
        """

    def serve_registry(self, name: str, prefix: str, login: Login | None, *, open_to_all: bool = False) -> None:
        """Make the images of a name in the environment's registry available to the nodes. May be called again.

        Args:
            name: ``host[:port]`` or with a path behind it; of the host's images only those below it need to be served.
                :attr:`registry` serves itself, and is included for the login only.
            prefix: of the host's repositories in the environment's registry; empty for its own name.
            login: that opens the environment's registry; ``None`` where the user has one.
            open_to_all: pods without a login get these images, too.
        """

    def provide_images(self, images: Mapping[str, str], commands: Mapping[str, Sequence[str]] | None = None) -> None:
        """Provide images of the local engine to the node, for every pull policy.

        Args:
            images: reference in pods to id or name in the engine.
            commands: takes the place of the image's own ``CMD`` under some of these references, so that one image of
                the engine is several for pods.

        Raises:
            ImageError: the engine does not have one of them.
        """

    def import_images(self, images: Mapping[str, str]) -> None:
        """Make images of the local engine those of the node, as an upload to the platform does.

        Pods get them unless their pull policy is ``Always``.

        Args:
            images: reference in pods to id or name in the engine.

        Raises:
            ImageError: the engine does not have one of them.
        """

    def import_archive(self, archive: Path) -> list[str]:
        """Load the images of an archive, made by any tool, into the node, as an upload to the platform does.

        Returns:
            The references in it. Pods get them unless their pull policy is ``Always``.

        Raises:
            ArchiveError: the file is not an archive of images, is damaged, or its images are for another architecture.
            ImageError: the node does not take it.
        """

    def withdraw_images(self, references: Iterable[str]) -> None:
        """Remove images of an archive with these references, if they still exist.

        A node asks no registry for an image that it has (unless the pull policy is ``Always``), so an image that
        was imported once would hide everything that is pushed under its name later.
        """

    def address(self, namespace: str, service: str, port: int) -> tuple[str, int]:
        """Return the address of a port of a Service of type ``NodePort`` for this process; wait until it has one.

        Raises:
            PlatformError: there is no such port, or it did not get an address in time.
        """

    def shell(self, namespace: str, pod: str) -> str:
        """Return the command with which the user of this machine gets a shell in a running pod's first container."""

    def node_images(self) -> list[str]:
        """Return the references of all images on the node."""

    def trouble(self) -> str:
        """Return the cluster's own problem, in one line; empty if it works.

        Asked after something did not answer: the first line of the error is then the cause, and not its effect.
        """

    def close(self, *, keep: bool = False) -> None:
        """Remove the whole environment, or leave it running for later adoption. Idempotent."""
