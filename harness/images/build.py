"""One image build on the engine's legacy builder, which every engine has.

:func:`build_image` sends a context and follows the stream; :func:`build_extension_image` is for the containers of
an extension: bases first, nothing at all when nothing has changed.
"""

from __future__ import annotations

import collections
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import BuildError, HarnessError, ImageError
from harness.images import engine
from harness.images.context import Context, author_context
from harness.images.pull import pull
from harness.images.site import SiteSettings
from harness.locking import making_image

if TYPE_CHECKING:
    from harness.settings import Settings

OnLine = Callable[[str], None]

LOCAL_BASES = ("base-python-cpu", "base-python-gpu", "base-installer")
"""What ``FROM local-only/<name>:latest`` can name without the author having built it."""

EXTENSION_REPOSITORY = "kaapana-harness/extension"
"""Every image that was built for an extension is also kept under this name, with its inputs as the tag."""

_TAIL_LINES = 40
_STEP = re.compile(r"^Step \d+/\d+ : ")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE)


def quiet(line: str) -> None:
    """A listener that does not listen."""


def build_image(
    context: Context,
    *,
    tag: str,
    settings: Settings,
    buildargs: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    dockerfile: str = "Dockerfile",
    on_line: OnLine = quiet,
    site: SiteSettings | None = None,
    error: type[HarnessError] = ImageError,
) -> str:
    """Build ``context`` and name the result ``tag``.

    Args:
        context: the files, with the Dockerfile among them.
        tag: reference of the result.
        settings: ``build_timeout`` is the limit for the whole build, in seconds.
        buildargs: ARG values of the Dockerfile; the site's proxies are added.
        labels: labels of the result.
        dockerfile: its name in the context.
        on_line: gets every line of the builder.
        site: settings of the site, detected by default.
        error: the exception for a build that fails, ``ImageError`` or ``BuildError``.

    Returns:
        The image id.

    Raises:
        ImageError, BuildError: the failing step and the last lines of its output.
    """
    import docker
    import requests

    site = SiteSettings.detect(ca_bundle=settings.ca_bundle) if site is None else site
    deadline = time.monotonic() + settings.build_timeout
    tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
    step = "the start of the build"
    # The engine may be silent for as long as one step takes, so silence alone is not a failure.
    api = engine.client(timeout_s=settings.build_timeout)
    try:
        with context.tar() as archive:
            stream = api.build(
                fileobj=archive,
                custom_context=True,
                dockerfile=dockerfile,
                tag=tag,
                buildargs={**site.proxies, **(buildargs or {})},
                labels=dict(labels or {}),
                network_mode=site.network_mode,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for line in _lines(stream):
                if _STEP.match(line):
                    step = line
                tail.append(line)
                on_line(line)
                if time.monotonic() > deadline:
                    raise _BuilderError(f"not finished within {settings.build_timeout:.0f} s (build_timeout)")
        image = engine.find_image(api, tag)
        if image is None:
            raise _BuilderError("the engine reported no error, but there is no image")
    except (_BuilderError, docker.errors.APIError, docker.errors.BuildError, requests.RequestException) as problem:
        text = getattr(problem, "explanation", None) or str(problem)
        raise error(
            f"{tag} does not build: {_one_line(step)}",
            last_seen="\n".join([*tail, str(text).strip()]),
            fix=_advice(f"{text} {' '.join(tail)}"),
        ) from None
    finally:
        api.close()
    return str(image["Id"])


def build_extension_image(
    folder: Path,
    tag: str,
    *,
    settings: Settings,
    on_line: OnLine = quiet,
    dockerfile: str = "Dockerfile",
    buildargs: Mapping[str, str] | None = None,
) -> str:
    """Build a container of an extension as its author wrote it.

    The Dockerfile is used untouched: certificates and package indexes come with the ``local-only`` bases, proxies
    as predefined build arguments. Nothing is sent to the engine when an image with the same inputs exists.

    Args:
        folder: the build context.
        tag: reference of the result.
        settings: time limit, CA bundle.
        on_line: gets the lines of the builder.
        dockerfile: path of the Dockerfile relative to ``folder``.
        buildargs: ARG values.

    Returns:
        The image id.

    Raises:
        BuildError: no Dockerfile, a base that can neither be found nor pulled, or a step that fails.
        ImageError: a base image of the harness cannot be made.
    """
    context = author_context(folder, dockerfile)
    bases = base_references(context.entries[dockerfile].read().decode("utf-8", "replace"), buildargs or {})
    identities = [_ensure_base(base, folder / dockerfile, settings, on_line) for base in bases]
    arguments = [f"{name}={value}" for name, value in sorted((buildargs or {}).items())]
    inputs = context.digest(dockerfile, *identities, *arguments)
    kept = f"{EXTENSION_REPOSITORY}:{inputs[:12]}"
    api = engine.client()
    try:
        with making_image(f"extension-{inputs[:12]}", settings):
            found = engine.find_image(api, kept)
            if found is None:
                build_image(
                    context,
                    tag=kept,
                    settings=settings,
                    buildargs=buildargs,
                    labels={engine.LABEL_NAME: "extension"},
                    dockerfile=dockerfile,
                    on_line=on_line,
                    error=BuildError,
                )
                found = engine.find_image(api, kept)
                assert found is not None, kept
            else:
                on_line(f"{tag}: nothing has changed")
            if tag not in (found.get("RepoTags") or []):
                repository, _, version = tag.rpartition(":")
                api.tag(found["Id"], repository, version)
            return str(found["Id"])
    finally:
        api.close()


def base_references(dockerfile: str, buildargs: Mapping[str, str]) -> list[str]:
    """The images that the ``FROM`` lines name, in order, without stage names and ``scratch``."""
    values = dict(buildargs)
    stages: set[str] = set()
    result: list[str] = []
    for line in re.sub(r"\\\s*\n", " ", dockerfile).splitlines():
        if argument := _ARG.match(line):
            if not result:
                values.setdefault(argument[1], argument[2].strip("\"'"))
        elif found := _FROM.match(line):
            reference = re.sub(r"\$\{?(\w+)\}?", lambda m: values.get(m[1], m[0]), found[1]).strip("\"'")
            if reference.lower() not in stages and reference != "scratch" and reference not in result:
                result.append(reference)
            if found[2]:
                stages.add(found[2].lower())
    return result


def _ensure_base(reference: str, dockerfile: Path, settings: Settings, on_line: OnLine) -> str:
    """The image id of a base, which is made or pulled first."""
    from harness.images.resolve import ensure

    local, _, name = reference.partition("local-only/")
    if not local and name.partition(":")[0] in LOCAL_BASES:
        if not name.endswith(":latest"):
            raise BuildError(
                f"{dockerfile}: FROM {reference}: local-only images have the tag latest",
                fix=f"write FROM local-only/{name.partition(':')[0]}:latest",
            )
        ensure(name.partition(":")[0], settings=settings, on_progress=on_line)
    api = engine.client()
    try:
        image = engine.find_image(api, reference)
        if image is None:
            reason = "the name is reserved for images that are built on this machine"
            if "local-only/" not in reference:
                reason = pull(reference, on_line)
                image = engine.find_image(api, reference)
        if image is None:
            raise BuildError(
                f"{dockerfile}: the base image {reference} is not on this machine and cannot be had",
                last_seen=reason,
                fix="use one of "
                + ", ".join(f"local-only/{base}:latest" for base in LOCAL_BASES)
                + ", or load the image into the engine first",
            )
        return str(image["Id"])
    finally:
        api.close()


class _BuilderError(Exception):
    """The builder said no."""


def _lines(stream: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Whole lines of the builder's stream.

    Raises:
        _BuilderError: the stream carries an error.
    """
    rest = ""
    for message in stream:
        if "error" in message:
            raise _BuilderError(str(message["error"]))
        rest += message.get("stream", "")
        *whole, rest = rest.split("\n")
        for line in whole:
            if text := _COLOUR.sub("", line).strip():
                yield text
    if text := _COLOUR.sub("", rest).strip():
        yield text


def _one_line(text: str) -> str:
    return text if len(text) <= 160 else text[:157] + "..."


def _advice(text: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in text or "self-signed certificate" in text or "unknown authority" in text:
        return "name the site's CA bundle: KAAPANA_HARNESS_CA_BUNDLE or [tool.kaapana-harness] ca-bundle"
    if "No space left on device" in text:
        return "make room: `kaapana-harness prune` removes superseded images"
    if any(sign in text for sign in ("Temporary failure in name resolution", "Name or service not known")):
        return "the build reaches no package index: set HTTP_PROXY/HTTPS_PROXY, or PIP_INDEX_URL to a mirror"
    return "mend the step that is named above"
