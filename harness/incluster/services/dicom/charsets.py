"""Read texts in the intended character set, also with nonstandard spellings of its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

_REGISTERED = re.compile(r"ISO[ _-]*(?P<extended>2022)?[ _-]*IR[ _-]*(?P<number>\d+)", re.I)
_OTHERS: Final = {"UTF8": "ISO_IR 192", "GB18030": "GB18030", "GBK": "GBK", "GB2312": "GBK"}
# in the standard since 2021, and not in pydicom's list
_LATIN_9: Final = {"ISO_IR 203": "iso8859_15", "ISO 2022 IR 203": "iso8859_15"}
_ESCAPE = re.compile(r"\x1b(?:\$?[()\-./]?)[0-~]")


def standard_name(text: str) -> str:
    """Return a defined term of Specific Character Set (0008,0005); unknown values stay unchanged."""
    words = text.strip()
    if found := _REGISTERED.fullmatch(words):
        return f"ISO 2022 IR {found['number']}" if found["extended"] else f"ISO_IR {found['number']}"
    return _OTHERS.get(re.sub("[ _-]", "", words).upper(), words)


def correct(dataset: Any) -> Any:
    """Return a dataset that decodes its texts with the file's intended character set; none may be decoded yet."""
    from pydicom import charset

    given = dataset.get("SpecificCharacterSet")
    if not given:
        return dataset
    charset.python_encoding.update(_LATIN_9)
    written: Sequence[str] = [given] if isinstance(given, str) else list(given)
    names = [standard_name(name) for name in written]
    if names != list(written) or set(names) & _LATIN_9.keys():
        implicit, little = dataset.original_encoding
        dataset.set_original_encoding(implicit, little, charset.convert_encodings(names))
    return dataset


def without_escapes(text: str) -> str:
    """Return a text without escape sequences to other character sets: pydicom leaves those of GB 2312."""
    return _ESCAPE.sub("", text)
