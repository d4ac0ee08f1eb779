"""Build one image: with BuildKit if the user's ``docker buildx`` is installed, otherwise with the legacy builder.

Both get the same files, arguments and labels, and report in the same words.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness import engine
from harness.common.progress import OnProgress, quiet
from harness.doctor import require_engine
from harness.doctor.builder import Builder
from harness.doctor.facts import EngineFacts
from harness.errors import HarnessError, ImageError
from harness.images import builders, buildkit, legacy, unreached_urls
from harness.images.building import BuilderError, BuildLine, BuildRequest
from harness.images.context import Context
from harness.images.dockerfile import Dockerfile
from harness.images.site import PROXY_VARIABLES, SiteSettings, has_password
from harness.settings import how_to_set

if TYPE_CHECKING:
    from pathlib import Path

    from harness.settings.builds import BuildSettings


_TAIL_LINES = 40
# what steps see without a declaration
_PREDEFINED = frozenset({*PROXY_VARIABLES, *map(str.lower, PROXY_VARIABLES)})


def build_image(
    context: Context,
    *,
    tag: str,
    settings: BuildSettings,
    buildargs: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    dockerfile: str = "Dockerfile",
    on_line: OnProgress = quiet,
    on_notice: OnProgress | None = None,
    site: SiteSettings | None = None,
    error: type[HarnessError] = ImageError,
    shown: str = "",
    added: Sequence[int] = (),
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
        on_notice: gets a line for each deviation from the Dockerfile; ``on_line`` by default.
        site: settings of the site, detected by default.
        error: the exception for a build that fails, ``ImageError`` or ``BuildError``.
        shown: the build's name in messages, best its Dockerfile; by default the tag.
        added: numbers of the Dockerfile's lines that its author does not have: messages count without them.

    Returns:
        The image id.

    Raises:
        ImageError, BuildError: the failing step and the last lines of its output.
    """
    site = SiteSettings.detect(ca_bundle=settings.ca_bundle) if site is None else site
    found = require_engine()
    builder = builders.choose_builder(site, found)
    tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)

    def notice(line: str) -> None:
        tail.append(line)
        (on_notice or on_line)(line)

    request = _request(context, tag, settings.build_timeout, buildargs or {}, labels or {}, dockerfile, site)
    request = _prepare(request, builder, found, shown or dockerfile, notice)
    begun = BuildLine("")
    try:
        for line in _lines(request, builder, found, settings.state):
            if line.step:
                begun = line
            tail.append(line.text)
            on_line(line.text)
        api = engine.connect_api()
        try:
            image = engine.find_image(api, tag)
        finally:
            api.close()
        if image is None:
            raise BuilderError("the engine reported no error, but there is no image")
    except BuilderError as problem:
        failed = BuildLine(problem.step, problem.step) if problem.step else begun
        number = _line_number(failed, request)
        author_line = number - sum(1 for other in added if other < number)
        output = "\n".join([*tail, str(problem).strip()])
        if not _refuses_certificate(output) and (
            url := unreached_urls.find(request.dockerfile, number, failed.step, output)
        ):
            needs = f"line {author_line} needs " if number else ""
            raise error(
                f"{shown or tag} does not build: {needs}{url}, which the build does not reach",
                last_seen=output,
                fix=f"name a file or a mirror of this site: {how_to_set('build_urls', f'{url}=FILE')}",
            ) from None
        place = f"line {author_line}: {failed.step}" if number else failed.step
        raise error(
            # a Dockerfile that the builder cannot read has no steps yet
            f"{shown or tag} does not build: {one_line(place or ' '.join(str(problem).split()))}",
            last_seen=output,
            fix=_advice(f"{problem} {' '.join(tail)}"),
        ) from None
    return str(image["Id"])


def _request(
    context: Context,
    tag: str,
    timeout_s: float,
    buildargs: Mapping[str, str],
    labels: Mapping[str, str],
    name: str,
    site: SiteSettings,
) -> BuildRequest:
    of_site = {**site.proxies, **{key: value for key, value in buildargs.items() if key in site.go}}
    return BuildRequest(
        context=context,
        name=name,
        dockerfile=Dockerfile(context.entries[name].read().decode("utf-8", "surrogateescape")),
        tag=tag,
        arguments={key: value for key, value in buildargs.items() if key not in of_site},
        hidden={key: buildargs.get(key, value) for key, value in of_site.items()},
        secrets={},
        labels=labels,
        network=site.network_mode,
        timeout_s=timeout_s,
    )


def _prepare(
    request: BuildRequest, builder: Builder, found: EngineFacts, shown: str, notice: OnProgress
) -> BuildRequest:
    """Return a request with a Dockerfile that the builder can read and that keeps no password of the site."""
    dockerfile = request.dockerfile
    passwords = {name: value for name, value in request.hidden.items() if has_password(value)}
    makes_secrets = bool(passwords) and builder.buildkit and builders.can_take_secrets(found)
    if builder.version and builder.reason:
        notice(str(builder))
    if dockerfile.syntax:
        if not builder.buildkit:
            reason = "the legacy builder has no others"
        elif makes_secrets and builders.refuses_secrets(dockerfile.syntax):
            reason = "that version cannot get the site's passwords without keeping them in the image"
        else:
            reason = builders.pull_frontend(dockerfile.syntax, notice)
        if reason:
            notice(f"{shown}: # syntax={dockerfile.syntax} is read by the builder's own frontend: {reason}")
            dockerfile = dockerfile.without_syntax()
    declared = dockerfile.without_arguments(set(passwords) & _PREDEFINED)
    if declared.text != dockerfile.text:
        notice(f"{shown}: ARG of a proxy is left out: its password would stay in the image; steps see it all the same")
        dockerfile = declared
    sent = dockerfile
    if makes_secrets:
        dockerfile = dockerfile.without_arguments(passwords)
        # messages name the author's instructions
        sent = dockerfile.with_secrets(passwords)
        hidden = {name: value for name, value in request.hidden.items() if name not in passwords}
        request = dataclasses.replace(request, hidden=hidden, secrets=passwords)
    if sent.text == request.dockerfile.text:
        return request
    content = sent.text.encode("utf-8", "surrogateescape")
    entry = dataclasses.replace(request.context.entries[request.name], content=content, path=None)
    entries = {**request.context.entries, request.name: entry}
    return dataclasses.replace(request, context=Context(entries.values()), dockerfile=dockerfile)


def _lines(request: BuildRequest, builder: Builder, found: EngineFacts, state: Path) -> Iterator[BuildLine]:
    if not builder.buildkit:
        return legacy.build(request)
    return buildkit.build(request, builder, found.address, state / "buildx")


def _line_number(step: BuildLine, request: BuildRequest) -> int:
    """Return the line of an instruction; 0 where that is not known."""
    instructions = request.dockerfile.instructions
    if 0 < step.number <= len(instructions):
        return instructions[step.number - 1].line
    return request.dockerfile.line_of(step.step) if step.step else 0


def one_line(text: str) -> str:
    """Return a step of a build for a one-line message: a Dockerfile can continue it for megabytes."""
    return text if len(text) <= 160 else text[:157] + "..."


def _refuses_certificate(text: str) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in text or "self-signed certificate" in text or "unknown authority" in text


def _advice(text: str) -> str:
    if _refuses_certificate(text):
        return f"name the site's CA bundle with {how_to_set('ca_bundle')}"
    if "No space left on device" in text:
        return "make room: `kaapana-harness prune` removes superseded images"
    if any(sign in text for sign in ("Temporary failure in name resolution", "Name or service not known")):
        return "the build reaches no package index: set HTTP_PROXY/HTTPS_PROXY, or PIP_INDEX_URL to a mirror"
    return "fix the step that is named above"
