"""The container engine of this machine, for every part of the host that uses it.

Every kind of cluster but ``context:NAME`` runs on it, and all images are made on it. :func:`connect` gives the one
client; what environments have on the engine is in :mod:`harness.engine.leftovers`.
"""

from __future__ import annotations

from harness.engine.connection import (
    connect,
    connect_api,
    create_container,
    explain_stopped,
    find_error,
    find_error_in_text,
    read_architecture,
    read_message,
    reading_configuration,
)
from harness.engine.images import (
    LABEL_NAME,
    LABEL_SOURCE,
    compute_identity,
    find_ids,
    find_image,
    find_layers,
    load_images,
    read_labels,
    read_layers,
    remove_image,
    save_images,
)
from harness.engine.transfers import TransferError, build, pull, push

__all__ = [
    "LABEL_NAME",
    "LABEL_SOURCE",
    "TransferError",
    "build",
    "compute_identity",
    "connect",
    "connect_api",
    "create_container",
    "explain_stopped",
    "find_error",
    "find_error_in_text",
    "find_ids",
    "find_image",
    "find_layers",
    "load_images",
    "pull",
    "push",
    "read_architecture",
    "read_labels",
    "read_layers",
    "read_message",
    "reading_configuration",
    "remove_image",
    "save_images",
]
