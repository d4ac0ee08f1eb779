"""Programs from Go modules, each compiled in a container and kept as an image that contains nothing else.

The toolchain is a Python wheel, and with its caches (several GB for Kubernetes) it is gone at the end of the one step
that compiles: what stays in the engine is the size of the program. Nothing is installed on the host.
"""

from __future__ import annotations

import dataclasses
import io
import platform
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness import engine
from harness.common.locking import lock_image
from harness.common.progress import OnProgress
from harness.engine import unstarted
from harness.errors import ImageError
from harness.images import build, ensure
from harness.images.catalogue import GO_BIN
from harness.images.context import Context, ContextEntry, make_package_entries
from harness.images.site import SiteSettings

if TYPE_CHECKING:
    from docker import APIClient

    from harness.settings.builds import BuildSettings

FILES = Path(__file__).parent / "files"
LABEL_STAGE = "kaapana-harness.stage"
"""Label of the image that a program was compiled in; it goes when the program is there."""
_GO_ARGUMENTS = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE")


@dataclasses.dataclass(frozen=True)
class Program:
    """What is compiled.

    Attributes:
        name: its folder below ``files``, with ``build.sh``; its image is ``kaapana-harness/kind-<name>``.
        version: of its module; empty for a program of ours.
        minutes: duration on two processors, for a line before the build.
        for_host: it runs on this host, whose system may differ from the engine's.
    """

    name: str
    version: str = ""
    minutes: float = 1
    for_host: bool = False

    @property
    def repository(self) -> str:
        """The local repository of its image."""
        return f"kaapana-harness/kind-{self.name}"


KUBERNETES = Program("kubernetes", "v1.34.4", minutes=7)
COREDNS = Program("coredns", "v1.12.4", minutes=2)
STORAGE = Program("local-path-provisioner", "v0.0.30")
NETWORK = Program("network")
KIND = Program("kind", "v0.33.0", minutes=0.5, for_host=True)
OF_THE_NODE = (KIND, NETWORK, STORAGE, COREDNS, KUBERNETES)
"""The quick ones first: problems of the site's settings show in the first minute."""


def make_context(program: Program) -> Context:
    """Return everything that determines the program."""
    return Context(
        [
            ContextEntry("Dockerfile", path=FILES / "program.Dockerfile"),
            ContextEntry("build.bash", path=FILES / "build.bash"),
            *make_package_entries(FILES / program.name, "source"),
        ]
    )


def make_tag(program: Program) -> str:
    """Return the tag of its image: a hash of the source, the versions and the system that it is compiled for."""
    arguments = _arguments(program)
    inputs = make_context(program).digest(*(f"{key}={value}" for key, value in sorted(arguments.items())))
    return f"{program.repository}:{inputs[:12]}"


def ensure_program(program: Program, settings: BuildSettings, on_progress: OnProgress) -> str:
    """Make sure that a program's image is in the engine.

    Args:
        program: the program to compile.
        settings: time limit, CA bundle.
        on_progress: gets the lines of the build.

    Returns:
        The image's tag. The program is in its folder ``/bin``.

    Raises:
        ImageError: it does not compile; the last lines are in the error.
        EngineError: no container engine answers.
    """
    tag = make_tag(program)
    api = engine.connect_api()
    try:
        if engine.find_image(api, tag):
            return tag
        with lock_image(program.repository.rpartition("/")[2], settings, on_progress):
            if not engine.find_image(api, tag):
                _compile(program, tag, settings, on_progress, api)
        return tag
    finally:
        api.close()


def _compile(
    program: Program,
    tag: str,
    settings: BuildSettings,
    on_progress: OnProgress,
    api: APIClient,
) -> None:
    def on_line(line: str) -> None:
        on_progress(f"[{program.name}] {line}")

    started = time.monotonic()
    on_line(f"compile {program.version}".rstrip() + f" (about {program.minutes:g} min on two processors)")
    site = SiteSettings.detect(ca_bundle=settings.ca_bundle)
    base = ensure("python", settings=settings, on_progress=on_progress)
    try:
        build.build_image(
            make_context(program),
            tag=tag,
            settings=settings,
            buildargs={
                "BASE": base,
                "STAGE": tag,
                **{name: site.go[name] for name in _GO_ARGUMENTS if name in site.go},
                **_arguments(program),
            },
            labels={engine.LABEL_NAME: f"kind-{program.name}"},
            on_line=on_line,
            site=site,
        )
    finally:
        remove_stages(api, tag)
    on_line(f"ready after {time.monotonic() - started:.0f} s")


def read_file(tag: str, name: str, api: APIClient) -> bytes:
    """Return a file of an image, which need not have anything that could be run.

    Raises:
        ImageError: it is not a file of the image.
    """
    import docker

    with unstarted.container(tag, api) as container:
        try:
            stream, _ = api.get_archive(container, name)
            content = io.BytesIO(b"".join(stream))
        except docker.errors.NotFound:
            raise ImageError(f"{tag} has no file {name}") from None
    with tarfile.open(fileobj=content) as archive:
        file = archive.extractfile(name.rpartition("/")[2])
        if file is None:
            raise ImageError(f"{name} is not a file of {tag}", fix=f"docker rmi {tag}")
        return file.read()


def remove_stages(api: APIClient, tag: str) -> None:
    """Remove the image that ``tag`` was compiled in, which nothing needs any more."""
    for image in api.images(filters={"label": f"{LABEL_STAGE}={tag}", "dangling": True}):
        # not if a build that was interrupted still uses it
        engine.remove_image(api, image["Id"])


def find_target_system() -> dict[str, str]:
    """Return ``GOOS`` and ``GOARCH`` of this host."""
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return {"GOOS": "windows" if sys.platform == "win32" else sys.platform, "GOARCH": architecture}


def _arguments(program: Program) -> dict[str, str]:
    system = find_target_system() if program.for_host else {}
    return {"GO_BIN": GO_BIN, "VERSION": program.version, **system}
