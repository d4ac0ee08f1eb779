"""The entry point that all programs share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.incluster.programs import __main__ as entry
from harness.incluster.programs.common import ProgramError, RunFolder
from harness.wire.names import PLATFORM_IMAGES

ROOT = Path(__file__).parents[3]


def test_there_is_a_program_for_every_image_of_the_platform():
    assert set(entry.PROGRAMS) == set(PLATFORM_IMAGES)


def test_an_unknown_program_is_refused_with_the_known_ones():
    done = subprocess.run(
        [sys.executable, "-m", "harness.incluster.programs", "dcm2nii"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "get-input" in done.stderr


def test_an_unexpected_error_ends_with_its_cause_in_the_last_line(monkeypatch, capsys):
    def broken() -> None:
        raise KeyError("voxel")

    monkeypatch.setattr("harness.incluster.programs.workflow_cleaner.main", broken)
    assert entry.run("workflow-cleaner") == 1
    assert capsys.readouterr().err.splitlines()[-1] == "FAILED workflow-cleaner: KeyError: 'voxel'"


@pytest.mark.parametrize("module", ["service_checker", "workflow_cleaner", "get_input", "minio_operator", "dcmsend"])
def test_a_program_does_not_import_the_heavy_libraries_before_it_needs_them(module):
    code = f"import sys, harness.incluster.programs.__main__, harness.incluster.programs.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"numpy", "pydicom", "SimpleITK", "minio", "requests", "pydantic", "opensearchpy"}
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize(
    ("text", "cause"),
    [(None, "cannot be read"), ("{", "is not JSON"), ("[]", "is not a JSON object")],
)
def test_a_configuration_that_cannot_be_used_is_a_failure(tmp_path, text, cause):
    if text is not None:
        (tmp_path / "conf").mkdir()
        (tmp_path / "conf" / "conf.json").write_text(text)
    with pytest.raises(ProgramError, match=cause):
        RunFolder(tmp_path, "batch").conf()


def test_elements_are_folders_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a"):
        (tmp_path / "batch" / name).mkdir(parents=True)
    (tmp_path / "batch" / "note.txt").write_text(json.dumps({}))
    assert [path.name for path in RunFolder(tmp_path, "batch").elements()] == ["a", "b"]
