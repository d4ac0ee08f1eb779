"""A node image that has the harness's own images in it already, so that no new cluster has to be sent them.

They are 2 GB: sending them takes longer than making a cluster. As with the registry's base layers, it is done once
for each set of images, and kept as an image of the engine.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable

from harness.cluster.docker.engine import connect
from harness.cluster.kind.images import transfer
from harness.cluster.kind.node_image.preload import loading
from harness.cluster.kind.nodes import Node
from harness.images import engine
from harness.locking import making_image
from harness.settings import Settings

REPOSITORY = "kaapana-harness/kind-node-prepared"


def ensure(settings: Settings, node_image: str, images: Iterable[str], on_progress: Callable[[str], None]) -> str:
    """The tag of a node image with these images in it, which is made when it is missing.

    Args:
        settings: time limit of one request to the engine.
        node_image: tag of the plain node image.
        images: tags in the engine.
        on_progress: gets a line for each step.

    Raises:
        ImageError: an image is not in the engine, or they cannot be put into the node.
    """
    client = connect(timeout_s=int(settings.build_timeout))
    try:
        ids = sorted({str(client.images.get(image).id) for image in images})
        inputs = "\n".join([str(client.images.get(node_image).id), *ids])
        tag = f"{REPOSITORY}:{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"
        if engine.find_image(client.api, tag):
            return tag
        with making_image("kind-node-prepared", settings):
            if engine.find_image(client.api, tag) is None:
                started = time.monotonic()
                on_progress(f"[node] taking in {len(ids)} images of the platform (once)")
                labels = {engine.LABEL_NAME: "kind-node-prepared"}
                with loading(node_image, tag, labels, client.api) as container:
                    transfer(client, Node(container), ids, f"{REPOSITORY}-{tag.rpartition(':')[2]}")
                on_progress(f"[node] images taken in after {time.monotonic() - started:.1f} s")
        return tag
    finally:
        client.close()
