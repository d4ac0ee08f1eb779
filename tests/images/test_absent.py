"""The error of a program that imports modules that the base images lack; with this machine's interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.images import catalogue

ABSENT = catalogue.HERE / "base-python-cpu" / "absent"


def python(folder: Path, code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run code where the folder is a place for modules, with nothing else that is installed."""
    shutil.copytree(ABSENT, folder, dirs_exist_ok=True)
    start = f"import site; site.addsitedir({str(folder)!r})\n"
    command = [sys.executable, "-I", "-S", "-c", start + code]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environ})


@pytest.mark.parametrize("code", ["import torch", "from torch import nn", "import torchvision.models"])
def test_an_import_says_that_it_is_left_out_and_what_to_set(tmp_path: Path, code: str) -> None:
    last = python(tmp_path, code).stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: No module named 'torch")
    assert "KAAPANA_HARNESS_TORCH_INDEX" in last
    assert "base-images" in last


@pytest.mark.parametrize(
    "code",
    [
        "import importlib.util; print(importlib.util.find_spec('torch'))",
        "try:\n    import torch\nexcept ImportError as error:\n    print(error.name and None)",
        "import pkgutil; print(pkgutil.find_loader('torch')) if hasattr(pkgutil, 'find_loader') else print(None)",
    ],
)
def test_an_optional_module_is_reported_as_missing(tmp_path: Path, code: str) -> None:
    ended = python(tmp_path, code)
    assert (ended.stdout, ended.returncode) == ("None\n", 0), ended.stderr


def test_another_missing_module_raises_the_usual_error(tmp_path: Path) -> None:
    assert python(tmp_path, "import torchio").stderr.endswith("ModuleNotFoundError: No module named 'torchio'\n")


def test_an_image_may_leave_out_more(tmp_path: Path) -> None:
    ended = python(tmp_path, "import nnunetv2", KAAPANA_HARNESS_LEFT_OUT="nnunetv2 other")
    assert "No module named 'nnunetv2': the platform's base image has it" in ended.stderr


def test_a_package_that_an_author_installs_is_found(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("__version__ = '2.7.1'\n")
    assert python(tmp_path, "import torch; print(torch.__version__)").stdout == "2.7.1\n"
