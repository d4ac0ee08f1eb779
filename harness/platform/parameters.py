"""Follow an extension's parameters from the dialog to the chart's templates (build 10.3, 11).

They reach Helm templates only. On the way some values are changed, some vanish without a word, and a parameter that no
template reads does nothing: a user of the dialog learns none of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from harness.errors import ExtensionError
from harness.extension.params import Parameter
from harness.findings import Finding, installing
from harness.platform import upload, values
from harness.platform.helm import Helm
from harness.platform.manifests import Rendered
from harness.platform.templates import find_mentioned_names
from harness.platform.upload import Uploaded

# a value that no template compares with
_OTHER_TEXT = "kaapana-harness-other"
# for all renders together; a render takes milliseconds, a chart that takes seconds is not asked about each parameter
_PATIENCE_S = 20.0


def render(
    helm: Helm,
    parameters: Sequence[Parameter],
    uploaded: Uploaded,
    platform_globals: Mapping[str, Any],
    posted: Mapping[str, Any],
    *,
    release: str = "",
) -> tuple[Rendered, dict[str, Any], tuple[Finding, ...]]:
    """Render a chart with posted parameters.

    Args:
        release: name of the release; by default that of the chart.

    Returns:
        The objects, the values that they were rendered with, and the findings about the parameters.

    Raises:
        ExtensionError: as of :func:`harness.platform.upload.render`.
    """
    rendered, merged = upload.render(helm, uploaded, platform_globals, posted, release=release)

    def render_again(chosen: Mapping[str, Any]) -> Rendered:
        return upload.render(helm, uploaded, platform_globals, chosen, release=release)[0]

    return rendered, merged, collect_findings(parameters, posted, uploaded, render_again)


def collect_findings(
    parameters: Sequence[Parameter],
    posted: Mapping[str, Any],
    uploaded: Uploaded,
    render: Callable[[Mapping[str, Any]], Rendered],
) -> tuple[Finding, ...]:
    """Return the problems of an extension's parameters and their values.

    Args:
        posted: the dialog's values, from :func:`harness.extension.params.check`.
        uploaded: the chart as the platform lists it.
        render: gives the objects of the chart for posted values, or raises ExtensionError.
    """
    found: list[Finding] = []
    asked = [parameter for parameter in parameters if not parameter.is_heading]
    for parameter in asked:
        found += _check_default(parameter)
        found += _check_value(parameter.name, posted.get(parameter.name), uploaded.chart_globals)
    found += [_report_unread(name) for name in _find_unread(asked, posted, uploaded, render)]
    return tuple(found)


def _find_unread(
    parameters: Sequence[Parameter],
    posted: Mapping[str, Any],
    uploaded: Uploaded,
    render: Callable[[Mapping[str, Any]], Rendered],
) -> tuple[str, ...]:
    """Return the names of parameters that no template reads; in doubt a parameter is not among them.

    None of the templates mentions such a name, and another value gives the same objects. Parameters that the chart's
    own ``global`` replaces are left out.
    """
    open_to_question = [p for p in parameters if not values.is_taken(uploaded.chart_globals.get(p.name))]
    if not open_to_question:
        return ()
    mentioned = find_mentioned_names(uploaded.package.path)
    if mentioned is None:
        return ()
    # a dot in the name makes a map of it
    silent = [p for p in open_to_question if not mentioned.intersection((p.name, p.name.rpartition(".")[2]))]
    if not silent:
        return ()
    before = render(posted)
    deadline = time.monotonic() + _PATIENCE_S
    return tuple(
        p.name
        for p in silent
        if time.monotonic() < deadline and _renders_as(before, {**posted, p.name: _other_value(p, posted)}, render)
    )


def _renders_as(before: Rendered, other: Mapping[str, Any], render: Callable[[Mapping[str, Any]], Rendered]) -> bool:
    try:
        return render(other) == before
    except ExtensionError:
        # a template refuses the value, so it has read it
        return False


def _other_value(parameter: Parameter, posted: Mapping[str, Any]) -> Any:
    """Return a value that differs from the posted one, if possible one that the dialog could post."""
    current = posted.get(parameter.name)
    if isinstance(current, bool):
        return not current
    return next((choice for choice in parameter.choices if str(choice) != str(current)), _OTHER_TEXT)


def _check_default(parameter: Parameter) -> Iterator[Finding]:
    if parameter.strays:
        listed = ", ".join(map(str, parameter.strays))
        yield installing.PARAMETER_DEFAULT.report(
            parameter.name,
            f"the default has {listed}, which is not among the choices: it is posted, but no user can select it",
            fix="add it to `value`, or take it out of the default",
        )
    if parameter.type in ("boolean", "bool") and isinstance(parameter.default, str):
        yield installing.PARAMETER_DEFAULT.report(
            parameter.name,
            f"the default is the text {parameter.default!r}: until a user clicks, templates get a text, and any text "
            "counts as true",
            fix=f"default: {parameter.default.lower()}, without quotes",
        )


def _check_value(name: str, value: Any, chart_globals: Mapping[str, Any]) -> Iterator[Finding]:
    if values.is_taken(chart_globals.get(name)):
        yield installing.PARAMETER_OVERRIDDEN.report(
            name, f"global.{name} of the chart's own values.yaml replaces whatever a user enters"
        )
    elif values.is_dropped(name, value):
        yield installing.PARAMETER_DROPPED.report(
            name,
            f"the platform drops this value: {value!r} or the name has one of ; & < > \" ', so templates get nothing",
        )
    elif isinstance(value, str) and (arrives := values.encode_value(value)) != value:
        why = "blanks are removed" if value.replace(" ", "") == arrives else "blanks and backslashes are removed"
        yield installing.PARAMETER_CHANGED.report(
            name, f"the platform changes this value: {value!r} reaches templates as {arrives!r} ({why})"
        )


def _report_unread(name: str) -> Finding:
    return installing.PARAMETER_UNREAD.report(
        name,
        f"no template of the chart reads .Values.global.{name}, so the value has no effect: parameters reach Helm "
        "templates only, neither DAG files nor operators",
    )
