"""The templates, and what makes untrusted texts harmless in them."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import harness
from harness.report import text

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES: Final = Path(__file__).parent / "templates"
_ASSETS: Final = Path(__file__).parent / "assets"


def render(template: str, *, scripted: bool, folder: Path = TEMPLATES, **values: Any) -> str:
    """Return a page that holds all it needs.

    Args:
        template: name of a file in ``folder``.
        scripted: whether the page has anything for its script to do.
        folder: where the template is.
        values: those of the template.
    """
    from markupsafe import Markup

    # files of this package, the only texts that are not escaped
    style, script = Markup(asset("style.css")), Markup(asset("viewer.js"))
    own = {"style": style, "script": script if scripted else None, "policy": _policy(script if scripted else None)}
    page: str = templates(folder).get_template(template).render(version=harness.__version__, **own, **values)
    return page


def _policy(script: str | None) -> str:
    """Return the page's policy: its own script by its digest, pictures that it holds itself, and no network."""
    allowed = "'none'"
    if script is not None:
        allowed = f"'sha256-{digest(script)}'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "media-src data:; form-action 'none'; base-uri 'none'"
    )


def digest(text: str) -> str:
    """Return the SHA-256 of a text, as policies name it."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


@functools.cache
def asset(name: str) -> str:
    """Return a file of ``assets``."""
    return (_ASSETS / name).read_text("utf-8")


@functools.cache
def templates(folder: Path = TEMPLATES) -> Environment:
    """Return the templates of a folder, which may use those of reports; all values are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    def shown(value: Any) -> Any:
        """Return a value as text for the page; markup stays unchanged."""
        if value is None:
            return ""
        return value if isinstance(value, Markup) else text.escape_unseen(str(value))

    found = Environment(
        loader=FileSystemLoader(list(dict.fromkeys([folder, TEMPLATES]))),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["abbreviated"] = lambda value, most: text.abbreviate(str(value), most)
    found.filters["seconds"] = text.format_seconds
    found.filters["size"] = text.format_size
    found.filters["link"] = text.link_to
    found.filters["memory"] = lambda value: "" if value is None else f"{value / 2**20:.0f} MiB"
    # a document for a frame: escaped like everything, but with all of its characters
    found.filters["verbatim"] = escape
    return found
