"""dcmqi's own programs: find them, and read their error messages."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from harness.incluster.programs.common import ProgramError


def executable(command: str) -> str:
    """Return dcmqi's program itself: the console script of its package starts a second interpreter first."""
    package = importlib.util.find_spec("dcmqi")
    if package and package.origin:
        program = Path(package.origin).with_name("bin") / command
        if program.is_file():
            return str(program)
    program_on_path = shutil.which(command)
    if not program_on_path:
        raise ProgramError(f"the program {command} of dcmqi is not installed in this image")
    return program_on_path


def cause_of(output: str, status: int) -> str:
    """Return the line of dcmqi's output with the error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if line != "Fatal error encountered."]
    errors = [line for line in lines if "error" in line.lower() or "fail" in line.lower()]
    return (errors or lines or [f"exit status {status}"])[-1]
