"""The errors of a Kubernetes API server.

::

    ApiError(status, reason, message)
    ├── NotFound      404
    ├── Conflict      409   the object exists already, or was changed in between
    ├── Invalid       422   a field is wrong, or cannot be done on this cluster; the message names it
    ├── Forbidden     403
    ├── Expired       410   a watch starts at a version that the server does not remember any more
    └── Unavailable   0     no answer: connection refused, closed, or a time-out

These stand alone (no import from the rest of the package): the client is copied into images.
"""

from __future__ import annotations


class ApiError(Exception):
    """An answer that is not 2xx, or no answer.

    Args:
        status: the HTTP status, 0 when there was no answer.
        reason: the reason of the Kubernetes ``Status`` object, e.g. ``AlreadyExists``.
        message: the message of the ``Status`` object.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(status, reason, message)
        self.status = status
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason} ({self.status}): {self.message}" if self.status else self.message


class NotFound(ApiError):  # noqa: N818 - the API\'s own word
    """The object, its namespace or its kind does not exist."""


class Conflict(ApiError):  # noqa: N818 - the API\'s own word
    """The object exists already, or another client changed it."""


class Invalid(ApiError):  # noqa: N818 - the API\'s own word
    """The object is refused; the message names the field."""


class Forbidden(ApiError):  # noqa: N818 - the API\'s own word
    """The token may not do this."""


class Expired(ApiError):  # noqa: N818 - "Gone" is the API's own word
    """The requested start version of changes is too old."""


class Unavailable(ApiError):  # noqa: N818 - the API\'s own word
    """The API server does not answer."""


_BY_STATUS = {403: Forbidden, 404: NotFound, 409: Conflict, 410: Expired, 422: Invalid}


def api_error(status: int, reason: str, message: str) -> ApiError:
    """Return the exception that belongs to an HTTP status."""
    return _BY_STATUS.get(status, ApiError)(status, reason, message)
