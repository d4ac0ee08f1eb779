"""The install of a package whose images lie in an archive, against the engine's own `docker load` of it."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import EXTENSION
from benchmarks.figures import Figure, own_state
from harness import engine, extension
from harness.api import Kaapana
from harness.artefacts import loading
from harness.artefacts.archive import ImageArchive
from harness.common.progress import quiet
from harness.platform import bundle
from harness.settings import Settings

_LARGE_BYTES = 5_000_000_000
_BLOCK = 16 << 20


def install(folder: Path, rounds: int) -> list[Figure]:
    """Install otsus-method from package and archive (1.1 GB); the engine does not have the images beforehand."""
    loads, installs, ratios = [], [], []
    with own_state(folder), Kaapana.open(Settings.load(), evidence=folder / "evidence") as kaapana:
        source = extension.read(EXTENSION)
        made = bundle.make(
            source,
            kaapana.environment.settings,
            version=kaapana.environment.platform_version,
            registry=kaapana.platform_registry,
            archive=folder / "images.tar",
            chart_dir=folder,
            say=quiet,
        )
        assert made.archive is not None
        for _ in range(rounds):
            load = _load(made.archive)
            _forget(ImageArchive.open(made.archive))
            clock = time.monotonic()
            installed = kaapana.install_built(made.chart.path, made.archive)
            seconds = time.monotonic() - clock
            installed.uninstall()
            loads.append(load)
            installs.append(seconds)
            ratios.append(seconds / load)
    return [
        Figure("`docker load` of the archive of otsus-method", loads, "s", ""),
        Figure("install of its package from the archive, installer's pod and DAG included", installs, "s", ""),
        Figure("ratio of the two", ratios, "", "<= 2"),
    ]


def large(folder: Path, rounds: int) -> list[Figure]:
    """Take in an archive of 5 GB in one layer, against `docker load` of it."""
    loads, ours, ratios = [], [], []
    with _large_archive(folder) as path:
        archive = ImageArchive.open(path)
        (image,) = archive.images
        for _ in range(rounds):
            loads.append(_load(path))
            _remove(image.references[0])
            clock = time.monotonic()
            loading.load(archive, image.platform.architecture, quiet)
            ours.append(time.monotonic() - clock)
            _forget(archive)
            ratios.append(ours[-1] / loads[-1])
    return [
        Figure("`docker load` of an archive of 5 GB", loads, "s", ""),
        Figure("the same by the harness, digests checked", ours, "s", ""),
        Figure("ratio of the two", ratios, "", "<= 1.5"),
    ]


def _load(path: Path) -> float:
    clock = time.monotonic()
    subprocess.run(["docker", "load", "--quiet", "--input", str(path)], check=True, capture_output=True)
    return time.monotonic() - clock


def _forget(archive: ImageArchive) -> None:
    """Remove the images of an archive from the engine under all their names; their base stays."""
    for image in archive.images:
        _remove(image.config_digest)


def _remove(name: str) -> None:
    subprocess.run(["docker", "image", "rm", "--force", name], check=False, capture_output=True)


@contextlib.contextmanager
def _large_archive(folder: Path) -> Iterator[Path]:
    """An archive with an image of 5 GB that no compression makes smaller; it and the image are gone afterwards."""
    name = f"kh-bench/large:{secrets.token_hex(4)}"
    context = folder / "large"
    context.mkdir()
    with (context / "content").open("wb") as file:
        block = secrets.token_bytes(_BLOCK)
        for number in range(_LARGE_BYTES // _BLOCK):
            # each block another one, so that nothing is stored once only
            file.write(number.to_bytes(8, "big") + block[8:])
    (context / "Dockerfile").write_text("FROM scratch\nCOPY content /content\n", "utf-8")
    subprocess.run(["docker", "build", "--quiet", "--tag", name, str(context)], check=True, capture_output=True)
    (context / "content").unlink()
    path = folder / "large.tar"
    try:
        subprocess.run(["docker", "save", "--output", str(path), name], check=True, capture_output=True)
        _remove(name)
        yield path
    finally:
        _remove(name)
        with contextlib.closing(engine.connect_api()) as api:
            for image in api.images(name="kh-bench/large"):
                api.remove_image(image["Id"], force=True)
        path.unlink(missing_ok=True)
