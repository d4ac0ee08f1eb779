"""Images of the harness out of one engine, and into another one.

python -m tests.engines.matrix.archive save|load FILE     the engine is the one that DOCKER_HOST names
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from harness import engine
from harness.cluster.kind.node_image import build as node_build
from harness.errors import HarnessError
from harness.images import resolve
from harness.images.catalogue import CATALOGUE, find_spec
from harness.settings import Settings

_UNDER_NODES = "rootfs"
_BLOCK = 1 << 20
_TIMEOUT_S = 900.0


def save(path: Path, names: list[str]) -> None:
    """Write images of the harness to an archive, with all that they stand on; they are made where they are absent.

    The image of kind's nodes, which takes much longer, is among them where the engine has it.

    Raises:
        ImageError: the engine refuses.
    """
    settings = Settings.load()
    resolve.ensure_all(names, settings=settings, on_progress=_say)
    tags = resolve.compute_tags(settings)
    wanted = {tags[name] for name in _closure(names)}
    part = path.with_suffix(".part")
    with engine.connect_api() as api, part.open("wb") as output:
        if _UNDER_NODES in names and engine.find_image(api, node := node_build.make_tag(tags[_UNDER_NODES])):
            wanted.add(node)
        output.writelines(engine.save_images(api, sorted(wanted)))
    part.replace(path)


def load(path: Path, names: list[str]) -> None:
    """Load an archive, and make what is not in it as it is built today; the last line that is printed says so.

    Raises:
        ImageError: the engine refuses.
    """
    settings = Settings.load()
    api = engine.connect_api(_TIMEOUT_S)
    try:
        engine.load_images(api, _blocks(path), path.name)
    finally:
        api.close()
    tags = resolve.compute_tags(settings)
    wanted = _closure(names)
    absent = [name for name in wanted if name not in tags]
    resolve.ensure_all(names, settings=settings, on_progress=_say)
    _say(f"loaded, but {len(absent)} of {len(wanted)} built" if absent else "loaded")


def _say(line: str) -> None:
    print(line, flush=True)


def _closure(names: list[str]) -> list[str]:
    wanted = list(names)
    for name in wanted:
        wanted += [need for need in find_spec(name).needs if need not in wanted]
    return wanted


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block


def main(what: str, path: str, *names: str) -> str:
    """Save or load; return why that fails, in one line for the row, or an empty text."""
    try:
        {"save": save, "load": load}[what](Path(path), list(names or CATALOGUE))
    except HarnessError as error:
        _say(str(error))
        return " ".join(": ".join(filter(None, (error.cause, error.last_seen))).split())
    return ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or 0)
