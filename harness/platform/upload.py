"""What the platform checks when a chart is uploaded, and what it lists afterwards (build 10.2, 10.5)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.artefacts.package import ChartPackage
from harness.contract.names import ADMIN_NAMESPACE
from harness.errors import ExtensionError
from harness.platform import values
from harness.platform.helm import Helm, HelmError
from harness.platform.manifests import Rendered, arrange, describe

_LISTED = ("kaapanaworkflow", "kaapanaapplication")


@dataclasses.dataclass(frozen=True)
class Uploaded:
    """A chart in the platform's extension list.

    Attributes:
        chart_globals: ``global`` of its values.yaml.
    """

    package: ChartPackage
    chart_globals: Mapping[str, Any]


def check(helm: Helm, package: ChartPackage, platform_globals: Mapping[str, Any]) -> Uploaded:
    """Do what the platform does with an uploaded ``.tgz``.

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
            f"the platform refuses the upload of {expected}: it cannot be rendered",
            last_seen=f"Failed to check chart namespace: {error}",
            fix="mend the chart's templates; they are rendered with the platform's globals",
        ) from None
    for manifest in rendered.objects:
        if manifest["metadata"].get("namespace") == ADMIN_NAMESPACE:
            raise ExtensionError(
                f"the platform refuses the upload of {expected}: {describe(manifest)} lies in the namespace "
                f"{ADMIN_NAMESPACE}",
                last_seen="Chart files can not contain resources under admin_namespace",
                fix="put it into .Values.global.services_namespace",
            )
    _check_listing(expected, package.metadata)
    return Uploaded(package, dict(package.values.get("global") or {}))


def _check_listing(expected: str, metadata: Mapping[str, Any]) -> None:
    keywords = [str(word) for word in metadata.get("keywords") or []]
    if not any(word in _LISTED for word in keywords):
        raise ExtensionError(
            f"{expected} would never be listed: Chart.yaml has no keyword {_LISTED[0]}",
            last_seen=f"keywords: {', '.join(keywords) or 'none'}",
            fix=f"add\nkeywords:\n  - {_LISTED[0]}",
        )
    if not metadata.get("description"):
        raise ExtensionError(
            f"{expected} has no description, which breaks the platform's whole extension list (HTTP 500)",
            fix="add a line description: to Chart.yaml",
        )


def render(
    helm: Helm,
    uploaded: Uploaded,
    platform_globals: Mapping[str, Any],
    extension_params: Mapping[str, Any],
    sets: Mapping[str, Any] | None = None,
) -> tuple[Rendered, dict[str, Any]]:
    """The objects of an installation with the platform's value merge, and the merged values.

    Raises:
        ExtensionError: the chart does not render with these values.
    """
    merged = values.merge(platform_globals, extension_params, uploaded.chart_globals, sets)
    package = uploaded.package
    try:
        rendered = arrange(helm.render(package.path, merged, release=package.name, namespace=ADMIN_NAMESPACE))
    except HelmError as error:
        raise ExtensionError(
            f"{package.name} cannot be installed: its chart does not render", last_seen=str(error)
        ) from None
    return rendered, merged
