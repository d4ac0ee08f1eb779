"""From nothing to the image of a node, step by step; a step that is done is never done again."""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING, Final

from harness import engine
from harness.cluster.kind.node_image import programs, system
from harness.cluster.kind.node_image.preload import preload
from harness.cluster.kind.node_image.programs import Program
from harness.common.locking import lock_image
from harness.common.progress import OnProgress, quiet
from harness.common.references import split_reference
from harness.errors import ImageError
from harness.images import ensure as ensure_base
from harness.images.pull import pull
from harness.settings.variables import image_variable

if TYPE_CHECKING:
    from docker import APIClient

    from harness.settings.builds import BuildSettings

KUBERNETES_VERSION = programs.KUBERNETES.version
REPOSITORY = "kaapana-harness/kind-node"
PUBLIC_IMAGE = "kindest/node@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
"""Kubernetes 1.34.0, the image that kind 0.30.0 names as its default with this digest
(``pkg/apis/config/defaults/image.go`` of its module)."""
# raised when earlier images must not be used any more: those of the first could contain docker's proxies
_EDITION: Final = "2"
_VERSION: Final = re.compile(r"v(\d+)\.(\d+)")
VARIABLE = image_variable("kind-node")
"""Another reference to pull; empty: never pull."""


def ensure(settings: BuildSettings, on_progress: OnProgress = quiet) -> str:
    """Make sure that an image of a node is in the engine.

    kind's default configuration fits it, its network included, whether it was pulled or built.

    Args:
        settings: time limit of each build, CA bundle.
        on_progress: gets a line for every step.

    Returns:
        Its tag, ``kaapana-harness/kind-node:<hash of its inputs>``.

    Raises:
        ImageError: it can be neither found, nor pulled, nor built; the failing step and the end of its log.
        EngineError: no container engine answers.
    """
    reference = VARIABLE.read(default=PUBLIC_IMAGE)
    pulled = f"{REPOSITORY}:{hashlib.sha256(reference.encode()).hexdigest()[:12]}"
    base = ensure_base("rootfs", settings=settings, on_progress=on_progress)
    built = make_tag(base)
    api = engine.connect_api()
    try:
        for tag in (built, *([pulled] if reference else [])):
            if engine.find_image(api, tag):
                return tag
        with lock_image("kind-node", settings, on_progress):
            # another process may have made it while this one waited
            for tag in (built, *([pulled] if reference else [])):
                if engine.find_image(api, tag):
                    return tag
            if reference and _pull(reference, pulled, api, on_progress):
                return pulled
            _build(built, base, settings, api, on_progress)
        return built
    finally:
        api.close()


def make_tag(base: str) -> str:
    """Return the tag of the image that is built on ``base``."""
    made = [programs.make_tag(program) for program in programs.OF_THE_NODE]
    text = "\n".join([_EDITION, base, system.hash_inputs(), *made])
    return f"{REPOSITORY}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _pull(reference: str, tag: str, api: APIClient, on_progress: OnProgress) -> bool:
    reason = pull(reference, lambda line: on_progress(f"[node] {line}"))
    if reason:
        on_progress(f"[node] cannot be pulled ({reason}); it is built from packages")
        return False
    api.tag(reference, *split_reference(tag))
    return True


def _build(tag: str, base: str, settings: BuildSettings, api: APIClient, on_progress: OnProgress) -> None:
    started = time.monotonic()
    made = {program: programs.ensure_program(program, settings, on_progress) for program in programs.OF_THE_NODE}
    _, version = split_reference(tag)
    file_system = f"kaapana-harness/kind-system:{version}"
    if not engine.find_image(api, file_system):
        system.build_system(file_system, base, made, settings, on_progress)
    names = _names(made, api)
    images: dict[str, list[str]] = {}
    for part in system.PARTS:
        local = f"{part.repository}:{version}"
        if not engine.find_image(api, local):
            system.build_part(part, local, file_system, made, settings, on_progress)
        images[local] = names[part.name]
    preload(
        file_system,
        images,
        tag,
        {engine.LABEL_NAME: "kind-node"},
        lambda line: on_progress(f"[node] {line}"),
        settings,
    )
    # They are in the node now. What they were made of stays, for the next version of the node; so does the file
    # system, whose layers are the node's own.
    for local in images:
        engine.remove_image(api, local)
    on_progress(f"[node] ready after {time.monotonic() - started:.0f} s")


def read_version(api: APIClient, tag: str) -> tuple[int, int]:
    """Return the version of Kubernetes that an image of a node has, such as (1, 34).

    Raises:
        ImageError: it is not an image of a node.
    """
    problem = f"{tag} is not an image of a kind node"
    try:
        text = programs.read_file(tag, "/kind/version", api).decode("utf-8", "replace")
    except ImageError as error:
        raise ImageError(problem, last_seen=error.cause) from None
    found = _VERSION.match(text)
    if found is None:
        raise ImageError(problem, last_seen=f"/kind/version: {text[:80]}")
    return int(found[1]), int(found[2])


def _names(made: dict[Program, str], api: APIClient) -> dict[str, list[str]]:
    """Return the references of each part: as the manifests name it, or as kubeadm and kind list them."""
    kubernetes = _read_list(made[programs.KUBERNETES], api)
    provisioner, helper = _read_list(made[programs.KIND], api)
    found = {part.name: list(part.references) for part in system.PARTS}
    found["coredns"] = [name for name in kubernetes if "/coredns" in name]
    found["kubernetes"] = [name for name in kubernetes if "/coredns" not in name and "/pause" not in name]
    found["storage"], found["helper"] = [provisioner], [helper]
    missing = [name for name, references in found.items() if not references]
    if missing:
        raise ImageError(
            f"it is not known under which name a node asks for {', '.join(missing)}",
            last_seen="\n".join([*kubernetes, provisioner, helper]),
        )
    return found


def _read_list(tag: str, api: APIClient) -> list[str]:
    """Return the lines of the file ``/images`` of a program's image."""
    text = programs.read_file(tag, "/images", api).decode()
    return [line for line in text.splitlines() if line]
