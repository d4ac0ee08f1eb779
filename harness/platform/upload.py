"""Check a chart as the platform does at its upload and in its list (build 10.2, 10.5)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.artefacts.package import ChartPackage
from harness.errors import ExtensionError
from harness.findings import Finding, installing
from harness.platform import values
from harness.platform.helm import Helm, HelmError
from harness.platform.manifests import Rendered, arrange, describe, find_own_annotation
from harness.wire import keywords
from harness.wire.names import ADMIN_NAMESPACE, LABEL_NETWORK_EXTERNAL


@dataclasses.dataclass(frozen=True)
class Uploaded:
    """A chart in the platform's extension list.

    Attributes:
        chart_globals: ``global`` of its values.yaml.
    """

    package: ChartPackage
    chart_globals: Mapping[str, Any]


def check(helm: Helm, package: ChartPackage, platform_globals: Mapping[str, Any]) -> Uploaded:
    """Treat an uploaded ``.tgz`` as the platform does.

    Raises:
        ExtensionError: the upload would be refused, or the extension would never be listed.
    """
    expected = package.file_name
    try:
        rendered = arrange(
            helm.render(
                package.path, {"global": dict(platform_globals)}, release=package.name, namespace=ADMIN_NAMESPACE
            )
        )
    except HelmError as error:
        raise ExtensionError(
            f"the platform refuses the upload of {expected}: it cannot be rendered: {error.line}",
            last_seen=f"Failed to check chart namespace: {error}",
            fix="fix the chart's templates; they are rendered with the platform's globals",
        ) from None
    for manifest in rendered.objects:
        if manifest["metadata"].get("namespace") == ADMIN_NAMESPACE:
            raise ExtensionError(
                f"the platform refuses the upload of {expected}: {describe(manifest)} is in the namespace "
                f"{ADMIN_NAMESPACE}",
                last_seen="Chart files can not contain resources under admin_namespace",
                fix="put it into .Values.global.services_namespace",
            )
    _check_listing(package)
    known = package.values.get("global")
    return Uploaded(package, dict(known) if isinstance(known, Mapping) else {})


def _check_listing(package: ChartPackage) -> None:
    if package.is_triggered:
        return
    if not package.is_listed:
        raise ExtensionError(
            f"{package.file_name} would never be listed: Chart.yaml has no keyword {keywords.WORKFLOW}",
            last_seen=f"keywords: {', '.join(package.keywords) or 'none'}",
            fix=f"add\nkeywords:\n  - {keywords.WORKFLOW}\nor {keywords.APPLICATION} for an application; "
            f"{keywords.TRIGGERED} alone is for one that only tasks start",
        )
    if not package.metadata.get("description"):
        raise ExtensionError(
            f"{package.file_name} has no description, which breaks the platform's whole extension list (HTTP 500)",
            fix="add a line description: to Chart.yaml",
        )
    known = package.values.get("global")
    if not isinstance(known, Mapping) or not known:
        raise ExtensionError(
            f"{package.file_name} would be missing in the platform's list: its values.yaml has no map `global`",
            fix="add a map global with at least one value to values.yaml",
        )


def collect_findings(package: ChartPackage) -> tuple[Finding, ...]:
    """Return the problems of a chart in the platform's list (build 12)."""
    if keywords.EXPERIMENTAL not in package.keywords:
        return ()
    return (
        installing.HIDDEN_BY_DEFAULT.report(
            package.file_name,
            f"the keyword {keywords.EXPERIMENTAL} hides it in the platform's list until a user chooses Experimental "
            "in the filter Maturity",
        ),
    )


def render(
    helm: Helm,
    uploaded: Uploaded,
    platform_globals: Mapping[str, Any],
    extension_params: Mapping[str, Any],
    sets: Mapping[str, Any] | None = None,
    *,
    release: str = "",
) -> tuple[Rendered, dict[str, Any]]:
    """Return the objects of an installation with the platform's value merge, and the merged values.

    Args:
        release: name of the release; by default that of the chart.

    Raises:
        ExtensionError: the chart does not render with these values.
    """
    merged = values.merge(platform_globals, extension_params, uploaded.chart_globals, sets)
    package = uploaded.package
    try:
        rendered = arrange(
            helm.render(package.path, merged, release=release or package.name, namespace=ADMIN_NAMESPACE)
        )
    except HelmError as error:
        raise ExtensionError(
            f"{package.file_name} cannot be installed, because it does not render: {error.line}", last_seen=str(error)
        ) from None
    _check_annotations(package.name, rendered)
    return rendered, merged


def _check_annotations(name: str, rendered: Rendered) -> None:
    for manifest in (*rendered.objects, *rendered.hooks):
        if key := find_own_annotation(manifest):
            raise ExtensionError(
                f"{name} cannot be installed: {describe(manifest)} has the annotation {key}",
                last_seen="only the harness's own objects choose networks",
                fix=f"leave it out; the label {LABEL_NETWORK_EXTERNAL} is the platform's way out",
            )
