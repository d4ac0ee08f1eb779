"""Get an image of the catalogue into the engine: use it if present, or pull it, or build it.

What is pulled can be chosen with ``KAAPANA_HARNESS_IMAGE_<NAME>`` (a reference in the site's own registry);
an empty value means: never pull, build.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from harness import engine
from harness.common.locking import lock_image
from harness.common.progress import OnProgress, quiet
from harness.common.references import split_reference
from harness.doctor import preflight
from harness.errors import ImageError
from harness.images import build, seeds
from harness.images.catalogue import CATALOGUE, Spec, find_spec, name_repository
from harness.images.context import Context
from harness.images.pull import pull
from harness.images.site import SiteSettings
from harness.settings.variables import image_variable

if TYPE_CHECKING:
    from docker import APIClient

    from harness.settings.builds import BuildSettings


_WORKERS = 2
# result of the check before the first image; several threads may start it
_said: set[str] = set()


@dataclasses.dataclass(frozen=True)
class Made:
    """An existing image: its tag, the engine's id, and its :func:`engine.compute_identity`."""

    tag: str
    id: str
    identity: str


def ensure(name: str, *, settings: BuildSettings, on_progress: OnProgress = quiet) -> str:
    """Make sure that an image is in the engine.

    Returns:
        Its tag.

    Raises:
        ImageError: it can be neither found, nor pulled, nor built.
        EngineError: no container engine answers.
    """
    return ensure_all([name], settings=settings, on_progress=on_progress)[name]


def ensure_all(
    names: Iterable[str],
    *,
    settings: BuildSettings,
    on_progress: OnProgress = quiet,
    on_made: Mapping[str, Callable[[str], None]] | None = None,
) -> dict[str, str]:
    """Return the same for several, independent ones at the same time.

    Args:
        on_made: called with the tag of an image, by its name, when that has just been made; its error ends all.

    Returns:
        Tag by name.
    """
    wanted = list(dict.fromkeys(names))
    site = SiteSettings.detect(ca_bundle=settings.ca_bundle)
    api = engine.connect_api()
    try:
        made = _find_present(_closure(wanted), site, api)
        for name in wanted:
            if name in made:
                _name_locally(find_spec(name), made[name], api)
    finally:
        api.close()
    if not all(name in made for name in wanted):
        preflight(_say_once(on_progress))
        missing = [name for name in _closure(wanted) if name not in made]
        _make_all(missing, made, settings, site, on_progress, on_made or {})
    return {name: made[name].tag for name in wanted}


def _say_once(say: OnProgress) -> OnProgress:
    def on_line(line: str) -> None:
        if line not in _said:
            _said.add(line)
            say(line)

    return on_line


def _make_all(
    missing: list[str],
    made: dict[str, Made],
    settings: BuildSettings,
    site: SiteSettings,
    on_progress: OnProgress,
    on_made: Mapping[str, Callable[[str], None]],
) -> None:
    """Make ``missing`` and add them to ``made``; the longest chain first, ``_WORKERS`` at a time.

    The threads are daemons: if one build fails or the user interrupts, the process does not wait for the others,
    and the engine aborts a build without its client.
    """
    urgency = _urgency(missing)
    finished: queue.Queue[tuple[str, Made | BaseException]] = queue.Queue()
    running: set[str] = set()
    given_up = threading.Event()

    def say(line: str) -> None:
        if not given_up.is_set():
            on_progress(line)

    def work(name: str, parents: dict[str, Made]) -> None:
        try:
            finished.put((name, _make(find_spec(name), parents, settings, site, say)))
        except BaseException as error:
            finished.put((name, error))

    try:
        while len(running) or any(name not in made for name in missing):
            ready = [
                name
                for name in missing
                if name not in made and name not in running and all(need in made for need in find_spec(name).needs)
            ]
            for name in sorted(ready, key=urgency.__getitem__, reverse=True)[: _WORKERS - len(running)]:
                running.add(name)
                threading.Thread(target=work, args=(name, dict(made)), daemon=True, name=f"image-{name}").start()
            name, result = finished.get()
            running.discard(name)
            if isinstance(result, BaseException):
                raise result
            made[name] = result
            if name in on_made:
                on_made[name](result.tag)
    finally:
        given_up.set()


def compute_tags(settings: BuildSettings) -> dict[str, str]:
    """Return tag by name of every image of the catalogue that is in the engine and up to date; build nothing."""
    site = SiteSettings.detect(ca_bundle=settings.ca_bundle)
    api = engine.connect_api()
    try:
        return {name: image.tag for name, image in _find_present(_closure(CATALOGUE), site, api).items()}
    finally:
        api.close()


def _find_present(names: Iterable[str], site: SiteSettings, api: APIClient) -> dict[str, Made]:
    """Return those of ``names`` (parents first) that are in the engine together with all of their parents."""
    made: dict[str, Made] = {}
    for name in names:
        if all(need in made for need in find_spec(name).needs):
            tag, _ = _tag(find_spec(name), made, site)
            if found := engine.find_image(api, tag):
                made[name] = _read_made(tag, found)
    return made


def _read_made(tag: str, found: dict[str, Any]) -> Made:
    return Made(tag, str(found["Id"]), engine.compute_identity(found))


def _closure(names: Iterable[str]) -> list[str]:
    """Return the names with all of their parents, parents first."""
    result: dict[str, None] = {}

    def visit(name: str) -> None:
        for need in find_spec(name).needs:
            visit(need)
        result.setdefault(name)

    for name in names:
        visit(name)
    return list(result)


def _urgency(names: Iterable[str]) -> dict[str, int]:
    """Return the seconds of the longest chain that waits for each image."""
    ordered = list(names)
    result: dict[str, int] = {}
    for name in reversed(ordered):
        children = [result[other] for other in ordered if name in find_spec(other).needs]
        result[name] = find_spec(name).weight + max(children, default=0)
    return result


def _tag(image: Spec, made: dict[str, Made], site: SiteSettings) -> tuple[str, Context]:
    context = image.context(site)
    arguments = [f"{key}={value}" for key, value in sorted(image.buildargs.items())]
    if image.name == "debian":
        arguments.append(seeds.DEBIAN_INPUTS)
    identities = [made[name].identity for name in image.identities]
    return f"{name_repository(image.name)}:{context.digest(image.name, *identities, *arguments)[:12]}", context


def _make(
    image: Spec, made: dict[str, Made], settings: BuildSettings, site: SiteSettings, on_progress: OnProgress
) -> Made:
    tag, context = _tag(image, made, site)
    api = engine.connect_api(timeout_s=settings.build_timeout)
    try:
        found = engine.find_image(api, tag)
        if found is None:
            with lock_image(image.name, settings, on_progress):
                found = engine.find_image(api, tag)
                if found is None:
                    _create(image, tag, context, made, settings, site, on_progress)
                    found = engine.find_image(api, tag)
        if found is None:
            raise ImageError(
                f"the engine has made the image {image.name}, but does not find it by the name {tag}",
                fix="`kaapana-harness doctor` says which engine it is",
            )
        image_made = _read_made(tag, found)
        _name_locally(image, image_made, api)
        return image_made
    finally:
        api.close()


def _name_locally(image: Spec, made: Made, api: APIClient) -> None:
    """Give the image its further names, where they do not mean it yet."""
    for name in image.local:
        current = engine.find_image(api, name)
        if current is None or current["Id"] != made.id:
            api.tag(made.id, *split_reference(name))


def _create(
    image: Spec,
    tag: str,
    context: Context,
    made: dict[str, Made],
    settings: BuildSettings,
    site: SiteSettings,
    on_progress: OnProgress,
) -> None:
    def on_line(line: str) -> None:
        on_progress(f"[{image.name}] {line}")

    started = time.monotonic()
    on_line("make")
    source = _pull(image, on_line)
    labels = {engine.LABEL_NAME: image.name, **({engine.LABEL_SOURCE: source} if source else {})}
    if image.name == "debian":
        if source:
            _retag(source, tag)
        else:
            seeds.make_debian(tag, timeout_s=settings.build_timeout, site=site, on_line=on_line)
    else:
        if not source and (interpreter := seeds.INTERPRETERS.get(image.name)):
            archive = seeds.fetch_python(interpreter, settings, on_line)
            context = Context([*context.entries.values(), *seeds.make_python_entries(interpreter, archive)])
        # further images by their name, for those that take files of them
        arguments = {need.upper().replace("-", "_"): made[need].tag for need in image.needs}
        arguments.update(image.buildargs)
        if image.parent:
            arguments["BASE"] = made[image.parent].tag
        if source:
            arguments["SOURCE"] = source
        arguments.update(site.go)
        declared = context.entries["Dockerfile.pulled" if source else "Dockerfile"].read().decode()
        build.build_image(
            context,
            tag=tag,
            settings=settings,
            buildargs={key: value for key, value in arguments.items() if f"ARG {key}\n" in declared},
            labels=labels,
            dockerfile="Dockerfile.pulled" if source else "Dockerfile",
            on_line=on_line,
            site=site,
        )
    on_line(f"ready after {time.monotonic() - started:.1f} s")


def _pull(image: Spec, on_line: OnProgress) -> str:
    """Return the reference of the public image if it could be pulled, otherwise an empty text."""
    reference = image_variable(image.name).read(default=image.public)
    if not reference:
        return ""
    reason = pull(reference, on_line)
    if reason:
        on_line(f"cannot be pulled ({reason}); it is built from packages")
        return ""
    return reference


def _retag(source: str, tag: str) -> None:
    api: APIClient = engine.connect_api()
    try:
        api.tag(source, *split_reference(tag))
    finally:
        api.close()
