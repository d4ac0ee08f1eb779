"""Requests that a service of the platform refused: recorded with the caller, read to explain a failure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from harness.wire import names

SERVICES: Final[Mapping[str, str]] = {
    names.KEYCLOAK[0]: "Keycloak",
    names.KUBE_HELM[0]: "kube-helm",
    names.AII[0]: "the access information service",
    names.DICOM_WEB_FILTER[0]: "the DICOMweb filter",
    names.CTP_DICOM[0]: "the DICOM receiver",
    names.MINIO[0]: "MinIO",
    names.OPENSEARCH[0]: "OpenSearch",
    names.KAAPANA_BACKEND[0]: "the backend",
    names.NOTIFICATION[0]: "the notification service",
}
"""First label of a service's DNS name to how messages call it."""


@dataclasses.dataclass(frozen=True)
class RefusedRequest:
    """A request that a service did not do.

    Args:
        service: first label of its DNS name.
        status: of the answer: HTTP, or that of a C-STORE response.
        method: HTTP method, or DIMSE service.
        route: path without the query.
        reason: the service's own message, if any.
        peer: the caller's IP address.
        at: when, in seconds since the epoch.
        code: name of the error where the service has names for them, e.g. ``NoSuchBucket``.
        went_on: the peer has had a good answer of some service after this one.
    """

    service: str
    status: int
    method: str
    route: str
    reason: str
    peer: str
    at: float
    code: str = ""
    went_on: bool = False

    @property
    def is_probe(self) -> bool:
        """Whether it was answered that something is not there, or there already: programs ask for that."""
        return self.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}

    @property
    def summary(self) -> str:
        """One line: the service, its status, its reason, and the request."""
        status = f"0x{self.status:04X}" if self.service == names.CTP_DICOM[0] else str(self.status)
        why = ": ".join(part for part in (self.code, self.reason) if part)
        summary = f"{SERVICES.get(self.service, self.service)} answered {status}" + (f": {why}" if why else "")
        return f"{summary} ({self.method} {self.route})"

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RefusedRequest:
        """Read what :meth:`as_json` returned."""
        return cls(**document)
