"""The distribution's Chromium, driven by playwright; what it shows, and what it asks the network for."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.bootstrap.browser import PACKAGE, PROGRAMS


@contextlib.contextmanager
def started() -> Iterator[Any]:
    """A browser; the test is skipped without one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is installed (apt-get install {PACKAGE})")
    with sync_api.sync_playwright() as playwright:
        # its sandbox needs a user who is not root
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Shown:
    """A page in the browser.

    Args:
        browser: the browser.
        file: the page.
        loaded: whether to wait until all that it asks for has come.
        how: options of the browser's context.
    """

    def __init__(self, browser: Any, file: Path, *, loaded: bool = True, **how: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **how})
        self.page = self.context.new_page()
        self.page.set_default_timeout(90_000)
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on(
            "requestfailed", lambda request: self.refused.append(request.url) if request.failure == "csp" else None
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))
        self.page.goto(file.as_uri(), wait_until="load" if loaded else "commit")

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def open_viewer(self) -> None:
        """Open the first viewer, and wait until it has drawn."""
        self.page.get_by_role("button", name="Scroll through the slices").first.click()
        self.page.wait_for_selector("figure[data-state]")

    @property
    def state(self) -> str:
        """Where the viewer is and what it shows: indices of its planes, and the kind of overlay."""
        return str(self.page.locator("figure[data-state]").first.get_attribute("data-state"))

    def plane(self, axis: int) -> Any:
        """The canvas of a plane."""
        return self.page.locator(".viewer canvas").nth(axis)

    def voxels(self, axis: int, rows: int, columns: int) -> NDArray[np.uint8]:
        """The colours of a plane's voxels, read in the middle of each."""
        address = self.plane(axis).evaluate("canvas => canvas.toDataURL('image/png')")
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))
        down = ((np.arange(rows) + 0.5) * picture.shape[0] / rows).astype(int)
        across = ((np.arange(columns) + 0.5) * picture.shape[1] / columns).astype(int)
        found: NDArray[np.uint8] = picture[np.ix_(down, across)]
        return found


class Listener:
    """A port of this machine that records whether a client has connected to it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def was_called(self) -> bool:
        """Whether a connection has come since the last question."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return False
        connection.close()
        return True

    def close(self) -> None:
        """Free the port."""
        self._socket.close()
