"""The page as people see and use it: pictures, keys, dark and paper, and nothing that leaves the file."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import report
from harness.data import Series
from harness.findings import Finding
from harness.report import outcomes, volume
from harness.report.outcomes import RecordedQuestion, TestOutcome
from harness.report.overlay import choose_colour
from harness.report.stills import BOTH, ONLY_RESULT, ONLY_TRUTH
from harness.report.volume import Deadline
from harness.run.course import Course
from harness.run.results import Cause, Run
from tests.checks.made_series import SHAPE
from tests.report import screenshots
from tests.report.browser import Listener, Shown, started
from tests.report.made_runs import make_run, waited
from tests.waiting import until

# what encoding and blending may change a colour by, of 255
TOLERANCE = 3
OPACITY = 0.5

Picture = NDArray[np.float32]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # no longer than for this module: its loop would be in the way of tests that run one of their own
    with started() as found:
        yield found


def _rgb(shade: str) -> NDArray[np.float32]:
    return np.array([int(shade[at : at + 2], 16) for at in (1, 3, 5)], np.float32)


def _expected(series: Series, index: int, masks: list[tuple[Any, str]]) -> Picture:
    """A slice as the viewer has to show it, made here from the files and the masks."""
    grey = volume.read(series, Deadline(60)).pixels[index].astype(np.float32)
    picture = np.repeat(grey[..., np.newaxis], 3, axis=-1)
    for mask, shade in masks:
        plane = mask[index]
        picture[plane] = grey[plane][:, np.newaxis] * (1 - OPACITY) + _rgb(shade) * OPACITY
    return picture


def _agree(shown: NDArray[np.uint8], expected: Picture) -> bool:
    return bool(np.abs(shown.astype(np.float32) - expected).max() <= TOLERANCE)


def _layers(masks: dict[str, Any]) -> list[tuple[Any, str]]:
    return [(mask, choose_colour(number)) for number, mask in enumerate(masks.values())]


def test_the_viewer_shows_every_slice_with_every_voxel(
    browser: Any, sending: Callable[..., Run], masks: dict[str, Any], series: Series
) -> None:
    with Shown(browser, report.write(sending(masks)).path) as shown:
        shown.open_viewer()
        shown.plane(0).press("Home")
        for index in range(SHAPE[0]):
            assert shown.state.startswith(f"{index} ")
            assert _agree(shown.voxels(0, *SHAPE[1:]), _expected(series, index, _layers(masks)))
            shown.plane(0).press("ArrowUp")
        box = shown.plane(0).bounding_box()
        assert box["width"] > 200
        assert box["height"] > 200
        assert not shown.page.locator("img.still").first.is_visible()
        assert shown.errors == []


def test_one_changed_voxel_is_seen_in_the_viewer(
    browser: Any, sending: Callable[..., Run], masks: dict[str, Any], series: Series
) -> None:
    expected = _expected(series, 2, _layers(masks))
    changed = {label: mask.copy() for label, mask in masks.items()}
    changed["Liver"][2, 7, 2] = False
    with Shown(browser, report.write(sending(changed)).path) as shown:
        shown.open_viewer()
        for key in ("Home", "ArrowUp", "ArrowUp"):
            shown.plane(0).press(key)
        assert not _agree(shown.voxels(0, *SHAPE[1:]), expected)
        assert _agree(shown.voxels(0, *SHAPE[1:]), _expected(series, 2, _layers(changed)))


def test_a_hidden_overlay_is_seen(
    browser: Any, sending: Callable[..., Run], masks: dict[str, Any], series: Series
) -> None:
    with Shown(browser, report.write(sending(masks)).path) as shown:
        shown.open_viewer()
        shown.page.get_by_label("shown", exact=True).uncheck()
        assert shown.state == "2 4 2 none"
        assert not _agree(shown.voxels(0, *SHAPE[1:]), _expected(series, 2, _layers(masks)))
        assert _agree(shown.voxels(0, *SHAPE[1:]), _expected(series, 2, []))


def test_the_planes_across_the_slices_show_the_same_voxels(
    browser: Any, sending: Callable[..., Run], masks: dict[str, Any]
) -> None:
    with Shown(browser, report.write(sending(masks)).path) as shown:
        shown.open_viewer()
        row, column = 4, 2
        # the head is on top: slices of this series ascend to it
        across_rows = shown.voxels(1, SHAPE[0], SHAPE[2])[::-1]
        across_columns = shown.voxels(2, SHAPE[0], SHAPE[1])[::-1]
    liver = masks["Liver"]
    tinted_rows = across_rows.max(axis=-1).astype(int) - across_rows.min(axis=-1)
    tinted_columns = across_columns.max(axis=-1).astype(int) - across_columns.min(axis=-1)
    assert ((tinted_rows > 30) == (liver | masks["Tumour"])[:, row]).all()
    assert ((tinted_columns > 30) == (liver | masks["Tumour"])[:, :, column]).all()


def test_keys_scroll_hide_and_compare(
    browser: Any, sending: Callable[..., Run], masks: dict[str, Any], series: Series
) -> None:
    run = sending(masks)
    truth = masks["Liver"].copy()
    truth[2, 2, 1], truth[2, 0, 0] = False, True
    (run.directory / "truth").mkdir()
    np.savez_compressed(run.directory / "truth/1.npz", mask=truth)
    question = RecordedQuestion("sent/1.2.1.dcm", "dice", "0.97", "Liver", "truth/1.npz")
    outcomes.write(run.directory, [TestOutcome("test_it", "failed", "too low", (question,))])
    with Shown(browser, report.write(run).path) as shown:
        shown.open_viewer()
        assert shown.state.startswith("2 ")
        assert shown.state.endswith("differences 0")
        liver = masks["Liver"]
        differing = [(liver & truth, BOTH), (liver & ~truth, ONLY_RESULT), (truth & ~liver, ONLY_TRUTH)]
        assert _agree(shown.voxels(0, *SHAPE[1:]), _expected(series, 2, differing))
        plane = shown.plane(0)
        plane.press("d")
        assert shown.state.endswith("segments")
        plane.press("1")
        assert _agree(shown.voxels(0, *SHAPE[1:]), _expected(series, 2, _layers(masks)[1:]))
        plane.press("1")
        plane.press("o")
        assert shown.state.endswith("none")
        plane.press("o")
        for key, slice_ in (
            ("End", 5),
            ("ArrowDown", 4),
            ("PageDown", 0),
            ("ArrowRight", 1),
            ("PageUp", 5),
            ("Home", 0),
        ):
            plane.press(key)
            assert plane.get_attribute("aria-valuenow") == str(slice_ + 1)
        assert plane.get_attribute("aria-valuetext") == "axial 1 of 6, RA at the left, AL at the top"
        shown.page.get_by_role("combobox").select_option("truth 0")
        plane.press("ArrowUp")
        plane.press("ArrowUp")
        assert _agree(shown.voxels(0, *SHAPE[1:]), _expected(series, 2, [(truth, BOTH)]))


def test_a_click_leads_the_other_planes_to_the_voxel(
    browser: Any, sending: Callable[..., Run], masks: dict[str, Any]
) -> None:
    with Shown(browser, report.write(sending(masks)).path) as shown:
        shown.open_viewer()
        size = shown.plane(0).evaluate("c => [c.clientWidth, c.clientHeight, c.width, c.height]")
        scale = min(size[0] / size[2], size[1] / size[3])
        left, top = (size[0] - size[2] * scale) / 2, (size[1] - size[3] * scale) / 2
        # the middle of row 7, column 5
        x, y = left + size[2] * scale * 5.5 / SHAPE[2], top + size[3] * scale * 7.5 / SHAPE[1]
        shown.plane(0).click(position={"x": x, "y": y})
        assert shown.state.startswith("2 7 5 ")


HOSTILE = [
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 1">',
    "\u202egnp.exe",
    "\u05e9" * 40,
]


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 10_000], ids=range(5))
def test_untrusted_names_stay_text_and_do_not_break_the_page(
    browser: Any, tmp_path: Path, sending: Callable[..., Run], masks: dict[str, Any], name: str
) -> None:
    def rename(dataset: Any) -> None:
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.SegmentSequence[0].SegmentLabel = dataset.SeriesDescription = name

    sent = sending(masks, change=rename)
    run = make_run(
        tmp_path / "run",
        name=name,
        tasks={name: "failed"},
        cause=Cause(name, name, name, name),
        findings=[Finding(name, "warning", name, name, name)],
        went=Course((waited(name, (name,), 0, 1, 2, 3, 4),)),
        sent=[(sent.sent[0].sop_class, sent.sent[0].file)],
        sources=sent.sent.sources,
    )
    with Shown(browser, report.write(run).path) as shown:
        shown.open_viewer()
        assert shown.page.evaluate("window.hacked") is None
        assert shown.errors == []
        text = shown.page.locator("h1 bdi").inner_text()
        assert text == name.replace("\u202e", "\\u202e")
        # wide content scrolls within its own box
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert shown.page.locator(".layers li bdi").first.inner_text() == text[:300]


def _evil(address: str) -> bytes:
    return (
        f"<html><head><link rel=preconnect href={address}><link rel=stylesheet href={address}/a.css>"
        f"<meta http-equiv=refresh content='0;url={address}/b'><base href={address}/>"
        f"<style>@import '{address}/c.css'; body {{ background: url({address}/d.png) }}</style></head>"
        f"<style>i {{ background: \\75rl({address}/m.png) }}</style><i>x</i>"
        f"<body><img src={address}/e.png><script>fetch('{address}/f'); parent.hacked = 1</script><p>Words</p>"
        f"<iframe src={address}/g></iframe><a id=go href='{address}/h'>go</a>"
        f"<video src={address}/i></video><object data={address}/j></object>"
        f"<form action={address}/k><input type=submit id=send></form>"
        f"<svg><image href='{address}/l'/></svg></body></html>"
    ).encode()


def test_nothing_leaves_the_file_whatever_a_stored_report_wants(
    browser: Any, tmp_path: Path, sending: Callable[..., Run], masks: dict[str, Any]
) -> None:
    listener = Listener()
    try:
        # the listener hears a page that may do so
        plain = tmp_path / "plain.html"
        plain.write_bytes(_evil(listener.address))
        with Shown(browser, plain, loaded=False):
            until(listener.was_called)
        while listener.was_called():
            pass
        sent = sending(masks)
        run = make_run(
            tmp_path / "run",
            objects={"staticwebsiteresults/evil.html": _evil(listener.address)},
            sent=[(sent.sent[0].sop_class, sent.sent[0].file)],
            sources=sent.sent.sources,
            logs={"otsus-method": f"see {listener.address}\n"},
        )
        with Shown(browser, report.write(run).path) as shown:
            shown.open_viewer()
            frame = shown.page.locator("iframe")
            frame.scroll_into_view_if_needed()
            inner = shown.page.frame_locator("iframe")
            assert inner.locator("p").inner_text() == "Words"
            inner.locator("#go").click()
            inner.locator("#send").click()
            shown.page.locator("#search").fill("see")
            shown.page.get_by_text("1 line", exact=True).wait_for()
            assert shown.page.evaluate("window.hacked") is None
            # what is written in escapes the policy refuses, before anything is sent
            outside = [url for url in shown.requests if not url.startswith(("file:", "data:", "blob:", "about:"))]
            assert set(outside) <= {f"{listener.address}/m.png"} & set(shown.refused)
            assert len([url for url in shown.requests if url.startswith("file:")]) == 1
            assert inner.locator("p").inner_text() == "Words"
        assert not listener.was_called()
    finally:
        listener.close()


@pytest.fixture
def failed(tmp_path: Path, sending: Callable[..., Run], masks: dict[str, Any]) -> Path:
    """The report of a failed run with everything in it."""
    sent = sending(masks)
    run = make_run(
        tmp_path / "whole",
        tasks={"get-input": "success", "otsus-method": "failed"},
        logs={"get-input": "fine\n", "otsus-method": "one\nKeyError: 'BINS'\n" + "rest\n" * 200},
        objects={"staticwebsiteresults/a.html": b"<p>Words", "a.csv": b"a,b\n1,2\n", "b.json": b"{}"},
        cause=Cause("otsus-method", "exit code 1: KeyError: 'BINS'", "Traceback", "set it"),
        findings=[Finding("ignored-argument", "warning", "otsus-method", "ignored", "use env_vars")],
        went=Course(
            (waited("get-input", (), 0, 1, 2, 3, 4), waited("otsus-method", ("get-input",), 4, 5, 6, 9, 10)),
            (),
            ("KeyError: 'BINS'",),
        ),
        sent=[(sent.sent[0].sop_class, sent.sent[0].file)],
        sources=sent.sent.sources,
    )
    return report.write(run).path


def test_the_page_has_landmarks_one_first_heading_and_words_for_every_picture(browser: Any, failed: Path) -> None:
    with Shown(browser, failed) as shown:
        page = shown.page
        for role in ("banner", "main", "navigation", "contentinfo"):
            assert page.get_by_role(role).count() == 1, role
        levels = page.eval_on_selector_all("h1,h2,h3,h4", "all => all.map(one => Number(one.tagName[1]))")
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        assert page.locator("img:not([alt])").count() == 0
        assert page.locator("svg[role=img]:not([aria-label])").count() == 0
        # what scrolls can be scrolled by keys
        unreachable = "all => all.filter(one => one.scrollHeight > one.clientHeight + 1 && one.tabIndex < 0).length"
        assert page.eval_on_selector_all("pre, .scroll, bdi.long", unreachable) == 0
        ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
        assert len(ids) == len(set(ids))
        broken = "all => all.filter(one => !document.getElementById(one.hash.slice(1))).length"
        assert page.eval_on_selector_all("a[href^='#']", broken) == 0


def test_the_first_key_skips_to_the_content_and_the_cause_leads_to_its_line(browser: Any, failed: Path) -> None:
    with Shown(browser, failed) as shown:
        shown.page.keyboard.press("Tab")
        assert shown.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        shown.page.get_by_role("link", name="The line in the log of otsus-method").click()
        assert shown.page.locator("#cause-line").is_visible()
        assert "KeyError" in shown.page.locator("#cause-line").inner_text()


def test_without_script_all_text_and_pictures_are_shown(browser: Any, failed: Path) -> None:
    with Shown(browser, failed, java_script_enabled=False) as shown:
        page = shown.page
        assert page.locator("#cause").inner_text().startswith("Why it failed")
        assert page.locator("img.still").first.is_visible()
        assert page.locator("#cause-line").is_visible()
        assert page.get_by_role("button").count() == 0
        assert not page.locator("#search").is_visible()
        for section in ("sent", "timeline", "results", "findings", "logs", "conditions"):
            assert page.locator(f"#{section}").is_visible()


def _luminance(shade: str) -> float:
    parts = [int(part) / 255 for part in shade.partition("(")[2].rstrip(")").split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_the_light_and_in_the_dark(browser: Any, failed: Path, scheme: str) -> None:
    program = """all => all.filter(one => one.textContent.trim() && one.checkVisibility()).map(one => {
        let below = one;
        const clear = (one) => getComputedStyle(one).backgroundColor === "rgba(0, 0, 0, 0)";
        while (clear(below) && below.parentElement) below = below.parentElement;
        return [getComputedStyle(one).color, getComputedStyle(below).backgroundColor, one.textContent.slice(0, 40)];
    })"""
    with Shown(browser, failed, color_scheme=scheme) as shown:
        found = shown.page.eval_on_selector_all("p, li, td, th, h1, h2, h3, pre, .state, a, summary, mark", program)
        paper = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (_luminance(paper) < 0.2) == (scheme == "dark")
    poor = []
    for text, below, words in found:
        light, dark = sorted((_luminance(text), _luminance(below)), reverse=True)
        if (light + 0.05) / (dark + 0.05) < 4.5:
            poor.append((words, text, below))
    assert found
    assert poor == []


def test_the_pictures_of_the_documents_can_be_made_and_are_shown(browser: Any, tmp_path: Path) -> None:
    made = screenshots.make(browser, tmp_path, tmp_path)
    document = (screenshots.FOLDER.parent / "writing-tests.md").read_text("utf-8")
    for picture in made:
        assert picture.stat().st_size > 10_000
        assert (screenshots.FOLDER / picture.name).is_file()
        assert f"](images/{picture.name})" in document


def test_on_paper_everything_is_printed_without_cuts(browser: Any, failed: Path) -> None:
    with Shown(browser, failed) as shown:
        shown.open_viewer()
        shown.page.emulate_media(media="print")
        assert shown.page.locator("img.still").first.is_visible()
        for gone in ("nav", ".viewer", ".search"):
            assert not shown.page.locator(gone).first.is_visible()
        cut = "all => all.filter(one => one.checkVisibility() && one.scrollHeight > one.clientHeight + 2).length"
        assert shown.page.eval_on_selector_all("pre", cut) == 0
        shown.page.set_viewport_size({"width": 760, "height": 1000})
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 760


def test_a_narrow_window_needs_no_scrolling_sideways(browser: Any, failed: Path) -> None:
    with Shown(browser, failed, viewport={"width": 360, "height": 800}) as shown:
        shown.open_viewer()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
