"""Complete the pages of ``docs/reference`` from the code; each function returns what follows a page's introduction."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydicom.uid import SegmentationStorage

import harness
from harness import plugin, profiles
from harness.checks.regions import Regions
from harness.findings import Finding, running
from harness.run import evidence
from harness.run.outputs import SentObject, SentObjects
from harness.run.results import Cause, Run, RunImage, TaskResult
from harness.run.stored_objects import StoredObject

PARTS: Mapping[str, type] = {
    "tasks": TaskResult,
    "sent": SentObject,
    "objects": StoredObject,
    "findings": Finding,
    "images": RunImage,
    "cause": Cause,
}
_KEY = "staticwebsiteresults/report.html"
_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def api() -> str:
    """Return the public names of the package, classes first, errors last."""
    named = {name: getattr(harness, name) for name in harness.__all__}
    errors = [name for name, value in named.items() if _is_error(value)]
    functions = [name for name, value in named.items() if not inspect.isclass(value)]
    classes = [name for name in named if name not in errors and name not in functions]
    parts = ["## Classes"]
    for name in classes:
        # what segmentations and structure sets share is declared once
        inherited = ("inherited-members",) if issubclass(named[name], Regions) else ()
        parts.append(_directive("autoclass", name, "members", *inherited))
    parts += ["## Functions", *(_directive("autofunction", name) for name in functions)]
    parts += ["## Errors", *(_directive("autoexception", name, "show-inheritance") for name in errors)]
    return "\n\n".join(parts)


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Exception)


def _directive(kind: str, name: str, *options: str) -> str:
    chosen = "".join(f"   :{option}:\n" for option in options)
    return f"```{{eval-rst}}\n.. {kind}:: harness.{name}\n{chosen}```"


def command_line() -> str:
    """Return all commands with their options."""
    return "```{eval-rst}\n.. click:: harness.cli.verbs:cli\n   :prog: kaapana-harness\n   :nested: full\n```"


def fixtures() -> str:
    """Return the fixtures of the pytest plugin, in the order in which it declares them."""
    parts = []
    for name, value in vars(plugin).items():
        if name in plugin._FIXTURES:
            gives = re.sub(r"^Iterator\[(.*)\]$", r"\1", inspect.signature(value).return_annotation)
            parts += [f"## {name}", f"Gives a {{py:class}}`~harness.{gives}`.", inspect.getdoc(value) or ""]
    return "\n\n".join(parts)


def releases() -> str:
    """Return what each profile says, a row for each key."""
    known = [profiles.load(name) for name in profiles.names()]
    parts = []
    for table, keys in profiles.SCHEMA.items():
        rows = [[f"`{key}`", *(_shown(profile.value(f"{table}.{key}")) for profile in known)] for key in keys]
        parts += [f"## {table}", _table(["key", *(profile.name for profile in known)], rows)]
    return "\n\n".join(parts)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(f"`{entry}`" for entry in value)
    return f"`{value}`" if value != "" else ""


def run_json() -> str:
    """Return the document of a run, and what its parts mean."""
    document = evidence.make_document(_example())
    parts = [f"```json\n{json.dumps(document, indent=2)}\n```", "## Keys"]
    types = {field.name: f"`{field.type}`" for field in dataclasses.fields(Run)}
    # of the same kind as findings
    links = {key: f"[below](#{key})" for key in PARTS} | {"on_other_releases": "as [findings](#findings)"}
    rows = [[f"`{key}`", links.get(key) or types.get(key, "`int`")] for key in document]
    parts.append(_table(["key", "value"], rows))
    for key, described in PARTS.items():
        entry = document[key] if isinstance(document[key], dict) else document[key][0]
        parts += [f"## {key}", f"A {{py:class}}`~harness.{described.__name__}`.", _fields(described, entry)]
    return "\n\n".join(parts)


def _fields(described: type, entry: Mapping[str, Any]) -> str:
    fields = {field.name: str(field.type) for field in dataclasses.fields(described)}
    meanings = {name: " ".join(text.split()) for name, text in _ARGUMENT.findall(described.__doc__ or "")}
    # a document has the name without the word of the class's own property
    own = {"log": "log_path"}
    rows = []
    for key in entry:
        name = own.get(key, key)
        rows.append([f"`{key}`", f"`{fields[name]}`", _as_markdown(meanings.get(name, ""))])
    return _table(["key", "type", "what it is"], rows)


def _as_markdown(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace(' | ', ' or ') for cell in line)} |" for line in lines)


def _example() -> Run:
    """Return a run with one of everything."""
    image = "local-only/otsus-method:0.6.0"
    task = TaskResult("otsus-method", "OtsusMethodOperator", "failed", image, exit_code=1, reason="Error", attempts=1)
    return Run(
        dag_id="otsus-method",
        run_id="otsus-method-261129220000000000",
        state="failed",
        platform="documented",
        cluster="docker",
        form={"workflow_form": {"threshold_bins": 64}},
        started="2026-11-29T22:00:00+00:00",
        seconds=9.4,
        tasks=(dataclasses.replace(task, queued_s=0.2, seconds=3.1, log_path="logs/otsus-method.log"),),
        sent=SentObjects([SentObject("sent/1.2.3.dcm", SegmentationStorage, "1.2.3", "1.2.4", "KAAPANA", "kp-admin")]),
        objects=(StoredObject("project-admin", _KEY, 2048, "text/html", f"objects/{_KEY}", True),),
        findings=(running.WRITTEN_OUTSIDE.report("otsus-method", "wrote /out.txt, which is beside its volumes"),),
        on_other_releases=(),
        images=(RunImage(image, "built", "sha256:0f3a", ("sha256:9b1c",), ("otsus-method",)),),
        cause=Cause("otsus-method", "exit code 1: KeyError: 'TRESHOLD_BINS'", "Traceback ...", "set it in env_vars"),
        directory=Path(),
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/api": api,
    "reference/command-line": command_line,
    "reference/fixtures": fixtures,
    "reference/run-json": run_json,
    "reference/releases": releases,
}
"""The pages, by their names without ending."""


def _complete(app: Any, docname: str, source: list[str]) -> None:
    if docname in PAGES:
        source[0] = f"{source[0]}\n\n{PAGES[docname]()}\n"


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("source-read", _complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
