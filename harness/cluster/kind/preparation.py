"""Prepare the content of nodes' containerd with the harness's images, so that clusters need not receive them.

They are 2 GB: sending and unpacking them takes much longer than making a cluster. It is done once for each set of
images, in a volume of the engine, the base. Each node has its own content, whose layers are links into the base:
containerd never changes a layer. (An image of the engine cannot hold it: a file that one layer of an image removes is a
device node with a special meaning there, and a node would copy all of it at its start.)
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from harness.cluster.kind import bases, privileges
from harness.cluster.kind.config import BASE, CONTENT
from harness.cluster.kind.images import make_node_name, transfer
from harness.cluster.kind.nodes import KindNode
from harness.common.locking import lock_image
from harness.common.progress import OnProgress
from harness.engine import connect, create_container
from harness.errors import EngineError, PlatformError
from harness.settings.builds import BuildSettings
from harness.wire.container_logs import READABLE_LOG

if TYPE_CHECKING:
    from pathlib import Path

    import docker

# the engine's folder of volumes: links can only be made within one mount
_VOLUMES = "/volumes"

# copy $SOURCE: files by links, except containerd's databases, which it changes
_COPY = """
copy() {
    cp -al "$SOURCE/_data/$1" "$2" 2>/dev/null || cp -a "$SOURCE/_data/$1" "$2"
    find "$2" -name '*.db' | while read -r file; do
        { cp -p "$file" "$file.own" && mv "$file.own" "$file"; } || exit 1
    done
}
set -eu
cd "$0"
"""
_CLONE = f"""{_COPY}
copy . "$1/_data/"
"""
# tens of thousands of files are in the layers: a link to the folder of each will do
_LAY_OUT = f"""{_COPY}
overlays=io.containerd.snapshotter.v1.overlayfs
entries=$(ls -A "$SOURCE/_data")
layers=$(ls "$SOURCE/_data/$overlays/snapshots")
for target in "$@"; do
    for entry in $entries; do
        [ "$entry" = $overlays ] || copy "$entry" "$target/_data/"
    done
    mkdir -p -m 700 "$target/_data/$overlays/snapshots"
    copy $overlays/metadata.db "$target/_data/$overlays/"
    for layer in $layers; do
        ln -s "{BASE}/$overlays/snapshots/$layer" "$target/_data/$overlays/snapshots/"
    done
done
"""
_START = """
set -eu
(containerd >/tmp/containerd.log 2>&1 &)
for attempt in $(seq 300); do
    ctr version >/dev/null 2>&1 && exit 0
    sleep 0.1
done
tail -n 20 /tmp/containerd.log >&2
exit 1
"""


def ensure(settings: BuildSettings, node_image: str, images: Iterable[str], on_progress: OnProgress) -> str:
    """Return the name of the volume with the content of a node that has these images; it is made when it is missing.

    Args:
        settings: time limit of one request to the engine.
        node_image: tag of the node image.
        images: tags in the engine.
        on_progress: gets a line for each step.

    Raises:
        EngineError, ImageError, PlatformError: they cannot be put into it.
    """
    with contextlib.closing(connect(timeout_s=int(settings.build_timeout))) as client:
        ids = sorted({str(client.images.get(image).id) for image in images})
        node_id = str(client.images.get(node_image).id)
        name = bases.PREFIX + hashlib.sha256("\n".join([node_id, *ids]).encode()).hexdigest()[:12]
        if name in bases.find_complete(client):
            return name
        with lock_image(bases.LOCK, settings):
            complete = bases.find_complete(client)
            if name not in complete:
                started = time.monotonic()
                on_progress(f"[node] importing {len(ids)} images of the platform (once)")
                bases.clear(client, settings.state)
                earlier = next((base for base, of in complete.items() if of == node_id), None)
                _make(client, settings.state, name, node_image, ids, earlier)
                bases.mark_complete(client, settings.state, name, node_id)
                # keep one old base, so that two versions of the code can alternate
                bases.prune(client, settings.state, kept=2)
                on_progress(f"[node] images imported after {time.monotonic() - started:.1f} s")
        return name


def lay_out(
    client: docker.DockerClient, base: str, targets: Sequence[str], labels: Mapping[str, str], image: str
) -> None:
    """Make volumes for nodes with the images of a base; the nodes must mount the base at ``config.BASE``.

    Args:
        client: the engine.
        base: name of the volume that :func:`ensure` gave.
        targets: names of the new volumes.
        labels: of the new volumes, and of the container that makes them.
        image: with a shell and ``cp``.

    Raises:
        EngineError, PlatformError: it failed; the caller removes the volumes by their labels.
    """
    for target in targets:
        client.api.create_volume(target, labels={**labels, bases.LABEL_USES: base})
    # from here on the base stays; it may have been removed since it was found
    if base not in bases.find_complete(client):
        raise PlatformError(
            "another process has just removed the images for the nodes as superseded",
            last_seen=f"volume {base}",
            fix="start again",
        )
    _copy(client, _LAY_OUT, base, targets, labels, image)


class NodeContents(NamedTuple):
    """Where the content of a cluster's nodes is, on the engine and in its machine's file system.

    Attributes:
        base: name of the base; empty: the nodes have what their image has.
        base_folder: of it.
        volumes: the folder of each node's own volume, by its name.
    """

    base: str = ""
    base_folder: str = ""
    volumes: Mapping[str, str] = MappingProxyType({})


def locate_contents(client: docker.DockerClient, base: str, cluster: str, nodes: int) -> NodeContents:
    """Return the places where the nodes of a cluster have their content; create nothing."""
    folder = _find_volumes_folder(client)
    names = [f"{cluster}-content-{number}" for number in range(nodes)]
    return NodeContents(base, f"{folder}/{base}/_data", {name: f"{folder}/{name}/_data" for name in names})


def _find_volumes_folder(client: docker.DockerClient) -> str:
    return f"{client.api.info()['DockerRootDir']}/volumes"


def _make(
    client: docker.DockerClient,
    state: Path,
    name: str,
    node_image: str,
    ids: Sequence[str],
    earlier: str | None,
) -> None:
    labels = bases.make_labels(state)
    try:
        # without an earlier one it is filled by the engine, from the image's own folder
        client.api.create_volume(name, labels=labels)
        if earlier:
            _copy(client, _CLONE, earlier, [name], labels, node_image)
        with _containerd(client, node_image, name, labels) as node:
            present = node.names()
            transfer(
                client, node, [image for image in ids if make_node_name(image) not in present], bases.scratch(state)
            )
            wanted = {make_node_name(image) for image in ids}
            superseded = [found for found in present if found.startswith(make_node_name("")) and found not in wanted]
            if superseded:
                node.remove(superseded)
            node.unpack(name for name in present if name not in superseded)
    except BaseException:
        bases.remove(client, name)
        raise


@contextlib.contextmanager
def _containerd(client: docker.DockerClient, image: str, volume: str, labels: Mapping[str, str]) -> Iterator[KindNode]:
    """Yield a node's file system with only containerd running on a volume."""
    api = client.api
    host = api.create_host_config(
        privileged=True,
        network_mode="none",
        init=True,
        binds={volume: {"bind": CONTENT, "mode": "rw"}},
        **privileges.make_host_options(api),
    )
    container = create_container(
        api, image, entrypoint=["sleep"], command=["infinity"], host_config=host, labels=dict(labels)
    )
    try:
        privileges.start(api, container, EngineError)
        node = KindNode(container)
        node.run("sh", "-c", _START)
        yield node
        node.run("sh", "-c", "pkill -x containerd; while pgrep -x containerd >/dev/null; do sleep 0.1; done")
    finally:
        api.remove_container(container, force=True, v=True)


def _copy(
    client: docker.DockerClient, script: str, source: str, targets: Sequence[str], labels: Mapping[str, str], image: str
) -> None:
    """Fill volumes from another one, in a container that is removed after it.

    Raises:
        EngineError, PlatformError: it failed.
    """
    from docker.types import LogConfig

    api = client.api
    host = api.create_host_config(
        # an overlay marks a folder that hides the one below it by an attribute which others may neither see nor copy
        privileged=True,
        network_mode="none",
        binds={_find_volumes_folder(client): {"bind": _VOLUMES, "mode": "rw"}},
        log_config=LogConfig(**READABLE_LOG),
        **privileges.make_host_options(api),
    )
    container = create_container(
        api,
        image,
        entrypoint=["sh"],
        command=["-c", script, _VOLUMES, *targets],
        user="0",
        environment={"SOURCE": source},
        host_config=host,
        labels=dict(labels),
    )
    try:
        privileges.start(api, container, EngineError)
        status = int(api.wait(container, timeout=600)["StatusCode"])
        output = api.logs(container).decode("utf-8", "replace")
    finally:
        api.remove_container(container, force=True, v=True)
    if status:
        raise PlatformError("the content of the nodes cannot be made", last_seen=output[-2000:])
