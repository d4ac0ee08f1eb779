"""The page of a real environment, used as an author does; ``python -m tests.page.visit`` makes its picture again.

The picture is ``docs/images/page.jpg``. It takes an engine, and a browser.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import Kaapana
from harness.platform import ownership
from harness.settings import Settings
from harness.settings.variables import STATE_DIR
from tests.report.browser import started

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs/images/page.jpg"
EXTENSION = ROOT / "scenarios/otsus-method/extension"
DAG = "otsus-method"
VIEWPORT = {"width": 1180, "height": 1120}
_RUN_MS = 300_000
# what a row of the table of tasks has shown, as it did
_WATCH = """() => {
  window.seen = {};
  const note = () => document.querySelectorAll("tr[data-task]").forEach((row) => {
    const state = row.querySelector(".state").textContent.trim().split(/\\s+/).pop();
    const states = window.seen[row.dataset.task] ??= [];
    if (states.at(-1) !== state) states.push(state);
  });
  note();
  new MutationObserver(note).observe(document.querySelector("[data-part]"), { childList: true, subtree: true });
}"""


@contextlib.contextmanager
def left_running() -> Iterator[Settings]:
    """An environment that was left running with the extension installed; it is ended at the end.

    The ledger is that of the settings: a caller that is not to meet other environments names one of its own.
    """
    settings = Settings(reuse=True)
    try:
        with Kaapana.open(settings) as kaapana:
            kaapana.install(EXTENSION)
        yield settings
    finally:
        ownership.down(settings.state)


@contextlib.contextmanager
def page_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the address that it has printed; the reports lie in ``folder``."""
    command = [sys.executable, "-m", "harness.cli", "page", "--report", str(folder)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def start_and_follow(page: Any, picture: Path) -> dict[str, list[str]]:
    """Start a run from the form, look at it until its end, open its report; the states that each task has shown.

    Args:
        page: of the browser, on the page of the environment.
        picture: where its picture is written.
    """
    page.get_by_role("link", name=f"Start a run of {DAG}").click()
    page.locator("button[type=submit]:enabled").wait_for()
    page.get_by_label("Sample series").select_option("brain_mr")
    page.locator("#fields").get_by_label("bins").fill("64")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/run?**")
    page.locator("#live", has_text="live").wait_for()
    page.evaluate(_WATCH)
    page.get_by_role("button", name=f"Log of {DAG}").click(timeout=_RUN_MS)
    page.locator("#log-text", has_text="64 histogram bins").wait_for(timeout=_RUN_MS)
    page.get_by_role("link", name="Open the report").wait_for(timeout=_RUN_MS)
    states: dict[str, list[str]] = page.evaluate("window.seen")
    run = page.url
    page.goto(page.url.partition("/run")[0] + "/")
    page.locator("#received").get_by_text("Segmentation Storage").wait_for()
    page.locator("#received img").first.evaluate("image => image.decode()")
    page.locator("#results").get_by_text("otsus-report.html").wait_for()
    page.screenshot(path=picture, type="jpeg", quality=80)
    page.goto(run)
    page.get_by_role("link", name="Open the report").click()
    page.get_by_text("Run report").wait_for()
    return states


def main() -> None:
    """Make the picture of the documents."""
    with tempfile.TemporaryDirectory() as folder, started() as browser:
        os.environ[STATE_DIR.name] = f"{folder}/state"
        with left_running(), page_process(Path(folder) / "reports") as (_, address):
            page = browser.new_page(viewport=VIEWPORT)
            page.goto(address)
            start_and_follow(page, PICTURE)
    print(PICTURE, file=sys.stderr)


if __name__ == "__main__":
    main()
