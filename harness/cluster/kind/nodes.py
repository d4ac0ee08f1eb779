"""The nodes of a kind cluster: containers of the engine with containerd inside, asked through the engine's program."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shlex
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from harness.cluster.kind import names
from harness.cluster.kind.config import CERTS_DIR, make_hosts_toml
from harness.doctor.client_environment import make_client_environment
from harness.errors import PlatformError
from harness.wire.polling import Polling

if TYPE_CHECKING:
    import docker

    from harness.kube.pullsecrets import Login

_CTR = ["ctr", "--namespace", "k8s.io"]
_IMAGES = [*_CTR, "images"]
# containerd's filter for images that the kubelet has noticed
_NOTICED = 'labels."io.cri-containerd.image"==managed'
_NOTICED_S = 20.0
_POLL_S = 0.05
_COMMAND_S = 60.0
_IMPORT_S = 1800.0


@dataclasses.dataclass(frozen=True)
class KindNode:
    """One node, by the name of its container."""

    name: str

    def run(self, *command: str, stdin: IO[bytes] | None = None, timeout_s: float = _COMMAND_S) -> str:
        """Run a command on the node; its output.

        Raises:
            PlatformError: it failed, or the node does not run.
        """
        try:
            done = subprocess.run(
                ["docker", "exec", *(["-i"] if stdin else []), self.name, *command],
                stdin=stdin or subprocess.DEVNULL,
                env=make_client_environment(os.environ),
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except FileNotFoundError:
            raise PlatformError(
                "kind needs the program `docker`", fix="install the engine's command line (docker-cli)"
            ) from None
        except subprocess.TimeoutExpired:
            raise PlatformError(
                f"{' '.join(command[:4])} on node {self.name} took longer than {timeout_s:g} s"
            ) from None
        if done.returncode:
            raise PlatformError(
                f"{' '.join(command[:6])} failed on node {self.name} with exit status {done.returncode}",
                last_seen=done.stderr.decode("utf-8", "replace").strip()[-2000:],
            )
        return done.stdout.decode("utf-8", "replace")

    def make_folders(self, paths: Iterable[str]) -> None:
        """Make folders that any user may write to, as the provisioner does; the kubelet's are root's alone."""
        self.run("mkdir", "-p", "-m", "0777", "--", *paths)

    def names(self, *filters: str) -> set[str]:
        """Return the names of the images, in containerd's notation."""
        return set(self.run(*_IMAGES, "list", "--quiet", *filters).split())

    def digests(self) -> dict[str, str]:
        """Return the digest of each image's manifest, by its names; containerd reads all manifests for it."""
        lines = self.run(*_IMAGES, "list").splitlines()[1:]
        return {name: digest for name, _, digest in (line.split()[:3] for line in lines)}

    def documents(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return manifest and configuration of an image, by its name in containerd's notation."""
        manifest = self._content(self.digests()[name])
        if "manifests" in manifest:
            # containerd has the content for this node's platform alone, and a build's attestation has none
            entries = [(entry.get("platform") or {}, entry["digest"]) for entry in manifest["manifests"]]
            fitting = [digest for platform, digest in entries if platform.get("architecture") != "unknown"]
            manifest = self._content(fitting[0])
        return manifest, self._content(manifest["config"]["digest"])

    def _content(self, digest: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(*_CTR, "content", "get", digest))
        return found

    def import_images(self, archive: IO[bytes]) -> None:
        """Load an archive (``docker save``) into containerd."""
        self.run(*_IMAGES, "import", "-", stdin=archive, timeout_s=_IMPORT_S)

    def unpack(self, references: Iterable[str]) -> None:
        """Unpack images, as the first container of each would."""
        present = self.digests()
        digests = {present[reference] for reference in references}
        commands = [shlex.join([*_CTR, "snapshots", "unpack", digest]) for digest in digests]
        self.run("sh", "-ec", "\n".join(commands), timeout_s=_IMPORT_S)

    def tag(self, names: Mapping[str, Iterable[str]]) -> None:
        """Add names to images, in containerd's notation."""
        # one call of the engine for all: each takes a tenth of a second
        commands = [shlex.join([*_IMAGES, "tag", "--force", source, *targets]) for source, targets in names.items()]
        if commands:
            self.run("sh", "-ec", "\n".join(commands))

    def remove(self, references: Iterable[str]) -> None:
        """Remove names of images."""
        self.run(*_IMAGES, "remove", *references)

    def pull(self, reference: str, login: Login | None = None) -> None:
        """Pull the present image of a name; existing layers are not transferred again."""
        user = ["--user", f"{login.username}:{login.password}"] if login else []
        self.run(*_IMAGES, "pull", "--hosts-dir", CERTS_DIR, *user, reference, timeout_s=_IMPORT_S)

    def wait_until_noticed(self, references: Iterable[str]) -> None:
        """Wait until the kubelet can use images that were just imported or tagged.

        Raises:
            PlatformError: it does not list them.
        """
        missing = set(references)
        # containerd notices by an internal event, which it does not pass on
        polling = Polling(timeout_s=_NOTICED_S, pause_s=_POLL_S)
        while True:
            missing -= self.names(_NOTICED)
            if not missing:
                return
            if not polling.again():
                raise PlatformError(f"node {self.name} does not list the images {', '.join(sorted(missing))}")

    def add_registry(self, name: str, mirror: str, prefix: str = "", authorization: str = "") -> None:
        """Configure the address of the registry of this name in containerd, as the documentation of kind describes."""
        path = PurePosixPath(CERTS_DIR) / name / "hosts.toml"
        script = 'mkdir -p "$(dirname "$0")" && printf %s "$1" > "$0"'
        self.run("sh", "-c", script, str(path), make_hosts_toml(mirror, prefix, authorization))


def list_nodes(client: docker.DockerClient, environment_id: str) -> list[KindNode]:
    """Return the nodes of a cluster, its control plane first."""
    label = f"{names.LABEL_CLUSTER}={names.cluster_name(environment_id)}"
    found = client.api.containers(all=True, filters={"label": label})
    roles = {entry["Names"][0].lstrip("/"): entry["Labels"].get("io.x-k8s.kind.role", "") for entry in found}
    nodes = sorted(name for name, role in roles.items() if role in ("control-plane", "worker"))
    return [KindNode(name) for name in sorted(nodes, key=lambda name: roles[name] != "control-plane")]


@contextlib.contextmanager
def pipe(blocks: Iterator[bytes]) -> Iterator[IO[bytes]]:
    """Yield blocks as the standard input of a process, which reads them as they come.

    Raises:
        Exception: the error that ended the blocks early, with any end of the process.
    """
    read_end, write_end = os.pipe()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with open(write_end, "wb", buffering=0) as pipe:
                for block in blocks:
                    left = memoryview(block)
                    while left:
                        left = left[pipe.write(left) :]
        except BrokenPipeError:
            pass  # the process has ended, and says why
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write, name="images for a node")
    writer.start()
    try:
        with open(read_end, "rb", buffering=0) as pipe:
            yield pipe
    finally:
        # close the reading end, so that a writer whose process has ended does not wait for it
        writer.join()
        if failures:
            raise failures[0]


def run_on_all(nodes: Iterable[KindNode], action: str, *arguments: object) -> None:
    """Run an action on all nodes at the same time."""
    nodes = list(nodes)
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        for done in [pool.submit(getattr(node, action), *arguments) for node in nodes]:
            done.result()
