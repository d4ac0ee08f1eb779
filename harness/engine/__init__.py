"""The container engine of this machine, for every part of the host that uses it.

Every kind of cluster but ``context:NAME`` runs on it, and all images are made on it. :func:`connect` gives the one
client; what environments have on the engine is in :mod:`harness.engine.leftovers`.
"""

from __future__ import annotations

from harness.engine.connection import (
    architecture,
    client,
    connect,
    explain_stopped,
    reading_configuration,
    trouble_in,
    trouble_in_text,
    words,
)
from harness.engine.images import (
    LABEL_NAME,
    LABEL_SOURCE,
    find_image,
    identity,
    ids_of,
    image_labels,
    layers,
    layers_of,
    load_images,
)

__all__ = [
    "LABEL_NAME",
    "LABEL_SOURCE",
    "architecture",
    "client",
    "connect",
    "explain_stopped",
    "find_image",
    "identity",
    "ids_of",
    "image_labels",
    "layers",
    "layers_of",
    "load_images",
    "reading_configuration",
    "trouble_in",
    "trouble_in_text",
    "words",
]
