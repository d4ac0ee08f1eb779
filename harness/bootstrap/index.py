"""Translate pip's package index settings for uv, which does not read them."""

from __future__ import annotations

import ast
from collections.abc import Mapping

# pip's name -> uv's variable; uv separates several values by the given text
_NAMES = {
    "index-url": ("UV_DEFAULT_INDEX", ""),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "no-index": ("UV_NO_INDEX", ""),
    "cert": ("SSL_CERT_FILE", ""),
    "timeout": ("UV_HTTP_TIMEOUT", ""),
    "default-timeout": ("UV_HTTP_TIMEOUT", ""),
    "proxy": ("ALL_PROXY", ""),
}


def make_uv_environment(pip_config: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables for uv out of the lines of ``pip config list``.

    A variable that the user has set for uv wins. The values are not printed: an address may hold a password.

    Args:
        pip_config: lines such as ``global.index-url='https://...'`` or ``:env:.cert='/etc/...'``; those of
            ``install`` and of the environment come later and win over ``global``.
        environ: the environment so far.
    """
    result: dict[str, str] = {}
    for line in sorted(pip_config.splitlines(), key=_precedence):
        key, separator, quoted = line.partition("=")
        section, _, name = key.rpartition(".")
        if not separator or section not in {"global", "install", "download", ":env:"} or name not in _NAMES:
            continue
        try:
            value = str(ast.literal_eval(quoted))
        except (ValueError, SyntaxError):
            continue
        variable, joiner = _NAMES[name]
        if variable in environ:
            continue
        if joiner:
            value = joiner.join(value.split())
        if variable == "UV_NO_INDEX" and value.lower() in {"0", "false", "no", "off"}:
            continue
        result[variable] = value
    return result


def _precedence(line: str) -> int:
    return 2 if line.startswith(":env:") else 1 if line.startswith(("install.", "download.")) else 0
