"""What the API answers instead of an object: the ``Status`` of Kubernetes."""

from __future__ import annotations

from typing import Any


class StatusError(Exception):
    """An answer other than 2xx."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def status(self) -> dict[str, Any]:
        """The ``Status`` object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }


class UntranslatableError(Exception):
    """A field that a Docker engine cannot do, or that is wrong.

    Args:
        field: its path, e.g. ``spec.containers[0].env[2].value``.
        why: one clause.
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why

    def at(self, prefix: str) -> UntranslatableError:
        """Return the same problem of an object that is part of another."""
        return UntranslatableError(f"{prefix}.{self.field}", self.why)


def not_found(plural: str, name: str) -> StatusError:
    """Return the 404 of an object."""
    return StatusError(404, "NotFound", f'{plural} "{name}" not found')


def already_exists(plural: str, name: str) -> StatusError:
    """Return the 409 of a second creation."""
    return StatusError(409, "AlreadyExists", f'{plural} "{name}" already exists')


def invalid(kind: str, name: str, detail: str) -> StatusError:
    """Return the 422 of an object, with the name of the field."""
    return StatusError(422, "Invalid", f'{kind} "{name}" is invalid: {detail}')


def bad_request(message: str) -> StatusError:
    """Return a 400."""
    return StatusError(400, "BadRequest", message)


class NotReadyError(Exception):
    """Something that a pod refers to is not there (yet)."""
