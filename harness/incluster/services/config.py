"""Settings of the services container, from its environment."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.wire import names


class ConfigError(Exception):
    """A variable of the environment is missing or cannot be read."""


@dataclasses.dataclass(frozen=True)
class Ports:
    """One port per listener (services 1.2); 0 means any free one (tests)."""

    web: int = 80
    apps: int = 8080
    backend: int = 5000
    search: int = 9200
    ctp_stow: int = 7777
    dimse: int = 11112
    control: int = 8090

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Return consecutive ports from ``base`` on; all zero for 0."""
        fields = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: base and base + index for index, name in enumerate(fields)})


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of callers' input, in bytes and parts."""

    json_bytes: int = 32 << 20
    upload_bytes: int = 8 << 30
    object_bytes: int = 4 << 30
    zip_entries: int = 50_000
    zip_ratio: int = 200
    zip_floor: int = 256 << 20
    associations: int = 32
    stalled_peer_s: float = 60.0
    header_s: float = 20.0
    connections: int = 1000
    connections_per_peer: int = 200


@dataclasses.dataclass(frozen=True)
class ServicesConfig:
    """Everything that differs between two starts of the services."""

    token: str
    client_secret: str
    system_password: str
    minio_user: str
    minio_password: str
    data_dir: Path
    profile: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    quiet_s: float = 0.5
    host: str = "0.0.0.0"
    ports: Ports = Ports()
    limits: Limits = Limits()
    minio_endpoint: str = f"{names.dns_name(names.MINIO)}:{names.MINIO[2]}"
    airflow_url: str = f"{names.url(names.AIRFLOW)}/flow"
    keycloak_url: str = names.url(names.KEYCLOAK)
    instance_name: str = "central"
    user_password: str = ""

    @property
    def issuer(self) -> str:
        """Issuer of the tokens; reachable inside the platform, so that MinIO can discover the keys."""
        return f"{self.keycloak_url}/auth/realms/{names.REALM}"

    @property
    def scratch(self) -> Path:
        """Folder of data in transit that is not acknowledged yet; emptied at every start."""
        return self.data_dir / "scratch"

    @property
    def as_documented(self) -> bool:
        """Whether the profile is the guide's promise, not a release as built."""
        return bool(self.profile.get("name", "documented") == "documented")

    @property
    def software_mapping(self) -> bool:
        """Whether only DAGs in the project's software are visible and can be started (runtime 17)."""
        return bool((self.profile.get("projects") or {}).get("software_mapping", True))

    @property
    def no_models_form(self) -> bool:
        """Whether a form of models is replaced while no model is installed (task-api 1.1, row 11)."""
        return bool((self.profile.get("forms") or {}).get("no_models_form", False))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ServicesConfig:
        """Read the container's environment.

        Raises:
            ConfigError: names every missing variable, or the one that cannot be read.
        """
        required = {
            "token": names.SERVICES_TOKEN_VARIABLE,
            "client_secret": "OIDC_CLIENT_SECRET",
            "system_password": "SYSTEM_USER_PASSWORD",
            "minio_user": "MINIO_ROOT_USER",
            "minio_password": "MINIO_ROOT_PASSWORD",
            "data_dir": names.DATA_DIR_VARIABLE,
        }
        missing = sorted(name for name in required.values() if not environ.get(name))
        if missing:
            raise ConfigError(f"missing in the environment: {', '.join(missing)}")
        values: dict[str, Any] = {field: environ[name] for field, name in required.items()}
        try:
            values["profile"] = json.loads(environ.get(names.PROFILE_VARIABLE) or "{}")
            values["quiet_s"] = float(environ.get(names.QUIET_VARIABLE) or 0.5)
            if environ.get("KAAPANA_HARNESS_PORTS_BASE"):
                values["ports"] = Ports.from_base(int(environ["KAAPANA_HARNESS_PORTS_BASE"]))
        except ValueError as error:
            raise ConfigError(f"a variable cannot be read: {error}") from None
        optional = {
            "host": "KAAPANA_HARNESS_HOST",
            "minio_endpoint": "KAAPANA_HARNESS_MINIO_ENDPOINT",
            "airflow_url": "KAAPANA_HARNESS_AIRFLOW_URL",
            "keycloak_url": "KAAPANA_HARNESS_KEYCLOAK_URL",
            "instance_name": "INSTANCE_NAME",
            "user_password": names.USER_PASSWORD_VARIABLE,
        }
        values.update({field: environ[name] for field, name in optional.items() if environ.get(name)})
        values["data_dir"] = _make_folder(Path(values["data_dir"]))
        return cls(**values)


def _make_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{names.DATA_DIR_VARIABLE} cannot be used: {error}") from None
    return path
