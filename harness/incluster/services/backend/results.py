"""The "Workflow Results" page: which reports of a project's bucket are shown (services 10.3)."""

from __future__ import annotations

import urllib.parse
from typing import Any, Final

PREFIX: Final = "staticwebsiteresults"


def is_result(key: str) -> bool:
    """Return whether the page shows the object: ``.html`` below the prefix, except ``index.html``."""
    name = key.rsplit("/", 1)[-1]
    return key.startswith(f"{PREFIX}/") and name.endswith("html") and name != "index.html"


def tree(keys: list[str]) -> list[dict[str, Any]]:
    """Return a nested list of folders and reports, without the prefix."""
    root: list[dict[str, Any]] = []
    for key in sorted(filter(is_result, keys)):
        *folders, name = key.split("/")[1:]
        level, path = root, PREFIX
        for folder in folders:
            path += f"/{folder}"
            entry = next((item for item in level if item["name"] == folder and "children" in item), None)
            if entry is None:
                entry = {"name": folder, "path": path, "children": []}
                level.append(entry)
            level = entry["children"]
        target = f"/kaapana-backend/get-static-website-results-html?object_name={urllib.parse.quote(key)}"
        level.append({"name": name, "file": "html", "path": target})
    return root
