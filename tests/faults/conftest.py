"""Extensions with one thing wrong, derived from the small extension beside this file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EXTENSION = Path(__file__).parent / "extension"


@pytest.fixture
def faults_extension(tmp_path: Path) -> Path:
    """A copy of the small extension that a test may damage."""
    return Path(shutil.copytree(EXTENSION, tmp_path / "faults"))


@pytest.fixture(scope="session")
def sound_extension() -> Path:
    """The small extension as it is."""
    return EXTENSION


@pytest.fixture
def patient_extension(faults_extension: Path) -> Path:
    """The small extension with much memory and time, for what is to be ended by something else."""
    operator = faults_extension / "extension/docker/files/faults/FaultyOperator.py"
    text = operator.read_text().replace("ram_mem_mb_lmt=80", "ram_mem_mb_lmt=6000")
    operator.write_text(text.replace("timedelta(seconds=15)", "timedelta(seconds=300)"))
    return faults_extension
