"""Hide the credentials of environments: everything that a process prints or writes goes through one redactor.

Credentials register where they are made or read. Texts that reach an author (errors, causes, findings, lines of
progress) redact themselves when they are made, evidence when it is collected, and the command line what it prints.

Random credentials are found as they are and in base64, at any place of a longer text, and so are their parts, which a
line that was cut leaves. Passwords and tokens that a user gave are found whole, also escaped for JSON, URLs, HTML,
Python and the shell. Tokens that the platform's parts give out are known by their shape.
"""

from __future__ import annotations

import base64
import collections
import html
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, quote_plus

MASK: Final = "***"
_SHORTEST: Final = 4
"""The shortest chosen password that is hidden; hiding shorter ones would make texts unreadable."""
_WORD: Final = 8
"""Shorter ones are hidden as whole words only."""
_GRAM: Final = 8
"""So many characters of a random credential are known for a part of it.

Texts are looked up at each eighth character, so that a part of 15 is always found.
"""

_RANDOM: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_RUN: Final = re.compile(rf"[A-Za-z0-9+/_-]{{{_GRAM},}}")
# a token of the realm, of a service account of Kubernetes, or of MinIO's STS; the third part may have been cut off
_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.(eyJ[A-Za-z0-9_-]{8,})(?:\.[A-Za-z0-9_-]*)?")
_OURS: Final = re.compile(rb'"iss": ?"[^"]*/auth/realms/kaapana"|"kubernetes\.io|"accessKey"')
# of a service account on the docker cluster
_ACCOUNT: Final = re.compile(r"(?<=kh-account\.)[A-Za-z0-9._-]*[A-Za-z0-9_-]")
_LONGEST_TOKEN: Final = 8192
_REMEMBERED: Final = 100
"""So many retired secrets are still hidden: what was printed with them is shown later, pytest's captured output too."""

_Mask = Callable[[str], str]


class _Part(NamedTuple):
    """The position of a group of characters in one spelling of a random credential."""

    whole: str
    offset: int


class Redactor:
    """Knows secrets and hides them; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # all of them are replaced as wholes, so that readers need no lock
        self._random: Mapping[str, Mapping[str, _Part]] = {}
        self._chosen: Mapping[str, tuple[str, ...]] = {}
        self._parts: Mapping[str, _Part] = {}
        self._wholes: tuple[str, ...] = ()
        self._retired: collections.deque[str] = collections.deque()

    def add(self, *secrets: str) -> None:
        """Hide credentials that were made here, and their parts too if they are 16 letters and digits or more.

        They must be random: a part of a chosen text may be a common word in results.
        """
        random = {secret: _parts_of(secret) for secret in secrets if _RANDOM.fullmatch(secret)}
        chosen = {secret: _ways_of_chosen(secret) for secret in secrets if secret not in random}
        self._learn(random, chosen)

    def add_login(self, username: str, password: str) -> None:
        """Hide a random password, and what ``Authorization: Basic`` makes of it.

        The name stays readable, also in base64, because results may contain it for other reasons.
        """
        basic = _basic(username, password)
        self.add(password)
        self._learn({basic: _parts_of(basic, public=len(f"{username}:".encode()) * 8 // 6)}, {})

    def add_given(self, *secrets: str) -> None:
        """Hide passwords and tokens that a user chose or another service made, as wholes.

        One of fewer than 8 characters is hidden as a whole word only, one of fewer than 4 not at all.
        """
        self._learn({}, {secret: _ways_of_chosen(secret) for secret in secrets})

    def add_given_login(self, username: str, password: str) -> None:
        """Hide the password of such a login, and what ``Authorization: Basic`` makes of both."""
        self.add_given(password, _basic(username, password))

    def retire(self, secret: str) -> None:
        """Record that a credential is not valid any more: it is hidden until a hundred more have been retired."""
        with self._lock:
            self._retired.append(secret)
            if len(self._retired) > _REMEMBERED:
                oldest = self._retired.popleft()
                self._set(
                    {known: parts for known, parts in self._random.items() if known != oldest},
                    {known: ways for known, ways in self._chosen.items() if known != oldest},
                )

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        for whole in self._wholes:
            if whole not in text:
                continue
            if len(whole) < _WORD:
                text = re.sub(rf"(?<![^\W_]){re.escape(whole)}(?![^\W_])", MASK, text)
            else:
                text = text.replace(whole, MASK)
        return self._hide(text, lambda _: MASK, complete=True)

    def value(self, value: Any) -> Any:
        """Return a JSON value with all its texts redacted, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def stream(self, chunks: Iterable[bytes], on_found: Callable[[], object] = lambda: None) -> Iterator[bytes]:
        """Yield content of any type with each random secret overwritten by as many ``*``: its length stays.

        Args:
            chunks: the content in pieces; a secret may be in several of them.
            on_found: called when there was a secret.
        """

        def cover(known: str, *, complete: bool) -> str:
            text = self._hide(known, lambda found: "*" * len(found), complete=complete)
            if text != known:
                on_found()
            return text

        held = b""
        for chunk in chunks:
            held += chunk
            # small pieces are not worth a search each
            if len(held) < 8 * _LONGEST_TOKEN:
                continue
            # each byte is one character, so that texts and contents are searched by the same rules
            held = cover(held.decode("latin-1"), complete=False).encode("latin-1")
            yield held[:-_LONGEST_TOKEN]
            held = held[-_LONGEST_TOKEN:]
        if held:
            yield cover(held.decode("latin-1"), complete=True).encode("latin-1")

    def _learn(self, random: Mapping[str, Mapping[str, _Part]], chosen: Mapping[str, tuple[str, ...]]) -> None:
        with self._lock:
            self._set({**self._random, **random}, {**self._chosen, **chosen})

    def _set(self, random: Mapping[str, Mapping[str, _Part]], chosen: Mapping[str, tuple[str, ...]]) -> None:
        self._random, self._chosen = random, chosen
        wholes = {way for ways in chosen.values() for way in ways}
        # what holds another one goes first
        self._wholes = tuple(sorted(wholes, key=len, reverse=True))
        every: dict[str, _Part] = {}
        for parts in random.values():
            every.update(parts)
        self._parts = every

    def _hide(self, text: str, mask: _Mask, *, complete: bool) -> str:
        """Mask random secrets and tokens; what touches the end of a text that is not ``complete`` may continue."""

        def cover(token: re.Match[str]) -> str:
            ours = token.re is _ACCOUNT or _is_ours(token[1])
            return mask(token[0]) if ours and (complete or token.end() < len(token.string)) else token[0]

        # before the parts of random credentials, which would tear a token
        if "eyJ" in text:
            text = _JWT.sub(cover, text)
        if "kh-account." in text:
            text = _ACCOUNT.sub(cover, text)
        parts = self._parts
        if not parts:
            return text
        pieces, done = [], 0
        for run in _RUN.finditer(text):
            for first, last in _extents(parts, text, run.start(), run.end()):
                if complete or last < len(text):
                    pieces += [text[done:first], mask(text[first:last])]
                    done = last
        return "".join([*pieces, text[done:]])


def _extents(parts: Mapping[str, _Part], text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where secrets and their parts begin and end within a run of letters and digits."""
    at = start
    while at <= end - _GRAM:
        part = parts.get(text[at : at + _GRAM])
        if part is None:
            at += _GRAM
            continue
        whole, offset = part
        first, before = at, offset
        while first > start and before and text[first - 1] == whole[before - 1]:
            first, before = first - 1, before - 1
        last, after = at + _GRAM, offset + _GRAM
        while last < end and after < len(whole) and text[last] == whole[after]:
            last, after = last + 1, after + 1
        yield first, last
        # what follows at once may begin with characters of the one before: they are taken by one of them only
        start = at = last


def _basic(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode("utf-8", "surrogatepass")).decode("ascii")


def _parts_of(secret: str, public: int = 0) -> dict[str, _Part]:
    """Return all groups of characters of all ways to write a random secret, but those of its ``public`` beginning."""
    bare = secret.rstrip("=")
    raw = secret.encode("ascii")
    open_to_all = raw[:public]
    ways = [(bare, public)]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        ways += zip(_in_base64(raw, encode), (len(way) for way in _in_base64(open_to_all, encode)), strict=True)
    return {
        whole[offset : offset + _GRAM]: _Part(whole, offset)
        for whole, start in ways
        for offset in range(start, len(whole) - _GRAM + 1)
    }


def _ways_of_chosen(secret: str) -> tuple[str, ...]:
    if len(secret) < _SHORTEST:
        return ()
    quoted = quote(secret, safe="", errors="surrogatepass")
    written = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quoted,
        quote(secret, errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
        re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted),
        html.escape(secret),
        repr(secret)[1:-1],
        secret.replace("'", "'\"'\"'"),
        # what a log keeps of a password with line breaks
        *(line for line in secret.splitlines() if len(line) >= _WORD),
    }
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = {*_in_base64(raw, base64.b64encode), *_in_base64(raw, base64.urlsafe_b64encode)}
    return tuple(written | {inner for inner in encoded if len(inner) >= _WORD})


def _in_base64(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """Yield what base64 makes of bytes at the three places that they can have in a longer content.

    The characters at both ends depend on the neighbours as well; they are left out.
    """
    for before, first in ((0, 0), (1, 2), (2, 3)):
        encoded = encode(b"\0" * before + raw).decode("ascii")
        yield encoded[first : (before + len(raw)) * 8 // 6]


def _is_ours(payload: str) -> bool:
    """Return whether the second part of a token, which may be cut, is of this platform or of its cluster."""
    whole = payload[: len(payload) // 4 * 4] if len(payload) % 4 == 1 else payload + "=" * (-len(payload) % 4)
    try:
        return bool(_OURS.search(base64.urlsafe_b64decode(whole)))
    except ValueError:
        return False


REDACTOR: Final = Redactor()
"""The one of this process."""


def redact(text: str) -> str:
    """Return a text without the credentials of this process's environments."""
    return REDACTOR.text(text)


def make_redacting(say: Callable[[str], object]) -> Callable[[str], None]:
    """Return a function that passes lines on without credentials."""

    def redacted(line: str) -> None:
        say(redact(line))

    return redacted
