"""Pictures of a report: what is said about them, and the bytes of those that stand in the page itself."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import io
import warnings
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from harness.errors import CheckError

_SHOWN: Final = 80


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        name: for messages.
        source: its address, or the picture itself (``data:...``).
        alt: what a reader without pictures gets.
    """

    name: str
    source: str = dataclasses.field(repr=False)
    alt: str = ""

    @property
    def data(self) -> bytes:
        """The bytes of a picture that stands in the page.

        Raises:
            CheckError: it is loaded from an address, or cannot be decoded.
        """
        head, comma, body = self.source.partition(",")
        if not comma or not head.lower().startswith("data:"):
            raise CheckError(f"{self.name} does not stand in the page: it is loaded from {self.source[:_SHOWN]!r}")
        if not head.lower().endswith(";base64"):
            return unquote_to_bytes(body)
        try:
            # blanks and line ends are no part of it
            return base64.b64decode("".join(body.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise CheckError(f"{self.name} cannot be decoded: {error}") from None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of a picture that stands in the page.

        Raises:
            CheckError: the bytes are not a picture of pixels.
        """
        from PIL import Image, UnidentifiedImageError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # reads its head only
                with Image.open(io.BytesIO(self.data), formats=("PNG", "JPEG", "GIF", "WEBP", "BMP")) as image:
                    return image.width, image.height
        except UnidentifiedImageError:
            raise CheckError(f"{self.name} is not a PNG, JPEG, GIF, WebP or BMP picture") from None
        except (Image.DecompressionBombError, OSError, ValueError) as error:
            raise CheckError(f"{self.name} cannot be read as a picture: {type(error).__name__}: {error}") from None


def read_pictures(root: Any, name: str) -> list[Picture]:
    """Return the pictures of a document in its order.

    Args:
        root: element of lxml.
        name: of the document, for messages.
    """
    found: list[Picture] = []
    for element in root.iter("img"):
        if source := str(element.get("src") or ""):
            alt = str(element.get("alt") or "")
            called = f" ({alt[:_SHOWN]!r})" if alt else ""
            found.append(Picture(f"picture {len(found) + 1}{called} of {name}", source, alt))
    return found
