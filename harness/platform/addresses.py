"""Where the parts of an environment are reached from this machine, and what opens them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from harness.cluster import providers
from harness.errors import PlatformError
from harness.platform.credentials import PERSON
from harness.wire import names
from harness.wire.service_refusals import SERVICES

if TYPE_CHECKING:
    from harness.cluster.ledger import Entry
    from harness.settings import Settings

_PATIENCE_S: Final = 5.0
# parts that share the ports of one container are distinguished by the name in a request
_SHARING: Final = (names.KAAPANA_BACKEND, names.KEYCLOAK, names.AII, names.DICOM_WEB_FILTER)


@dataclasses.dataclass(frozen=True)
class ServiceAddress:
    """A part of the platform.

    Attributes:
        url: where it is reached.
        host: what the header ``Host`` of a request must say; empty for anything.
    """

    name: str
    url: str
    host: str = ""


@dataclasses.dataclass(frozen=True)
class NamedLogin:
    """What opens a part of the platform; a bearer token has no user."""

    name: str
    user: str
    secret: str = dataclasses.field(repr=False)


def find_addresses(settings: Settings, entry: Entry) -> list[ServiceAddress]:
    """Return the addresses of the parts of a running environment.

    There are none on a cluster that others use as well: its ports are forwarded by the process that needs them.

    Raises:
        PlatformError: it does not work any more.
    """
    provider = providers.get_provider(entry.cluster)
    if not provider.owns_cluster:
        return []
    cluster = provider.adopt(dataclasses.replace(settings, start_timeout=_PATIENCE_S), entry.id)
    if cluster is None:
        raise PlatformError("no API server answers at its address", fix="`kaapana-harness prune` removes it")
    try:

        def url(service: tuple[str, str, int], port: int = 0) -> str:
            host, number = cluster.address(names.SERVICES_NAMESPACE, service[0], port or service[2])
            return f"http://{host}:{number}"

        return [
            ServiceAddress("Airflow", f"{url(names.AIRFLOW)}/flow"),
            ServiceAddress("MinIO", url(names.MINIO)),
            *(
                ServiceAddress(SERVICES[service[0]], url(names.HARNESS_SERVICES, service[2]), names.dns_name(service))
                for service in _SHARING
            ),
            ServiceAddress("the harness's own interface", url(names.HARNESS_SERVICES)),
        ]
    finally:
        cluster.close(keep=True)


def list_logins(entry: Entry) -> list[NamedLogin]:
    """Return the logins of an environment, as its ledger has them; none of one that another version made."""
    known = (
        ("Keycloak, as the person who administers", PERSON, "user_password"),
        ("Keycloak, client kaapana", names.OIDC_CLIENT_ID, "oidc_client_secret"),
        ("MinIO", entry.secrets.get("minio_user", ""), "minio_password"),
        ("the registry, to pull", entry.secrets.get("registry_user", ""), "registry_password"),
        ("the registry, to push", entry.secrets.get("registry_push_user", ""), "registry_push_password"),
        ("the harness's own routes, as a bearer token", "", "token"),
    )
    return [NamedLogin(name, user, entry.secrets[key]) for name, user, key in known if key in entry.secrets]
