"""Forms and requests with the platform's answers, and whether every row of the sheets has an answer.

DAG files of the same table run in Airflow's image: ``tests/incluster/airflow/in_image/test_differential.py``.
"""

from __future__ import annotations

import ast
import collections
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import profiles
from harness.errors import FormError
from harness.extension import forms
from harness.run.trigger import make_page_rules
from tests.differential.entries import Entry, all_entries
from tests.differential.sheets import SheetRow, rows_of
from tests.incluster.services.running_services import RunningServices, project_header

ROOT = Path(__file__).parents[2]
ENTRIES = all_entries()
SECTIONS = {"runtime": ("5", "6", "7", "10", "11"), "operators": ("2",)}
# how often the platform's own files use a keyword is no behaviour
SURVEYS = {"runtime 11.4"}


# --- forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.kind == "form"], ids=lambda entry: entry.id)
def test_a_form_submits_and_refuses_what_the_page_does(entry: Entry) -> None:
    schemas = entry.given["form"] if entry.given.get("whole") else {"workflow_form": entry.given["form"]}
    rules = make_page_rules(profiles.load(entry.given.get("release", "0.6.0")))
    expected = entry.here or entry.answer
    found: dict[str, Any]
    try:
        submitted = forms.complete(schemas, entry.given.get("values", {}), rules=rules)
        found = {"submits": submitted if entry.given.get("whole") else submitted.get("workflow_form")}
    except FormError as error:
        found = {"refuses": str(error)}
    if "refuses" in expected:
        assert re.search(expected["refuses"], found.get("refuses", "")), found
    else:
        assert found == expected


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServices]:
    running = RunningServices(tmp_path_factory.mktemp("services"))
    running.airflow.dags["my-dag"] = {"dag_id": "my-dag", "ui_visible": True, "tags": [], "ui_forms": {}}
    yield running
    running.close()


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.kind == "posted"], ids=lambda entry: entry.id)
def test_a_request_becomes_the_runs_and_confs_that_it_does_on_the_platform(
    entry: Entry, platform: RunningServices
) -> None:
    project = platform.new_project()
    headers = project_header(project)
    software = [{"software_uuid": "my-dag"}]
    platform.aii.post(f"/projects/{project['id']}/software-mappings", json=software).raise_for_status()
    data = {"name": "ds", "action": "ADD", "identifiers": ["1.1", "1.2", "1.3"]}
    platform.backend.put("/client/dataset", headers=headers, json=data).raise_for_status()
    body = {
        "dag_id": "my-dag",
        "workflow_name": "trial",
        "instance_names": ["central"],
        "conf_data": entry.given["posted"],
    }
    answer = platform.backend.post("/client/workflow", headers=headers, json=body | entry.given.get("body", {}))
    answer.raise_for_status()
    made = platform.control.get(f"/workflows/{answer.json()['workflow_id']}", params={"wait_s": "20"}).json()
    confs = [platform.airflow.runs[job["run_id"]] for job in made["jobs"]]
    scope = {"confs": confs, "project": project, "workflow": answer.json() | {"jobs": made["jobs"]}}
    assert {text: _plain(eval(text, scope)) for text in entry.expected} == entry.expected


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


# --- coverage --------------------------------------------------------------------------------------------------------


def _sheet_rows() -> list[SheetRow]:
    found = [row for sheet, sections in SECTIONS.items() for row in rows_of(sheet, sections)]
    return [row for row in found if row.section not in SURVEYS]


def test_every_row_of_the_sheets_has_an_answer(record_property: Any, capsys: pytest.CaptureFixture[str]) -> None:
    answered: dict[SheetRow, list[str]] = {row: [] for row in _sheet_rows()}
    for entry in ENTRIES:
        for start in entry.rows:
            of_section = [row for row in answered if row.section == entry.section]
            matching = [row for row in of_section if row.name == start]
            matching = matching or [row for row in of_section if row.text.startswith(start)]
            assert len(matching) == 1, f"{entry.id}: {start!r} begins {len(matching)} rows of {entry.section}"
            answered[matching[0]].append(entry.id)
    total = collections.Counter(row.section for row in answered)
    covered = collections.Counter(row.section for row, ids in answered.items() if ids)
    kinds = collections.Counter(entry.kind for entry in ENTRIES)
    with capsys.disabled():
        print(f"\nrows of the sheets with an answer: {covered.total()} of {total.total()}, by {len(ENTRIES)} entries")
        print("  " + ", ".join(f"{section} {covered[section]}/{count}" for section, count in total.items()))
        print("  " + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    record_property("rows", total.total())
    missing = [f"{row.section}: {row.text[:90]}" for row, ids in answered.items() if not ids]
    assert not missing, "rows without an answer:\n" + "\n".join(missing)


def test_every_entry_has_an_id_of_its_own() -> None:
    times = collections.Counter(entry.id for entry in ENTRIES)
    assert [name for name, count in times.items() if count > 1] == []


def test_tests_that_entries_name_exist() -> None:
    missing = []
    for entry in ENTRIES:
        for node in entry.given.get("shown_by", []):
            path, _, name = node.partition("::")
            functions = _functions(ROOT / path) if (ROOT / path).is_file() else set()
            if name not in functions:
                missing.append(f"{entry.id}: {node}")
    assert missing == []


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
