"""Check built artefacts before an environment is started: everything but whether they run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from harness import profiles
from harness.artefacts.bundle import Artefacts, select_params
from harness.artefacts.package import ChartPackage
from harness.common.progress import OnProgress, quiet
from harness.errors import UsageError
from harness.extension import params as extension_params
from harness.platform import applications, helm, planning, platform_globals
from harness.platform.platform_names import PlatformNames
from harness.settings import Settings, how_to_set
from harness.wire import edk

# placeholder in references for the registry of an environment that does not exist yet
_PENDING = "platform-registry"
# podman's prefix for names without a registry
_NO_REGISTRY = ("", "localhost")
# placeholder in values for the project that does not exist yet
_NO_PROJECT = ("00000000-0000-0000-0000-000000000000", "project")


def check(
    settings: Settings,
    artefacts: Artefacts,
    *,
    params: Mapping[str, Any] | None = None,
    say: OnProgress = quiet,
) -> Settings:
    """Find everything that the packages need.

    Where the settings do not name the platform's registry, the images do: the one registry under which they hold the
    DAG images, when there is just one.

    Args:
        params: chosen ``extension_params``; ``None`` where a test will choose them. A package whose dialog then lacks
            a value is left to its installation.

    Returns:
        The settings with the name of the registry.

    Raises:
        FormError: the dialog would not take the parameters.
        ExtensionError: a package would not be accepted, or images are missing.
        UsageError: the registry cannot be known.
    """
    profile = profiles.load(settings.platform)
    version = settings.platform_version or profile.version
    workflows = [package for package in artefacts.packages if package.is_workflow]
    has_edk = settings.deliver == "edk"
    # the kit's registry is never the platform's
    others = edk.REGISTRIES if has_edk else ()
    registry = settings.platform_registry or _infer_registry(artefacts, workflows, (*_NO_REGISTRY, *others), say)
    known = platform_globals.make_globals(profile, registry or _PENDING, version, gpu=settings.gpu)
    names = PlatformNames(registry or _PENDING, version, profile, known, has_edk)
    tool = helm.find()
    chosen = select_params(artefacts.packages, params) if params is not None else {}
    for package in artefacts.packages:
        if params is None and extension_params.find_unanswered(package.parameters):
            continue
        own = chosen.get(package.name)
        if package.is_workflow:
            planning.plan(package, artefacts.sources, names, tool, params=own, say=say)
        else:
            applications.plan(package, artefacts.sources, names, tool, project=_NO_PROJECT, params=own)
    return dataclasses.replace(settings, platform_registry=registry)


def _infer_registry(artefacts: Artefacts, workflows: list[ChartPackage], others: Sequence[str], say: OnProgress) -> str:
    """Return the registry in the names of the DAG images."""
    found: dict[str, str] = {}
    for package in workflows:
        for source in artefacts.sources:
            for name in source.similar(f"{_PENDING}/{package.dag_image}", _PENDING):
                registry = name.rpartition("/")[0]
                if registry not in others:
                    found.setdefault(registry, name)
    if len(found) > 1:
        raise UsageError(
            "the images were built for several registries; which one is the platform's?",
            last_seen="\n".join(found.values()),
            fix=f"name it with {how_to_set('platform_registry')}",
        )
    for registry, name in found.items():
        say(f"the platform's registry is {registry}, as in {name}; {how_to_set('platform_registry')} names another one")
        return registry
    return ""
