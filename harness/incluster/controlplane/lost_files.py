"""Find files that a container has written outside of its volumes, which are lost with the container."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Final

# fewer bytes are not worth the engine's comparison of the whole image
LEAST_BYTES: Final = 4096
_MOST: Final = 20
# places of files that may be lost: temporary files, caches, compiled code, logs, and the engine's own files
_NO_RESULT: Final = re.compile(
    r"^/(?:tmp|var/tmp|var/cache|var/log|run|var/run|dev|proc|sys|etc)(?:/|$)|"
    r"^/(?:root|home/[^/]+)/\.[^/]+|"
    r"/(?:__pycache__|\.cache|\.config|\.local|\.npm|\.ipython|\.jupyter|\.matplotlib)(?:/|$)|\.pyc$"
)


def select_notable(paths: Collection[str], mounted: Iterable[str] = ()) -> list[str]:
    """Return lost files that later tasks may miss, at most 20.

    Args:
        paths: made or changed files and folders, as the engine lists them; a folder is left out when something in
            it is listed, too.
        mounted: where volumes were mounted: the engine makes these folders.
    """
    folders = {*mounted}
    for path in (*paths, *folders):
        folders.update(map(str, PurePosixPath(path).parents))
    return sorted(path for path in paths if path not in folders and not _NO_RESULT.search(path))[:_MOST]
