"""Reports about old files, files of several extensions, and files that went with another extension."""

from __future__ import annotations

import dataclasses

from harness.findings.installing import EXTENSION_NOTE
from harness.platform import airflow_leftovers
from harness.platform.airflow_client import DagBag
from harness.platform.dags import Dags
from harness.platform.manifests import Rendered
from harness.platform.notes import Note
from harness.platform.releases import HelmRelease

NO_FORMS = EXTENSION_NOTE.report("a", "has no ui_forms: users cannot choose a dataset")
SHARED = "dags/pyradiomics/PyRadiomicsOperator.py"


def release(name: str, files: dict[str, str], left: tuple[str, ...] = ()) -> HelmRelease:
    note = Note("same", Dags((name,), (name,), (NO_FORMS,)), files, left)
    return HelmRelease(name, name, "1.0.0", "deployed", Rendered((), ()), {}, note.text())


def test_a_note_is_read_as_written_and_other_text_is_not_a_note() -> None:
    noted = release("a", {"dags/a.py": "1"}, ("dags/old.py",))
    note = Note.of(noted)
    assert note == Note("same", Dags(("a",), ("a",), (NO_FORMS,)), {"dags/a.py": "1"}, ("dags/old.py",))
    for text in ("Install complete", "[]", "{}", '{"dags": 1}'):
        assert Note.of(dataclasses.replace(noted, note=text)) is None


def test_existing_files_that_no_extension_owns_are_stale() -> None:
    installed = [release("a", {}), release("b", {"dags/moved.py": ""})]
    present = {"dags/old.py": "1", "dags/moved.py": "2", "dags/strange.py": "3"}
    assert airflow_leftovers.find_left("a", ["dags/old.py", "dags/moved.py", "dags/gone.py"], installed, present) == [
        "dags/old.py"
    ]


def test_an_old_file_is_named_with_the_dag_that_is_still_offered() -> None:
    bag = DagBag({"old": {"fileloc": "/kaapana/mounted/workflows/dags/old.py"}}, {})
    finding = airflow_leftovers.report_stale("a", ["dags/old.py"], bag)
    assert (finding.rule, finding.where) == ("stale-dag-file", "dags/old.py")
    assert "its DAG old" in finding.message
    finding = airflow_leftovers.report_stale("a", ["dags/x/helper.py"], bag)
    assert "DAG" not in finding.message


def test_a_shared_file_and_one_that_was_overwritten_are_named_as_such() -> None:
    installed = [
        release("same", {SHARED: "1", "dags/same.py": "9"}),
        release("changed", {SHARED: "2"}),
        release("else", {"dags/else.py": "3"}),
        dataclasses.replace(release("broken", {}), note="Install complete"),
    ]
    findings = airflow_leftovers.find_clashes("new", {SHARED: "1", "dags/new.py": "4"}, installed)
    assert [(finding.where, finding.message.partition(";")[0]) for finding in findings] == [
        (SHARED, "same installs this too, with the same content"),
        (SHARED, "changed installs this too, with other content, which was overwritten now"),
    ]


def test_an_extension_does_not_clash_with_itself() -> None:
    assert airflow_leftovers.find_clashes("a", {SHARED: "1"}, [release("a", {SHARED: "2"})]) == []


def test_a_removal_names_what_stays_and_what_others_have_lost() -> None:
    removed = release("a", {SHARED: "1", "dags/a.py": "2", "dags/both.py": "3"}, ("dags/old.py",))
    others = [release("b", {SHARED: "1", "dags/both.py": "3"}), release("c", {"dags/c.py": "4"})]
    present = {"dags/a.py": "2", "dags/old.py": "5", "dags/both.py": "3", "dags/c.py": "4"}
    stays, lost = airflow_leftovers.check_removal(removed, others, present)
    assert (stays.rule, stays.where) == ("stale-dag-file", "dags/a.py, dags/old.py")
    assert (lost.rule, lost.severity, lost.where) == ("file-clash", "error", SHARED)
    assert "belongs to b" in lost.message


def test_a_clean_removal_has_no_findings() -> None:
    assert (
        airflow_leftovers.check_removal(release("a", {"dags/a.py": "2"}), [release("b", {"dags/b.py": "1"})], {}) == ()
    )
