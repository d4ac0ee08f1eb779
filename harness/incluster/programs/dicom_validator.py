"""DICOM files against the standard (operators 6.21). The program of DcmValidatorOperator, with dciodvfy."""

from __future__ import annotations

import ast
import html
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from harness.incluster.programs.common import (
    ProgramError,
    RunFolder,
    flag,
    number,
    path_component,
    require,
    say,
    section,
)
from harness.incluster.programs.platform_client import PlatformClient

_TAG = re.compile(r"\([0-9a-f]{4},[0-9a-f]{4}\)", re.IGNORECASE)
_GROUP = "00000000 "


@dataclass
class ValidationResult:
    """What the validator says about an element."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, output: str, ignored: set[str]) -> None:
        """Add the lines of one file, without those that name an ignored tag; each text counts once."""
        for line in output.splitlines():
            kind, dash, text = line.partition(" - ")
            if not dash or any(tag.lower() in ignored for tag in _TAG.findall(line)):
                continue
            target = {"Error": self.errors, "Warning": self.warnings}.get(kind.strip())
            if target is not None and text not in target:
                target.append(text)

    def page(self, element: str, missing: list[int], numbers: list[int]) -> str:
        """Return the HTML page that the platform keeps beside the data."""
        rows = [("error", text) for text in self.errors] + [("warning", text) for text in self.warnings]
        items = "".join(f'<li class="{kind}">{kind}: {html.escape(text)}</li>' for kind, text in rows)
        return (
            f"<!DOCTYPE html><html><head><title>{html.escape(element)}</title></head><body>"
            f'<span class="item-count-label error">{len(self.errors)}</span>'
            f'<span class="item-count-label warning">{len(self.warnings)}</span>'
            f'<span class="missing-slices-list-label">{",".join(map(str, missing))}</span>'
            f'<span class="min-instance-number-label">{min(numbers)}</span>'
            f'<span class="max-instance-number-label">{max(numbers)}</span>'
            f"<ul>{items}</ul></body></html>"
        )


def _read_ignored_tags() -> set[str]:
    text = os.environ.get("TAGS_WHITELIST") or "[]"
    try:
        tags = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise ProgramError(f"TAGS_WHITELIST is {text[:80]!r}, expected a list of '(gggg,eeee)'") from None
    return {str(tag).lower() for tag in tags}


def _check(path: Path) -> str:
    try:
        done = subprocess.run(
            ["dciodvfy", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False
        )
    except FileNotFoundError:
        raise ProgramError("the program dciodvfy of dicom3tools is not installed in this image") from None
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{path.name}: dciodvfy has not finished after 30 s") from None
    return done.stdout.decode("utf-8", "replace")


def _instance_number(path: Path) -> tuple[str, int]:
    import pydicom

    dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID", "InstanceNumber"])
    if dataset.get("InstanceNumber") is None:
        raise ProgramError(f"{path.name} has no InstanceNumber")
    return str(dataset.SeriesInstanceUID), int(dataset.InstanceNumber)


def main() -> None:
    """Check every element, record the result in its index document, and write a page if there is a finding."""
    run = RunFolder.from_environment()
    algorithm = os.environ.get("VALIDATOR_ALGORITHM") or "dciodvfy"
    if algorithm != "dciodvfy":
        raise ProgramError(f"VALIDATOR_ALGORITHM {algorithm!r}: this image has dciodvfy only")
    ignored, fails = _read_ignored_tags(), flag("EXIT_ON_ERROR")
    index = str(section(run.conf(), "project_form").get("opensearch_index", ""))
    platform = PlatformClient()
    wrong = []
    for element, folder, output in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        files = sorted(folder.rglob("*.dcm"))
        if not files:
            say(f"{element.name}: no *.dcm, skipped")
            continue
        read = [_instance_number(path) for path in files]
        series, numbers = read[0][0], [place for _, place in read]
        missing = sorted(set(range(min(numbers), max(numbers) + 1)) - set(numbers))
        result = ValidationResult()
        with ThreadPoolExecutor(number("THREADS", 3, 1, 64)) as pool:
            for text in pool.map(_check, files):
                result.add(text, ignored)
        platform.update_document(
            index,
            series,
            {
                f"{_GROUP}IsSeriesComplete_boolean": not missing,
                f"{_GROUP}MinInstanceNumber_integer": min(numbers),
                f"{_GROUP}MaxInstanceNumber_integer": max(numbers),
                f"{_GROUP}MissingInstanceNumbers_integer": missing,
                "00111001 ValidationResults_object": {
                    "00111002 ValidationErrors_integer": len(result.errors),
                    "00111003 ValidationWarnings_integer": len(result.warnings),
                    "00111004 ValidationDate_datetime": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S.%f}",
                },
            },
        )
        if result.errors or result.warnings:
            name = path_component(f"results-{require('RUN_ID')}.html", "the name of the results")
            (output / name).write_text(result.page(element.name, missing, numbers), "utf-8")
        if result.errors:
            wrong.append(f"{element.name}: {result.errors[0]}")
        say(f"{element.name}: {len(files)} file(s), {len(result.errors)} error(s), {len(result.warnings)} warning(s)")
    if wrong and fails:
        raise ProgramError(f"{len(wrong)} element(s) have errors, the first: {wrong[0]}")
