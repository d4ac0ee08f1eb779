"""One image build on the engine's legacy builder, which every engine has: a context is sent, the stream followed."""

from __future__ import annotations

import collections
import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.common.progress import OnProgress, quiet
from harness.errors import HarnessError, ImageError
from harness.images import engine
from harness.images.context import Context
from harness.images.site import SiteSettings

if TYPE_CHECKING:
    from harness.settings import Settings


_TAIL_LINES = 40
_STEP = re.compile(r"^Step \d+/\d+ : ")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def build_image(
    context: Context,
    *,
    tag: str,
    settings: Settings,
    buildargs: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    dockerfile: str = "Dockerfile",
    on_line: OnProgress = quiet,
    site: SiteSettings | None = None,
    error: type[HarnessError] = ImageError,
    shown: str = "",
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
        shown: how the first line of that exception names what does not build, the tag by default.

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
    step = ""
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
        text = str(problem) if isinstance(problem, _BuilderError) else engine.words(problem)
        raise error(
            # a Dockerfile that the engine cannot read has no steps yet
            f"{shown or tag} does not build: {one_line(step or ' '.join(str(text).split()))}",
            last_seen="\n".join([*tail, str(text).strip()]),
            fix=_advice(f"{text} {' '.join(tail)}"),
        ) from None
    finally:
        api.close()
    return str(image["Id"])


class _BuilderError(Exception):
    """The builder said no."""


def _lines(stream: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Whole lines of the builder's stream.

    Raises:
        _BuilderError: the stream carries an error.
    """
    rest = ""
    for message in stream:
        if trouble := engine.trouble_in(message):
            raise _BuilderError(trouble)
        rest += message.get("stream", "")
        *whole, rest = rest.split("\n")
        for line in whole:
            if text := _COLOUR.sub("", line).strip():
                yield text
    if text := _COLOUR.sub("", rest).strip():
        yield text


def one_line(text: str) -> str:
    """Return a step of a build as it may stand in one line of a message: a Dockerfile can continue it for megabytes."""
    return text if len(text) <= 160 else text[:157] + "..."


def _advice(text: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in text or "self-signed certificate" in text or "unknown authority" in text:
        return "name the site's CA bundle: KAAPANA_HARNESS_CA_BUNDLE or [tool.kaapana-harness] ca-bundle"
    if "No space left on device" in text:
        return "make room: `kaapana-harness prune` removes superseded images"
    if any(sign in text for sign in ("Temporary failure in name resolution", "Name or service not known")):
        return "the build reaches no package index: set HTTP_PROXY/HTTPS_PROXY, or PIP_INDEX_URL to a mirror"
    return "fix the step that is named above"
