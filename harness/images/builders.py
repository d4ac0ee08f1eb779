"""Choose one of the two builders, and check that it supports a Dockerfile."""

from __future__ import annotations

import os
from collections.abc import Sequence

from harness import engine
from harness.common.progress import OnProgress, quiet
from harness.doctor import api_range, require_engine
from harness.doctor.builder import Builder, find_socket_builder
from harness.doctor.facts import EngineFacts
from harness.errors import EngineError
from harness.images import features
from harness.images.dockerfile import Dockerfile
from harness.images.pull import pull
from harness.images.site import SiteSettings
from harness.settings.variables import BUILD_NETWORK

_KEEPING_RECORDS = (1, 42)
"""The API of the first engine (Docker 23.0) that may keep records of BuildKit's builds."""
_NETWORKS = frozenset({"default", "host", "none"})
"""What BuildKit's steps can run in."""


def choose_builder(site: SiteSettings, found: EngineFacts) -> Builder:
    """Return the builder of images on an engine at this site."""
    builder = find_socket_builder(found.socket, os.environ)
    if not builder.buildkit:
        return builder
    if site.network_mode and site.network_mode not in _NETWORKS:
        return builder.without_buildkit(
            f"BuildKit has no network {site.network_mode!r} for builds", f"unset {BUILD_NETWORK.name}"
        )
    if site.secret_proxies and may_keep_records(found) and site.docker_proxies:
        return builder.without_buildkit(
            "docker buildx would give the proxies in docker's own configuration to BuildKit, which would keep a "
            "password in its records of builds",
            "take `proxies` out of docker's config.json and set HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
        )
    if site.secret_proxies and may_keep_records(found) and not can_take_secrets(found):
        return builder.without_buildkit(
            f"the BuildKit of Docker {found.version} would keep the password in {site.secret_proxies[0]} in its "
            "records of builds",
            f"install Docker {features.find_release(features.SECRET_VARIABLES)} or newer, "
            "or use a proxy without a password",
        )
    return builder


def check_features(dockerfile: Dockerfile, site: SiteSettings, shown: str) -> None:
    """Check that the builder supports all features of a Dockerfile.

    Raises:
        EngineError: it does not; the first feature, with file and line, and what to install.
    """
    needs = list(features.find_required(dockerfile.instructions))
    if not needs:
        return
    found = require_engine()
    builder = choose_builder(site, found)
    built_in = features.find_syntax(found.api)
    beyond = [need for need in needs if need.syntax > built_in]
    pinned = features.find_pinned(dockerfile.syntax)
    excluded = [need for need in needs if pinned and need.syntax > pinned]
    release = features.find_release(max(need.syntax for need in needs))
    if not builder.buildkit:
        fix = f"{builder.remedy}, and Docker {release} or newer" if beyond else builder.remedy
        raise _unsupported_error(shown, needs, f"needs BuildKit, but images are built by the {builder}", fix)
    if not beyond and not excluded:
        return
    reason = pull_frontend(dockerfile.syntax, quiet) if dockerfile.syntax else ""
    if dockerfile.syntax and not reason:
        # the frontend that it names reads the file in place of the engine's own
        if not excluded:
            return
        fix = "write `# syntax=docker/dockerfile:1`"
        raise _unsupported_error(shown, excluded, f"is newer than {dockerfile.syntax}", fix)
    if not beyond:
        return
    fix = f"install Docker {release} or newer"
    if dockerfile.syntax:
        reason = f"{dockerfile.syntax} cannot be pulled: {reason}"
    else:
        fix += ", or write `# syntax=docker/dockerfile:1` where that image can be pulled"
    raise _unsupported_error(shown, beyond, f"is newer than the BuildKit of Docker {found.version}", fix, reason)


def _unsupported_error(
    shown: str, needs: Sequence[features.RequiredFeature], lacking: str, fix: str, reason: str = ""
) -> EngineError:
    first, *others = needs
    seen = [reason, *(f"line {need.line}: {need.feature}" for need in others)]
    return EngineError(
        f"{shown}:{first.line}: {first.feature} {lacking}", last_seen="\n".join(filter(None, seen)), fix=fix
    )


def may_keep_records(found: EngineFacts) -> bool:
    """Return whether an engine may keep records of BuildKit's builds, with the values of their arguments."""
    return api_range.parse_version(found.api) >= _KEEPING_RECORDS


def can_take_secrets(found: EngineFacts) -> bool:
    """Return whether the BuildKit of an engine can make secrets the variables of steps."""
    return features.find_syntax(found.api) >= features.SECRET_VARIABLES


def refuses_secrets(frontend: str) -> bool:
    """Return whether the image of a frontend is too old to make secrets the variables of steps."""
    pinned = features.find_pinned(frontend)
    return pinned is not None and pinned < features.SECRET_VARIABLES


def pull_frontend(reference: str, on_line: OnProgress) -> str:
    """Return why the image of a frontend is not in the engine and cannot be pulled; empty where it is there."""
    api = engine.connect_api()
    try:
        return "" if engine.find_image(api, reference) else pull(reference, on_line)
    finally:
        api.close()
