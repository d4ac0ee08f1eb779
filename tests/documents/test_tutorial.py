"""A reader who has only the tutorial gets from an empty folder to the picture of a failed assertion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import html

from harness import extension
from harness.bootstrap.browser import PROGRAMS
from harness.doctor.facts import EngineFacts
from harness.platform import helm
from tests.documents.pages import DOCS, blocks
from tests.documents.reader import Reader
from tests.platform.test_examples import findings_of
from tests.report.browser import Shown, started

PAGE = blocks("tutorial.md")
CLONE = "path/to/kaapana-harness"
IMAGES = os.environ.get("KAAPANA_TEST_IMAGES", "")
"""Folder that the picture of the page is written to."""
# the picture shows no path of the machine that made it
_WITHOUT_FOLDER = """folder => document.querySelectorAll('pre').forEach(
    element => element.textContent = element.textContent.replaceAll(folder, ''))"""
_VIEWPORT = {"width": 1180, "height": 1490}
_BELOW_LEGEND_PX = 24


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The files of the page as they are first written."""
    for block in reversed(PAGE):
        if block.file is not None:
            (tmp_path / block.file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.file).write_text(block.text, "utf-8")
    return tmp_path


def test_its_files_are_an_extension_without_findings(written: Path, tmp_path: Path) -> None:
    source = extension.read(written / "my-extension")
    assert [container.image for container in (source.dag_image, *source.processing_images)] == [
        "dag-brain-threshold",
        "brain-threshold",
    ]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert findings_of(written / "my-extension", helm.find(), scratch) == []


def test_the_test_of_its_reader_is_collected(written: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(written)]
    done = subprocess.run(command, cwd=written, capture_output=True, text=True, check=False)
    assert "test_it_sends_a_segmentation_of_the_brain" in done.stdout, done.stdout


def test_the_page_shows_the_picture_that_this_file_makes() -> None:
    assert "](images/tutorial-report.jpg)" in (DOCS / "tutorial.md").read_text("utf-8")
    assert (DOCS / "images/tutorial-report.jpg").is_file()


@pytest.fixture
def reader(usable_engine: EngineFacts, tmp_path: Path) -> Iterator[Reader]:
    """A reader of the page, whose environments end with the test."""
    root = str(DOCS.parent)
    reader = Reader(tmp_path, {CLONE: root}, {"KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state")})
    yield reader
    if shutil.which("kaapana-harness", path=str(tmp_path / "tutorial/.venv/bin")):
        reader.type("kaapana-harness down")


def test_a_reader_gets_from_nothing_to_the_picture_of_a_failure(reader: Reader, tmp_path: Path) -> None:
    understood = next(number for number, block in enumerate(PAGE) if "--out trial" in block.text)
    reader.read(PAGE[:understood])
    (report,) = reader.folder.glob("evidence/*/*/report.html")
    _look_at(report)
    reader.read(PAGE[understood:])


def _look_at(report: Path) -> None:
    """Check that the report shows the assertion and its picture; without a browser, that it has them."""
    page = html.document_fromstring(report.read_bytes())
    assert "dice of 'brain' is 0.4844" in page.text_content()
    assert page.xpath("//img[starts-with(@src, 'data:image/')]")
    if not any(map(shutil.which, PROGRAMS)):
        return
    with started() as browser, Shown(browser, report, viewport=_VIEWPORT) as shown:
        assert shown.page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        legend = shown.page.get_by_text("only in the truth", exact=True).first.bounding_box()
        assert legend is not None
        if IMAGES:
            shown.page.evaluate(_WITHOUT_FOLDER, f"{report.parents[3]}/")
            # the picture ends below the legend of the slices, which lies lower where paths are longer
            height = legend["y"] + legend["height"] + _BELOW_LEGEND_PX
            clip = {"x": 0, "y": 0, "width": _VIEWPORT["width"], "height": height}
            path = Path(IMAGES, "tutorial-report.jpg")
            shown.page.screenshot(path=path, full_page=True, clip=clip, type="jpeg", quality=80)
