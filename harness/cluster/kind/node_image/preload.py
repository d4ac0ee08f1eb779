"""Put a node's own images into its containerd, so that no node needs a registry for them."""

from __future__ import annotations

import contextlib
import io
import shlex
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from harness import engine
from harness.cluster.kind import privileges
from harness.common.progress import OnProgress
from harness.common.references import split_reference
from harness.common.scratch import scratch_folder
from harness.errors import ImageError

if TYPE_CHECKING:
    from docker import APIClient

    from harness.settings.builds import BuildSettings

_START = """\
set -eu
(/usr/bin/containerd >/tmp/containerd.log 2>&1 & echo $! >/tmp/containerd.pid)
for attempt in $(seq 300); do
    ctr version >/dev/null 2>&1 && exit 0
    kill -0 "$(cat /tmp/containerd.pid)" || break
    sleep 0.1
done
tail -n 20 /tmp/containerd.log >&2
exit 1
"""
_STOP = r"""\
set -eu
pid=$(cat /tmp/containerd.pid)
kill "$pid"
# it stays as a zombie: the container's first process takes no exit status
runs() { grep -qsE '^State:[[:space:]]+[^Z[:space:]]' "/proc/$pid/status"; }
for attempt in $(seq 300); do
    runs || break
    sleep 0.1
done
if runs; then
    exit 1
fi
rm -rf /run/containerd /tmp/* /kind/images
"""


def preload(
    system: str,
    images: Mapping[str, Sequence[str]],
    tag: str,
    labels: Mapping[str, str],
    on_line: OnProgress,
    settings: BuildSettings,
) -> None:
    """Start the node's file system, import the images into its containerd, and keep the result as ``tag``.

    Args:
        system: image of the node's file system.
        images: the names that pods use, by the name in this engine.
        tag: name of the result.
        labels: of the result.
        on_line: receives a line for each step.
        settings: time limit of one request to the engine, and the folder for archives.

    Raises:
        ImageError: a step fails, or the engine does not start privileged containers.
    """
    import docker
    import requests

    api = engine.connect_api(timeout_s=settings.build_timeout)
    try:
        with scratch_folder(settings.scratch) as scratch, loading(system, tag, labels, api) as container:
            for local, references in images.items():
                on_line(f"import {', '.join(references)}")
                _import(api, container, local, references, scratch)
            on_line("keep the result")
    except (docker.errors.APIError, requests.RequestException) as error:
        raise ImageError("the images cannot be put into the node", last_seen=engine.read_message(error)) from None
    finally:
        api.close()


@contextlib.contextmanager
def loading(system: str, tag: str, labels: Mapping[str, str], api: APIClient) -> Iterator[str]:
    """Run a container of a node with only containerd, and commit it as ``tag`` at the end of the block.

    Args:
        system: image of the node.
        tag: name of the result.
        labels: of the result.
        api: the engine.

    Raises:
        ImageError: containerd does not start, or the engine does not start privileged containers.
    """
    with _container(system, api) as container:
        _run(api, container, "containerd does not start in the node", _START)
        yield container
        _run(api, container, "containerd does not stop in the node", _STOP)
        repository, version = split_reference(tag)
        changes = [
            'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
            "CMD []",
            *(f'LABEL "{name}"="{value}"' for name, value in labels.items()),
        ]
        api.commit(container, repository=repository, tag=version, changes="\n".join(changes))


@contextlib.contextmanager
def _container(system: str, api: APIClient) -> Iterator[str]:
    import docker

    host = api.create_host_config(
        privileged=True, network_mode="none", auto_remove=True, **privileges.make_host_options(api)
    )
    container = engine.create_container(
        api,
        system,
        entrypoint=["cat"],
        stdin_open=True,
        host_config=host,
        # none of an environment: the image that is made of it keeps them
        labels={engine.LABEL_NAME: "kind-preload"},
    )
    try:
        # attach before the start: the container lives as long as this connection, also where this process is killed
        with contextlib.closing(api.attach_socket(container, params={"stdin": 1, "stream": 1})):
            privileges.start(api, container, ImageError)
            yield container
    finally:
        with contextlib.suppress(docker.errors.APIError):
            api.remove_container(container, force=True, v=True)


def _import(api: APIClient, container: str, local: str, references: Sequence[str], scratch: Path) -> None:
    with _archive(api, local, scratch) as archive:
        if not api.put_archive(container, "/", archive):
            raise ImageError(f"{local} cannot be copied into the node")
    first, *others = references
    name = f"docker.io/{local}"
    lines = [
        "set -eu",
        # not unpacked: that takes a file system that can be layered, which a node has only when it runs
        "ctr -n k8s.io images import --all-platforms --no-unpack /kind/images/image.tar",
        f"ctr -n k8s.io images tag {shlex.quote(name)} {shlex.quote(first)}",
        *(f"ctr -n k8s.io images tag {shlex.quote(name)} {shlex.quote(other)}" for other in others),
        f"ctr -n k8s.io images rm {shlex.quote(name)}",
        "rm /kind/images/image.tar",
    ]
    _run(api, container, f"{local} cannot be imported into the node", "\n".join(lines))


@contextlib.contextmanager
def _archive(api: APIClient, image: str, scratch: Path) -> Iterator[IO[bytes]]:
    """Yield the image as ``kind/images/image.tar`` in an archive, positioned at its start."""
    with tempfile.TemporaryFile(dir=scratch) as saved, tempfile.TemporaryFile(dir=scratch) as target:
        saved.writelines(engine.save_images(api, [image]))
        size = saved.tell()
        saved.seek(0)
        with tarfile.open(fileobj=target, mode="w") as archive:
            folder = tarfile.TarInfo("kind/images")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder, io.BytesIO())
            info = tarfile.TarInfo("kind/images/image.tar")
            info.size = size
            archive.addfile(info, saved)
        target.seek(0)
        yield target


def _run(api: APIClient, container: str, cause: str, script: str) -> None:
    """Run a script in the container.

    Raises:
        ImageError: it fails; the error has the end of its output.
    """
    execution = api.exec_create(container, ["bash", "-c", script])["Id"]
    output: Any = api.exec_start(execution)
    status = api.exec_inspect(execution)["ExitCode"]
    if status != 0:
        lines = output.decode("utf-8", "replace").splitlines()[-20:]
        raise ImageError(cause, last_seen="\n".join(lines) or f"exit status {status}")
