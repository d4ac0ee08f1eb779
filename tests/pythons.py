"""A mark for tests of code that runs in images only, whose Python may be newer than that of the host."""

from __future__ import annotations

import sys

import pytest

needs_python_of_images = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="runs in images, on Python 3.11 or newer"
)
