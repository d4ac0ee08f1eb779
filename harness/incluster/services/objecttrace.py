"""Follow the requests to MinIO with its live trace for administrators."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from harness.incluster.services.refusals import read_reason

_PATH: Final = "/minio/admin/v3/trace?internal=true&s3=true"
# a blank comes every second
_SILENCE_S: Final = 10.0
_LONGEST_ENTRY: Final = 8 << 20


@dataclasses.dataclass(frozen=True)
class ObjectRequest:
    """A request to the object store and its answer; ``at`` in seconds since the epoch."""

    peer: str
    method: str
    path: str
    status: int
    at: float
    code: str = ""
    reason: str = ""


def follow(endpoint: str, user: str, password: str) -> Iterator[ObjectRequest | None]:
    """Yield requests as they are answered, and ``None`` at once and then about once a second; ends with the connection.

    Raises:
        OSError, urllib3.exceptions.HTTPError: MinIO does not answer, or not with a trace.
    """
    import urllib3
    from minio.credentials.credentials import Credentials
    from minio.helpers import sha256_hash
    from minio.signer import sign_v4_s3

    url = urlsplit(f"http://{endpoint}{_PATH}")
    now = datetime.datetime.now(datetime.timezone.utc)
    digest = sha256_hash(None)
    headers = sign_v4_s3(
        method="GET",
        url=url,
        region="us-east-1",
        headers={"Host": url.netloc, "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}", "x-amz-content-sha256": digest},
        credentials=Credentials(user, password),
        content_sha256=digest,
        date=now,
    )
    with urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=_SILENCE_S), retries=False) as pool:
        answer = pool.request(
            "GET", url.geturl(), headers={name: str(value) for name, value in headers.items()}, preload_content=False
        )
        try:
            if answer.status != 200:
                raise OSError(f"MinIO gives no trace: {answer.status} {answer.data.decode('utf-8', 'replace')}")
            yield None
            yield from _entries(answer.stream())
        finally:
            answer.close()


def _entries(chunks: Iterator[bytes]) -> Iterator[ObjectRequest | None]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_ENTRY:
            rest = b""
        for line in lines:
            if request := read_entry(line):
                yield request
        yield None


def read_entry(line: bytes) -> ObjectRequest | None:
    """Return the request in a line of the trace, or ``None``."""
    try:
        entry = json.loads(line)
        asked, answered = entry["http"]["request"], entry["http"]["response"]
        status = int(answered["statuscode"])
        code, reason = _reason(answered) if status >= 400 else ("", "")
        return ObjectRequest(
            peer=str(asked["client"]),
            method=str(asked["method"]),
            path=str(asked["path"]),
            status=status,
            at=_seconds(str(answered["time"])),
            code=code,
            reason=reason,
        )
    except (ValueError, KeyError, TypeError):
        return None


def _reason(answered: dict[str, Any]) -> tuple[str, str]:
    if body := answered.get("body"):
        return read_reason(base64.b64decode(body))
    # an answer to HEAD has no body
    headers = answered.get("headers") or {}
    code, words = (headers.get(f"X-Minio-Error-{part}") or [""] for part in ("Code", "Desc"))
    return str(code[0]), str(words[0]).strip('"')


def _seconds(text: str) -> float:
    # nanoseconds, and as many digits as are not zero
    whole, _, fraction = text.rstrip("Z").partition(".")
    begin = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc).timestamp()
    return begin + float(f"0.{fraction or 0}")
