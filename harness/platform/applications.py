"""Charts of an extension without a DAG: applications, which kube-helm installs unchanged (build 10.3, 12).

One that a user launches as often as he likes (``kaapanamultiinstallable``) gets a release for each launch. One that
only tasks start is uploaded and waits: the task's operator names it (``launch_application_chart``).
"""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from harness.artefacts.package import ChartPackage
from harness.artefacts.sources import FoundImage, ImageSource
from harness.errors import ExtensionError
from harness.extension import params as extension_params
from harness.findings import Finding
from harness.platform import parameters, planning, upload
from harness.platform.helm import Helm
from harness.platform.manifests import Rendered
from harness.platform.platform_names import PlatformNames
from harness.wire import keywords

_SUFFIX_LENGTH = 20
# what Helm takes as the name of a release
_RELEASE = re.compile(r"(?=.{1,53}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class ApplicationPlan:
    """One chart without DAGs, with everything that its installation needs.

    Attributes:
        package: the chart.
        params: the posted ``extension_params``.
        release: name of its release; empty where it is only uploaded.
        rendered: its objects.
        merged: the values that they were rendered with.
        images: the given images that its pods pull.
        findings: what an author should know.
    """

    package: ChartPackage
    params: Mapping[str, Any]
    release: str
    rendered: Rendered
    merged: Mapping[str, Any]
    images: tuple[FoundImage, ...]
    findings: tuple[Finding, ...]


def plan(
    package: ChartPackage,
    given: Sequence[ImageSource],
    platform: PlatformNames,
    helm: Helm,
    *,
    project: tuple[str, str],
    params: Mapping[str, Any] | None = None,
) -> ApplicationPlan:
    """Find everything that a chart without DAGs needs.

    Args:
        package: the chart.
        given: where its images are.
        platform: registry and version of the emulated platform.
        helm: renders the chart.
        project: id and name of the project for launches of multi-installable applications.
        params: chosen ``extension_params``; the others keep the dialog's defaults.

    Raises:
        FormError: the dialog would not take the parameters.
        ExtensionError: the chart would not be accepted, or images are missing: all of them are named.
    """
    uploaded = upload.check(helm, package, platform.platform_globals)
    if package.is_triggered:
        # its values come with the launch: its images are not known before
        return ApplicationPlan(package, {}, "", Rendered((), ()), {}, (), ())
    posted = extension_params.check(package.parameters, params or {})
    chosen = dict(posted)
    if keywords.MULTIINSTALLABLE in package.keywords:
        chosen |= {"project_id": project[0], "project_name": project[1]}
    release = make_release_name(package, chosen)
    rendered, merged, odd = parameters.render(
        helm, package.parameters, uploaded, platform.platform_globals, chosen, release=release
    )
    images = planning.find_chart_images(package, rendered, given, platform)
    return ApplicationPlan(package, posted, release, rendered, merged, images, odd)


def make_release_name(package: ChartPackage, params: Mapping[str, Any]) -> str:
    """Return the name of a release as kube-helm chooses it (build 10.3).

    Args:
        package: the chart.
        params: the chosen ``extension_params``.

    Raises:
        ExtensionError: Helm would not take it.
    """
    if keywords.MULTIINSTALLABLE not in package.keywords:
        return package.name
    key = str((package.values.get("global") or {}).get("suffix_param_key") or "")
    chosen = params.get(key) if key else None
    suffix = secrets.token_hex(_SUFFIX_LENGTH // 2) if chosen is None else str(chosen)[:_SUFFIX_LENGTH]
    name = f"{package.name}-{suffix}"
    if not _RELEASE.fullmatch(name):
        raise ExtensionError(
            f"{package.file_name} cannot be launched: Helm does not accept a release named {name!r}",
            last_seen=f"the suffix is the value of {key}" if chosen is not None else "the suffix has 20 characters",
            fix="lower-case letters, digits and dashes, at most 53 characters with the chart's name",
        )
    return name
