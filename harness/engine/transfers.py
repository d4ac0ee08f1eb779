"""Requests whose answer is a stream of progress: pulls, pushes, builds, and archives that are loaded.

The time limit of a client counts from one sign of life of the engine to the next. docker-py has none for pulls and
builds, and would ask a credential helper itself, and fail with it.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from harness.common.references import parse_reference, split_reference
from harness.engine import logins
from harness.engine.connection import find_error, raise_for_status, read_message
from harness.engine.logins import FoundLogin
from harness.kube.node_messages import find_pull_problem
from harness.wire.pulls import PullProblem

if TYPE_CHECKING:
    import requests
    from docker import APIClient

_LOGIN_WANTED: Final = (
    "access denied",
    "unauthorized",
    "authentication required",
    "authorization failed",
    "no basic auth credentials",
)
"""Parts of the answer of a registry that wants a login, in the engine's words."""
_LOGIN_MAY_BE_WANTED: Final = (*_LOGIN_WANTED, "denied", "not found", "manifest unknown", "toomanyrequests")
"""The same with other answers to a request without a login, as some registries give them."""


class TransferError(Exception):
    """The engine does not do what was asked: its words.

    Attributes:
        unreached: the registry or the engine itself did not answer.
    """

    def __init__(self, words: str, *, unreached: bool = False) -> None:
        super().__init__(words)
        self.unreached = unreached


def pull(api: APIClient, reference: str, found: FoundLogin | None = None) -> Iterator[dict[str, Any]]:
    """Pull an image; yield the progress that the engine reports.

    Args:
        api: a client.
        reference: of the image.
        found: what the engine logs in with; by default this user's login, if there is one.

    Raises:
        TransferError: the engine refuses, or does not answer.
    """
    from docker.auth import resolve_repository_name
    from docker.errors import InvalidRepository

    name, version = split_reference(reference)
    try:
        resolve_repository_name(name)
    except InvalidRepository as error:
        raise TransferError(str(error)) from None
    host, _, _ = parse_reference(reference)
    found = logins.find_login(host) if found is None else found
    params = {"fromImage": name, "tag": version}
    headers = _make_login_header(host, found)
    yield from _ask(api, "/images/create", found.failure, _LOGIN_MAY_BE_WANTED, params=params, headers=headers)


def push(api: APIClient, reference: str, found: FoundLogin) -> Iterator[dict[str, Any]]:
    """Push an image of the engine; yield the progress that the engine reports.

    Args:
        api: a client.
        reference: name and tag of the image.
        found: what the engine logs in with.

    Raises:
        TransferError: the engine refuses, or does not answer.
    """
    name, tag = split_reference(reference)
    headers = _make_login_header(parse_reference(reference)[0], found)
    yield from _ask(
        api, f"/images/{name}/push", found.failure, _LOGIN_MAY_BE_WANTED, params={"tag": tag}, headers=headers
    )


def load(api: APIClient, archive: Iterable[bytes]) -> Iterator[Any]:
    """Load an archive of images; yield the progress that the engine reports.

    Raises:
        TransferError: the engine refuses, or does not answer.
    """
    yield from _ask(api, "/images/load", headers={"Content-Type": "application/x-tar"}, data=archive)


def build(
    api: APIClient, context: Iterable[bytes], params: Mapping[str, str], *, deadline: float
) -> Generator[dict[str, Any], None, None]:
    """Build an image on the engine's legacy builder; yield the builder's messages.

    The engine cancels a build whose connection ends.

    Args:
        api: a client.
        context: the blocks of a tar file.
        params: of the request.
        deadline: when the connection ends, by the monotonic clock.

    Raises:
        TransferError: the engine refuses, a step fails, there is no answer, or the deadline is over.
    """
    found = logins.find_all_logins()
    headers = {"Content-Type": "application/x-tar", "X-Registry-Config": _encode(found.for_engine())}
    yield from _ask(api, "/build", found.failure, _LOGIN_WANTED, deadline, params=params, headers=headers, data=context)


def _ask(
    api: APIClient,
    path: str,
    failure: str = "",
    wanting_login: Iterable[str] = (),
    deadline: float | None = None,
    **request: Any,
) -> Iterator[dict[str, Any]]:
    """Send a request, and yield its answer document by document; the connection is closed whatever ends it.

    Args:
        failure: why a login was not found.
        wanting_login: parts of errors that this may be the cause of.
        deadline: when the connection ends, by the monotonic clock.
    """
    import requests

    def explain(words: str) -> TransferError:
        known = words.lower()
        wanted = any(part in known for part in wanting_login)
        unreached = find_pull_problem(words) is PullProblem.UNREACHED
        return TransferError(logins.explain(words, failure) if wanted else words, unreached=unreached)

    try:
        url = f"{api.base_url}/v{api.api_version}{path}"
        with api.post(url, stream=True, timeout=api.timeout, **request) as answer:
            raise_for_status(answer)
            with _end_at(deadline, answer):
                for event in _read_events(answer):
                    if trouble := find_error(event):
                        raise explain(trouble)
                    yield event
    except requests.RequestException as error:
        if _is_silence(error):
            raise TransferError(f"no answer within {api.timeout} s", unreached=True) from None
        raise explain(read_message(error)) from None


@contextlib.contextmanager
def _end_at(deadline: float | None, answer: requests.Response) -> Iterator[None]:
    """End the connection of an answer at a time, also while it is read."""
    if deadline is None:
        yield
        return

    def end() -> None:
        # the engine may have ended it
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    with socket.socket(fileno=os.dup(answer.raw.fileno())) as connection:
        timer = threading.Timer(max(deadline - time.monotonic(), 0), end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            # the descriptor may be another file's as soon as it is closed
            timer.join()


def _read_events(answer: requests.Response) -> Iterator[Any]:
    """Yield the documents of a streamed answer as they come.

    Raises:
        requests.RequestException: the answer ends early, or is something else.
    """
    import requests
    from docker.errors import StreamParseError
    from docker.utils.json_stream import json_stream

    try:
        yield from json_stream(codecs.iterdecode(answer.iter_content(None), "utf-8", "replace"))
    except StreamParseError as error:
        raise requests.exceptions.InvalidJSONError(f"the engine's answer is not JSON: {error}") from None


def _is_silence(error: requests.RequestException) -> bool:
    import requests
    from urllib3.exceptions import ReadTimeoutError

    # requests has no exception of its own for a stream that stops
    return isinstance(error, requests.Timeout) or isinstance(next(iter(error.args), None), ReadTimeoutError)


def _make_login_header(host: str, found: FoundLogin) -> dict[str, str]:
    # also without a login: some engines refuse a push that does not say so
    return {"X-Registry-Auth": _encode(found.login.for_engine(host) if found.login else {})}


def _encode(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode("ascii")
