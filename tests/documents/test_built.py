"""The check of the built site sees what a reader without a network would miss."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.built import problems

ROOT = Path(__file__).parents[2]
ELSEWHERE = "https://cdn.example/x"


def _site(folder: Path, body: str, **files: str) -> Path:
    (folder / "index.html").write_text(f"<html><body>{body}</body></html>", "utf-8")
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, "utf-8")
    return folder


def test_a_self_contained_site_has_no_problem(tmp_path: Path) -> None:
    body = """
        <a href="https://kaapana.ai">a page elsewhere</a> <a href="mailto:a@b.example">mail</a>
        <a href="b.html#there">inside</a> <a href="#here">here</a> <a href="#">top</a> <p id="here"></p>
        <link rel="canonical" href="https://docs.example/"> <link rel="stylesheet" href="a.css?v=1">
        <img src="data:image/png;base64,AAAA"> <script src="a.js"></script>
    """
    files = {
        "b_html": '<p id="there"></p>',
        "a_css": "/* url(https://cdn.example/x) */ p { background: url(data:image/svg+xml,x) }",
        "a_js": 'document.createElementNS("http://www.w3.org/2000/svg", "g") // see https://docs.example/x',
    }
    assert problems(_site(tmp_path, body, **files)) == []


@pytest.mark.parametrize(
    "body",
    [
        f'<script src="{ELSEWHERE}"></script>',
        '<script src="//cdn.example/x"></script>',
        f"<script>fetch('{ELSEWHERE}')</script>",
        f'<link rel="stylesheet" href="{ELSEWHERE}">',
        f'<link rel="preconnect" href="{ELSEWHERE}">',
        f'<link href="{ELSEWHERE}">',
        f'<img src="{ELSEWHERE}">',
        f'<img srcset="data:, 1x, {ELSEWHERE} 2x">',
        f'<video poster="{ELSEWHERE}"></video>',
        f'<iframe src="{ELSEWHERE}"></iframe>',
        f'<object data="{ELSEWHERE}"></object>',
        f'<svg><image href="{ELSEWHERE}"></image></svg>',
        f'<base href="{ELSEWHERE}">',
        f'<form action="{ELSEWHERE}"></form>',
        f'<p style="background: url({ELSEWHERE})">',
        f"<style>@import '{ELSEWHERE}';</style>",
        f'<meta http-equiv="refresh" content="0; url={ELSEWHERE}">',
    ],
)
def test_a_resource_of_another_host_in_a_page_is_a_problem(tmp_path: Path, body: str) -> None:
    found = problems(_site(tmp_path, body))
    assert len(found) == 1
    assert "cdn.example/x" in found[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a_css", f"@import url({ELSEWHERE});"),
        ("a_css", f"@font-face {{ src: url('{ELSEWHERE}') }}"),
        ("a_js", f'import("{ELSEWHERE}")'),
        ("a_js", f"new WebSocket(`{ELSEWHERE.replace('https', 'wss')}`)"),
    ],
)
def test_a_resource_of_another_host_in_a_file_is_a_problem(tmp_path: Path, name: str, text: str) -> None:
    found = problems(_site(tmp_path, "", **{name: text}))
    assert len(found) == 1
    assert "cdn.example/x" in found[0]


@pytest.mark.parametrize(
    "body",
    [
        '<a href="missing.html">x</a>',
        '<a href="b.html#nowhere">x</a>',
        '<a href="#nowhere">x</a>',
        '<a href="/b.html">works on the root of a host only</a>',
        '<a href="../b.html">out of the site</a>',
        '<img src="missing.png">',
        '<link rel="stylesheet" href="missing.css">',
        '<script src="missing.js"></script>',
    ],
)
def test_a_dangling_link_is_a_problem(tmp_path: Path, body: str) -> None:
    assert len(problems(_site(tmp_path, body, b_html="<p></p>"))) == 1


def test_the_command_prints_the_problems_and_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.documents.built", str(tmp_path)]
    empty = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (empty.returncode, "has no index.html" in empty.stderr) == (1, True)
    _site(tmp_path, "fine")
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
