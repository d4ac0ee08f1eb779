"""The random credentials of one environment; they never show in a message."""

from __future__ import annotations

import dataclasses
import secrets
import string
from collections.abc import Mapping

_ALPHABET = string.ascii_letters + string.digits


def password(length: int = 32) -> str:
    """Letters and digits: it must survive every config format it is written into."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclasses.dataclass(frozen=True, repr=False)
class Credentials:
    """What the parts of an environment authenticate with.

    Attributes:
        token: bearer token of the services' control port.
        oidc_client_secret: of the OIDC client ``kaapana``.
        system_user_password: of the user ``system``.
        user_password: of the person ``kaapana``, realm role admin.
        minio_user, minio_password: MinIO's root keys.
    """

    token: str
    oidc_client_secret: str
    system_user_password: str
    user_password: str
    minio_user: str
    minio_password: str

    @classmethod
    def random(cls) -> Credentials:
        """New ones."""
        return cls(password(), password(), password(), password(), "kaapanaminio", password())

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> Credentials:
        """From the ledger.

        Raises:
            KeyError: one is missing.
        """
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls)})

    def as_mapping(self) -> dict[str, str]:
        """For the ledger and for the charts' values."""
        return dataclasses.asdict(self)

    def __repr__(self) -> str:
        return "Credentials(...)"
