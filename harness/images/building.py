"""The request of a build, and its progress."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from harness.images.context import Context
from harness.images.dockerfile import Dockerfile
from harness.settings import how_to_set


@dataclasses.dataclass(frozen=True)
class BuildRequest:
    """One build.

    Attributes:
        context: the files, with the Dockerfile among them.
        name: of the Dockerfile in the context.
        dockerfile: its content.
        tag: reference of the result.
        arguments: ARG values.
        hidden: further ARG values: no other process sees them.
        secrets: variables that the steps see and that nothing keeps; the Dockerfile mounts them.
        labels: labels of the result.
        network: the engine's network that the steps run in; ``None``: its default.
        timeout_s: limit of the whole build.
    """

    context: Context
    name: str
    dockerfile: Dockerfile
    tag: str
    arguments: Mapping[str, str]
    hidden: Mapping[str, str]
    secrets: Mapping[str, str]
    labels: Mapping[str, str]
    network: str | None
    timeout_s: float


class BuildLine(NamedTuple):
    """One line for the reader of a build; ``step``: the instruction that begins with it, empty for its output."""

    text: str
    step: str = ""
    number: int = 0
    """Of the instruction in the Dockerfile, from 1; 0 where the builder does not count like that."""


class BuilderError(Exception):
    """The builder said no; ``step`` is the instruction if it is not the one that began last."""

    def __init__(self, words: str, step: str = "") -> None:
        super().__init__(words)
        self.step = step


def make_timeout_error(timeout_s: float) -> BuilderError:
    """Return the error of a build that takes longer than it may."""
    return BuilderError(f"not finished within {timeout_s:.0f} s: raise the limit with {how_to_set('build_timeout')}")
