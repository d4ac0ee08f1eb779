"""What the host orders of the control plane of the docker cluster while it runs: images on the node, registries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.wire.fields import select_fitting


@dataclasses.dataclass(frozen=True)
class NodeImages:
    """A change of the images that pods find on the node.

    Attributes:
        provided: image ids of the engine by references; the harness's own images.
        commands: the command of a provided image, by reference, where its own is not used.
        imported: image ids of the engine by references, as from an ``images.tar``.
        withdrawn: references of imported images that are not there any more.
    """

    provided: dict[str, Any] = dataclasses.field(default_factory=dict)
    commands: dict[str, Any] = dataclasses.field(default_factory=dict)
    imported: dict[str, Any] = dataclasses.field(default_factory=dict)
    withdrawn: list[str] = dataclasses.field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the body of a request."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> NodeImages:
        """Read the body of a request."""
        return cls(**select_fitting(cls, body))


@dataclasses.dataclass(frozen=True)
class ServedRegistry:
    """A registry whose images are in the environment's registry.

    Attributes:
        name: ``host[:port]`` or with a path behind it, as images name it.
        prefix: of its host's repositories in the environment's registry.
        username: of the login with which pods without a pull secret pull; empty: they need one.
        password: of that login.
    """

    name: str = ""
    prefix: str = ""
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True)
class Registries:
    """Where the environment's registry is, and which others it serves besides.

    Attributes:
        address: ``host:port`` under which the engine pulls.
        internal: its URL in the cluster.
        served: others; those of earlier orders stay.
    """

    address: str
    internal: str
    served: tuple[ServedRegistry, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the body of a request."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Registries:
        """Read the body of a request."""
        served = (ServedRegistry(**select_fitting(ServedRegistry, entry)) for entry in body["served"])
        return cls(str(body["address"]), str(body["internal"]), tuple(served))
