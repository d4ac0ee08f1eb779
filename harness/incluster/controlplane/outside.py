"""Find what a container has written outside of its volumes, which is lost with the container."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# fewer bytes are not worth the engine's comparison of the whole image
LEAST_BYTES: Final = 4096
_MOST: Final = 20
# places for what may be lost: temporary files, caches, compiled code, logs, and what the engine itself makes
_NO_RESULT: Final = re.compile(
    r"^/(?:tmp|var/tmp|var/cache|var/log|run|var/run|dev|proc|sys|etc)(?:/|$)|"
    r"/(?:__pycache__|\.cache|\.config|\.local|\.npm|\.ipython|\.jupyter|\.matplotlib)(?:/|$)|\.pyc$"
)


def of_interest(paths: Iterable[str]) -> list[str]:
    """Return the files that somebody may miss later, at most 20.

    Args:
        paths: made or changed files and folders, as the engine lists them; a folder is left out when something in
            it is listed, too.
    """
    kept = sorted(path for path in paths if not _NO_RESULT.search(path))
    parents = {path.rpartition("/")[0] for path in kept}
    files = [path for path in kept if path not in parents]
    return files[:_MOST]
