"""Environment variables of a machine, which no flag and no project file sets; with the standard library alone."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Final


@dataclasses.dataclass(frozen=True)
class Variable:
    """An environment variable.

    Args:
        name: in the environment.
        metavar: the value's name in a usage line.
        help: the description, without a full stop.
    """

    name: str
    metavar: str
    help: str

    def read(self, environ: Mapping[str, str] | None = None, default: str = "") -> str:
        """Return the variable's value or the default, by default from the environment of this process."""
        return (os.environ if environ is None else environ).get(self.name, default)


STATE_DIR: Final = Variable(
    "KAAPANA_HARNESS_STATE_DIR", "DIR", "folder of the ledger of environments and of logs; by default the user's state"
)
APT_MIRROR: Final = Variable("KAAPANA_HARNESS_APT_MIRROR", "URL", "mirror of the distribution, for building images")
BUILD_NETWORK: Final = Variable(
    "KAAPANA_HARNESS_BUILD_NETWORK", "NAME", "the engine's network for builds; by default it depends on the proxy"
)
INDEX_CREDENTIALS: Final = Variable(
    "KAAPANA_HARNESS_INDEX_CREDENTIALS", "1", "let user and password of package indexes' addresses enter images"
)
TORCH_INDEX: Final = Variable(
    "KAAPANA_HARNESS_TORCH_INDEX",
    "URL",
    "package index with CPU wheels of PyTorch, for base-python-cpu and base-nnunet-v2",
)
_IMAGE: Final = Variable(
    "KAAPANA_HARNESS_IMAGE_<NAME>",
    "REFERENCE",
    "reference for pulling an image of the harness, such as KAAPANA_HARNESS_IMAGE_PYTHON or "
    "KAAPANA_HARNESS_IMAGE_KIND_NODE; empty: build it",
)
VARIABLES: Final = (STATE_DIR, APT_MIRROR, BUILD_NETWORK, INDEX_CREDENTIALS, TORCH_INDEX, _IMAGE)


def image_variable(image: str) -> Variable:
    """Return the variable with the reference for pulling an image of the harness.

    Args:
        image: its name in the catalogue of images.
    """
    name = "".join(letter if letter.isalnum() else "_" for letter in image.upper())
    return dataclasses.replace(_IMAGE, name=_IMAGE.name.replace("<NAME>", name))
