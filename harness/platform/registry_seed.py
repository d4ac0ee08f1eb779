"""A registry image that holds the layers of the base images already.

Every author's image is built on ``local-only/base-python-cpu`` (1.2 GB). An empty registry would receive, and the
engine compress, all of that in every new environment. So the bases are pushed once, into a registry whose file
system is then kept as an image; a push into an environment only transfers the author's layers.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import httpx

from harness import engine as engines
from harness.cluster import ledger
from harness.common.locking import lock_image
from harness.common.progress import OnProgress
from harness.common.references import split_reference
from harness.engine import leftovers, networks
from harness.errors import EngineError, PlatformError
from harness.images import RegistryClient
from harness.images.cleanup import SEED_PREFIX
from harness.wire.container_logs import READABLE_LOG
from harness.wire.images import MANIFEST_TYPES
from harness.wire.polling import Polling

if TYPE_CHECKING:
    import docker
    from docker import APIClient

    from harness.settings.builds import BuildSettings

# images of the catalogue whose layers are kept; code layers are above them and change often
SEEDS = ("python-data", "python")
# where the registry of the platform keeps its content; the chart says the same
DATA_DIR = "/srv/registry"
_REPOSITORY = "kaapana-harness/registry-seeded"
# smaller layers are sent faster than asked for
_WORTH_BYTES = 1_000_000
_READY_S = 20.0
# raised when earlier images must not be used any more: those of the first could contain docker's proxies
_EDITION = "2"
# the registry ends with the connection to its input, also when this process is killed
_COMMAND = ["sh", "-c", "registry serve /etc/docker/registry/config.yml & cat > /dev/null"]


def make_tag(tags: Mapping[str, str]) -> str:
    """Return the tag that the image with the base layers has or will have.

    Args:
        tags: catalogue name to tag, with ``registry`` and all of :data:`SEEDS`.
    """
    inputs = "\n".join([_EDITION, DATA_DIR, SEED_PREFIX, tags["registry"], *(tags[name] for name in SEEDS)])
    return f"{_REPOSITORY}:{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def ensure(settings: BuildSettings, tags: Mapping[str, str], say: OnProgress) -> str:
    """Return the tag of the registry image with the base layers, which is made when it is missing.

    Args:
        tags: catalogue name to tag, with ``registry`` and all of :data:`SEEDS`.

    Raises:
        EngineError, ImageError, PlatformError: it cannot be made.
    """
    tag = make_tag(tags)
    with contextlib.closing(engines.connect(timeout_s=600)) as client:
        if not engines.find_image(client.api, tag):
            with lock_image("registry-seeded", settings):
                if not engines.find_image(client.api, tag):
                    _make(client, tags, tag, say)
    return tag


def mount(address: str, repository: str, login: tuple[str, str] | None) -> None:
    """Make the base layers part of a repository, so that a push finds them there. No data is transferred.

    Args:
        address: ``host:port`` to which the harness pushes.
        repository: in that registry.
        login: name and password.
    """
    with httpx.Client(base_url=f"http://{address}", auth=login, timeout=30, trust_env=False) as client:
        for name in SEEDS:
            source = f"{SEED_PREFIX}{name}"
            answer = client.get(f"/v2/{source}/manifests/latest", headers={"Accept": ", ".join(MANIFEST_TYPES)})
            if answer.status_code != 200:
                continue
            for layer in answer.json().get("layers", []):
                if layer["size"] >= _WORTH_BYTES:
                    _mount_layer(client, repository, layer["digest"], source)


def _mount_layer(client: httpx.Client, repository: str, digest: str, source: str) -> None:
    answer = client.post(f"/v2/{repository}/blobs/uploads/", params={"mount": digest, "from": source})
    if answer.status_code == 202:
        # it was not mounted, an upload was begun instead
        client.delete(answer.headers["location"])


def _make(client: docker.DockerClient, tags: Mapping[str, str], tag: str, say: OnProgress) -> None:
    say("[registry] storing the base layers (once)")
    started = time.monotonic()
    with leftovers.recording("seed", functools.partial(leftovers.remove, client)) as entry:
        _fill(client, entry, tags, tag)
    say(f"[registry] base layers stored after {time.monotonic() - started:.1f} s")


def _fill(client: docker.DockerClient, entry: ledger.Entry, tags: Mapping[str, str], tag: str) -> None:
    """Start a registry in a network of its own, push the base images to it, and keep it as an image.

    Raises:
        EngineError: the engine refuses something, or does not answer.
        PlatformError: the registry does not answer.
    """
    import docker.errors
    import requests

    try:
        networks.create_edge(client, entry)
        with _registry(client.api, entry, tags["registry"]) as container:
            _push(client.api, container, tags)
            changes = 'CMD ["registry", "serve", "/etc/docker/registry/config.yml"]'
            client.api.commit(container, *split_reference(tag), changes=changes)
    except (docker.errors.APIError, requests.RequestException) as error:
        words = engines.read_message(error)
        raise EngineError(
            f"the engine does not make the registry with the base layers: {words}", fix=networks.advise(words)
        ) from None


@contextlib.contextmanager
def _registry(api: APIClient, entry: ledger.Entry, image: str) -> Iterator[str]:
    """Yield the id of a container with a registry, which ends with the block."""
    from docker.types import LogConfig

    container = engines.create_container(
        api,
        image,
        _COMMAND,
        name=leftovers.name_container(entry.id),
        ports=[5000],
        stdin_open=True,
        environment={"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": DATA_DIR},
        # none of an environment: the image that is made of it keeps them
        labels={engines.LABEL_NAME: "registry-seeded"},
        host_config=api.create_host_config(
            network_mode=networks.name_edge(entry.id),
            port_bindings={5000: ("127.0.0.1", None)},
            auto_remove=True,
            log_config=LogConfig(**READABLE_LOG),
        ),
    )
    # attach before the start: the container lives as long as this connection
    with contextlib.closing(api.attach_socket(container, params={"stdin": 1, "stream": 1})):
        api.start(container)
        yield container


def _push(api: APIClient, container: str, tags: Mapping[str, str]) -> None:
    with RegistryClient(f"localhost:{networks.find_published_port(api, container, 5000)}") as registry:
        polling = Polling(timeout_s=_READY_S, pause_s=0.05)
        while not registry.ready():
            if not polling.again():
                raise PlatformError(
                    f"the registry of {tags['registry']} did not answer within {_READY_S:.0f} s",
                    last_seen=api.logs(container, tail=20).decode("utf-8", "replace"),
                )
        for seed in SEEDS:
            registry.push(tags[seed], f"{SEED_PREFIX}{seed}:latest")
