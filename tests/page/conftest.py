"""The page of a fake environment, and a visitor that requests it as a browser does."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from harness.common.redaction import REDACTOR
from harness.page.server import open_page
from tests.page.fake_environment import PASSWORD, FakeEnvironment


class Visitor:
    """A browser that may or may not have opened the page's address yet."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.base = f"http://{parts.netloc}"
        self.host = parts.netloc
        self.path = f"{parts.path}?{parts.query}"
        self.client = httpx.Client(base_url=self.base, trust_env=False, timeout=30)

    def enter(self) -> httpx.Response:
        """Exchange the token."""
        return self.client.get(self.path)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def text(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    @contextlib.contextmanager
    def events(self, path: str) -> Iterator[Iterator[tuple[str, str]]]:
        """Yield the kinds and texts of a stream of events."""
        with self.client.stream("GET", path) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    kind, until = "", time.monotonic() + 60
    for line in lines:
        # a stream that says nothing else says that it is there
        assert time.monotonic() < until, "what was waited for has not come"
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))


def plain(html: str) -> str:
    """The text of HTML that has no tags in its texts."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEnvironment]:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    REDACTOR.add(PASSWORD)
    environment = FakeEnvironment(tmp_path)
    yield environment
    environment.airflow.close()


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    return tmp_path / "kaapana-report"


@pytest.fixture
def served(environment: Any, evidence: Path) -> Iterator[str]:
    with open_page(environment, evidence) as address:
        yield address


@pytest.fixture
def newcomer(served: str) -> Visitor:
    """A visitor who has not exchanged the token yet."""
    return Visitor(served)


@pytest.fixture
def visitor(newcomer: Visitor) -> Visitor:
    assert newcomer.enter().status_code == 200
    return newcomer
