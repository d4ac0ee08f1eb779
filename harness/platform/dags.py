"""Wait until copied files are DAGs that a user can start, and explain what prevents that (build 15, 19)."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from harness.common.references import split_reference
from harness.errors import DagFileError
from harness.extension import form_notes
from harness.findings import Finding
from harness.findings.installing import EXTENSION_NOTE
from harness.platform.import_advice import advise_on_import
from harness.wire import edk
from harness.wire.names import DAGS_DIR, FIELD_FORMS_PROBLEM

if TYPE_CHECKING:
    from harness.extension import DagImageContents
    from harness.platform.airflow_client import AirflowClient, DagBag

_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning)(: |$)")
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


@dataclasses.dataclass(frozen=True)
class Dags:
    """The DAGs of one extension.

    Attributes:
        ids: all of them, sorted.
        visible: those that the platform offers to users (``ui_visible`` is True).
        findings: problems for users.
    """

    ids: tuple[str, ...]
    visible: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def collect(
    extension: str,
    contents: DagImageContents,
    airflow: AirflowClient,
    *,
    coming: Mapping[str, str] | None = None,
    edk_images: Collection[str] = (),
) -> Dags:
    """Request that Airflow parses the folder now, and find the extension's DAGs.

    Args:
        extension: its name, for messages.
        contents: what its DAG image has installed.
        coming: modules that extensions bring which are installed later, with the name of each one's chart.
        edk_images: names of those images that are in the registry of the development kit.

    Raises:
        DagFileError: a file does not import (file, line and exception are in the first line), there is no
            DAG, or one whose forms no page can show.
    """
    bag = airflow.refresh()
    raise_import_errors(contents, bag, coming=coming)
    ids = find_ids(contents, bag)
    if not ids:
        listed = ", ".join(file.installed for file in contents.dag_files)
        raise DagFileError(
            f"{extension} is installed, but no DAG appeared",
            last_seen=f"Airflow read without an error: {listed}",
            fix="the file must create a DAG at module level (`with DAG(...) as dag:` or `dag = DAG(...)`)",
        )
    shown = airflow.dags()
    visible = tuple(dag_id for dag_id in ids if shown.get(dag_id, {}).get("ui_visible") is True)
    for dag_id in ids:
        if problem := shown.get(dag_id, {}).get(FIELD_FORMS_PROBLEM):
            raise DagFileError(
                f"{_find_file(dag_id, contents, bag)}: the page cannot show the ui_forms of the DAG {dag_id}: "
                f"{problem}",
                fix="ui_forms of default_args is a dictionary of forms, of what JSON has: text, numbers that are "
                "finite, true and false, lists, dictionaries",
            )
    findings = [
        finding
        for dag_id in visible
        for finding in _find_in_forms(dag_id, shown[dag_id], _reads_dataset(dag_id, contents, bag))
    ]
    if not visible:
        findings += [_report_hidden(dag_id, shown.get(dag_id, {}).get("ui_visible")) for dag_id in ids]
    return Dags(ids, visible, (*findings, *find_in_images(contents, edk_images)))


def _report_hidden(dag_id: str, value: Any) -> Finding:
    return EXTENSION_NOTE.report(
        dag_id,
        f"is never offered to users: ui_visible of its default_args is {value!r}, not True. It starts by the API, by "
        "another DAG or by its schedule",
    )


def _find_installed_path(dag_id: str, bag: DagBag) -> str:
    return "dags/" + str(bag.dags[dag_id]["fileloc"]).removeprefix(DAGS_DIR).lstrip("/")


def _find_file(dag_id: str, contents: DagImageContents, bag: DagBag) -> str:
    """Return the author's file that defines a DAG, as messages name it."""
    installed = _find_installed_path(dag_id, bag)
    return next((file.shown for file in contents.files if file.installed == installed), installed)


def _reads_dataset(dag_id: str, contents: DagImageContents, bag: DagBag) -> bool:
    """Return whether the file of a DAG names an operator that reads the user's dataset."""
    installed = _find_installed_path(dag_id, bag)
    # GetInputOperator and LocalGetInputDataOperator
    return any("GetInput" in file.readable() for file in contents.files if file.installed == installed)


def find_ids(contents: DagImageContents, bag: DagBag) -> tuple[str, ...]:
    """Return the DAG ids whose files this extension installs."""
    return find_ids_in_files((file.installed for file in contents.files), bag)


def find_ids_in_files(files: Iterable[str], bag: DagBag) -> tuple[str, ...]:
    """Return the DAG ids that some installed files define, e.g. ``dags/dag_x.py``; sorted."""
    paths = {posixpath.join(posixpath.dirname(DAGS_DIR), name) for name in files}
    return tuple(sorted(dag_id for dag_id, dag in bag.dags.items() if dag["fileloc"] in paths))


def raise_import_errors(contents: DagImageContents, bag: DagBag, *, coming: Mapping[str, str] | None = None) -> None:
    """Raise the first import error of the extension's own files; other extensions are none of its business.

    Raises:
        DagFileError: names the author's file, the line and the exception in the first line.
    """
    shown = {file.installed: file.shown for file in contents.files}
    for path, trace in sorted(bag.import_errors.items()):
        relative = f"dags/{path.removeprefix(DAGS_DIR).lstrip('/')}"
        if relative not in shown:
            continue
        where, line = _location(trace, relative)
        raise DagFileError(
            f"{shown.get(where, where)}{f' line {line}' if line else ''} does not import: {_exception(trace)}",
            last_seen=trace.strip(),
            evidence=f"Airflow's import error of {relative}",
            fix=advise_on_import(trace, coming or {}),
        )


def _location(trace: str, default: str) -> tuple[str, str]:
    """Return the last frame that is in the DAG folder."""
    where, line = default, ""
    for frame in _FRAME.finditer(trace):
        if frame["file"].startswith(f"{DAGS_DIR}/"):
            # frames before line 1 belong to the file's first line
            where, line = (
                "dags/" + frame["file"].removeprefix(f"{DAGS_DIR}/"),
                frame["line"].strip("0") and frame["line"],
            )
    return where, line


def _exception(trace: str) -> str:
    lines = [line for line in trace.splitlines() if line.strip()]
    # the text of an exception may go on for lines that begin like anything
    for line in reversed(lines):
        if _RAISED.match(line):
            return line.strip()
    for line in reversed(lines):
        if not line[0].isspace() and not line.startswith("Traceback"):
            return line.strip()
    return lines[-1].strip() if lines else "unknown error"


def find_in_images(contents: DagImageContents, edk_images: Collection[str] = ()) -> list[Finding]:
    """Return findings about images in DAG code whose names fit only one installation (build 2, 4.4).

    Args:
        contents: the files of the DAG image.
        edk_images: names of those images that are in the registry of the development kit.
    """
    found = []
    for image in contents.operator_images:
        problems = []
        if image.name in edk_images:
            problems.append(f"pulls {image.name} from DEFAULT_REGISTRY, but the kit pushes it to {edk.REGISTRY}")
        elsewhere = image.name is None and not image.reference.startswith("{?}")
        if elsewhere and not (edk_images and edk.is_in_registry(image.reference)):
            problems.append(f"pulls {image.reference} from another registry than the platform's DEFAULT_REGISTRY")
        tag = split_reference(image.reference)[1]
        if image.name is not None and "{" not in tag:
            problems.append(f"the tag {tag} of {image.name} is not KAAPANA_BUILD_VERSION, as which it is pushed")
        found += [EXTENSION_NOTE.report(f"{image.file}:{image.line}", problem) for problem in problems]
    return found


def _find_in_forms(dag_id: str, shown: Mapping[str, Any], reads_dataset: bool) -> list[Finding]:
    """Return findings about the forms of a DAG (runtime 10.2, 11.3)."""
    forms = shown.get("ui_forms")
    if not forms:
        return [EXTENSION_NOTE.report(dag_id, "has no ui_forms: users cannot choose a dataset")]
    problems = []
    data = forms.get("data_form")
    chosen = data.get("properties") if isinstance(data, Mapping) else None
    # an empty data_form is a deliberate choice (runtime 9.2)
    wanted = reads_dataset or ("data_form" in forms and data != {})
    if wanted and not (isinstance(chosen, Mapping) and chosen.get("dataset_name")):
        problems.append("has no data_form: users cannot choose a dataset")
    for form, schema in forms.items():
        if isinstance(schema, Mapping):
            problems += form_notes.find_problems(form, schema)
    return [EXTENSION_NOTE.report(dag_id, problem) for problem in problems]
