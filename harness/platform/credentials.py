"""The random credentials of one environment; they never show in a message or in evidence."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import string
from collections.abc import Mapping
from typing import Final

from harness.common.redaction import REDACTOR
from harness.kube.pullsecrets import Login

PERSON: Final = "kaapana"
"""Name of the platform's administrator."""

_ALPHABET = string.ascii_letters + string.digits


def make_password(length: int = 32) -> str:
    """Return a password of letters and digits: it must survive every config format it is written into."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclasses.dataclass(frozen=True, repr=False)
class Credentials:
    """What the parts of an environment authenticate with.

    Attributes:
        token: bearer token of the harness's own routes: the services' control port, Airflow's web server.
        oidc_client_secret: of the OIDC client ``kaapana``.
        system_user_password: of the user ``system``.
        user_password: of the person ``kaapana``, realm role admin.
        minio_user, minio_password: MinIO's root keys.
        registry_user, registry_password: what nodes pull with from the registry.
        registry_push_user, registry_push_password: the login for pushing, which only the harness has.
    """

    token: str
    oidc_client_secret: str
    system_user_password: str
    user_password: str
    minio_user: str
    minio_password: str
    registry_user: str
    registry_password: str
    registry_push_user: str
    registry_push_password: str

    def __post_init__(self) -> None:
        REDACTOR.add(self.token, self.dags_token, self.oidc_client_secret)
        REDACTOR.add(self.system_user_password, self.user_password)
        for login in (Login(self.minio_user, self.minio_password), self.pull, self.push):
            REDACTOR.add_login(login.username, login.password)

    @classmethod
    def random(cls) -> Credentials:
        """Return new credentials."""
        names = {
            "minio_user": "kaapanaminio",
            # not one that a custom registry has as well: the registry knows users by their names
            "registry_user": f"pull-{make_password(8)}",
            "registry_push_user": "kaapana-harness",
        }
        return cls(**{field.name: names.get(field.name) or make_password() for field in dataclasses.fields(cls)})

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> Credentials:
        """Return the credentials that the ledger has.

        Raises:
            KeyError: one is missing.
        """
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls)})

    @property
    def token_digest(self) -> str:
        """Digest by which a part that runs code of authors recognises the token without having it; no secret."""
        return hashlib.sha256(self.token.encode()).hexdigest()

    @property
    def dags_token(self) -> str:
        """Bearer token of pods of Python operators, for Airflow's DAG folder only."""
        return hashlib.sha256(f"dags {self.token}".encode()).hexdigest()

    @property
    def pull(self) -> Login:
        """Login for pulling from the registry, as nodes have it."""
        return Login(self.registry_user, self.registry_password)

    @property
    def push(self) -> Login:
        """Login for pushing to the registry, which only the harness has."""
        return Login(self.registry_push_user, self.registry_push_password)

    def as_mapping(self) -> dict[str, str]:
        """Return the values for the ledger and for the charts."""
        return dataclasses.asdict(self)

    def __repr__(self) -> str:
        return "Credentials(...)"
