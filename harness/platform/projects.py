"""Projects: a namespace, a bucket, an index, users and an AE title that belong together (runtime 12, services 9)."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.common.documents import abridge
from harness.common.redaction import REDACTOR
from harness.errors import PlatformError, UsageError
from harness.kube import ApiError, NotFound
from harness.platform import credentials, helm
from harness.platform.manifests import arrange, describe
from harness.wire import names
from harness.wire.naming import DNS_LABEL

if TYPE_CHECKING:
    from harness.cluster import Cluster
    from harness.platform.services_client import ServicesClient

CHART = Path(__file__).parent / "project-chart"
# the AE title is kp-<name>, and an AE title has at most 16 characters
MAX_NAME = 13


@dataclasses.dataclass(frozen=True)
class Project:
    """One project.

    Attributes:
        name: at most 13 characters.
        record: the project object of the access information service (services 9.2).
        password: of the project's system user.
    """

    name: str
    record: dict[str, Any]
    password: str = dataclasses.field(repr=False)

    @property
    def id(self) -> str:
        """UUID."""
        return str(self.record["id"])

    @property
    def namespace(self) -> str:
        """Kubernetes namespace, ``project-<name>``."""
        return str(self.record["kubernetes_namespace"])

    @property
    def bucket(self) -> str:
        """Bucket of the project's results."""
        return str(self.record["s3_bucket"])

    @property
    def ae_title(self) -> str:
        """Called AE title for this project."""
        return f"kp-{self.name}"

    @property
    def user(self) -> str:
        """Name of the project's system user; it has no administrator's role."""
        return f"{self.namespace}-system-user"


class AdministeredProject(Project):
    """A project with the platform's administrator as its user, who is a member of every project."""

    @property
    def user(self) -> str:
        """Name of the person."""
        return credentials.PERSON


def find_all(services: ServicesClient, keys: credentials.Credentials) -> list[Project]:
    """Return all projects with the administrator as their user; the admin project first."""
    return [AdministeredProject(record["name"], record, keys.user_password) for record in services.projects()]


def check_name(name: str) -> str:
    """Return the name, when bucket, namespace, index and AE title all accept it.

    Raises:
        UsageError: they do not.
    """
    if len(name) > MAX_NAME or not DNS_LABEL.fullmatch(name) or name == "admin":
        raise UsageError(
            f"{abridge(name)} cannot name a project",
            fix=f"lower-case letters, digits and dashes, at most {MAX_NAME} characters (AE title kp-<name>); not admin",
        )
    return name


def create(
    cluster: Cluster,
    services: ServicesClient,
    keys: credentials.Credentials,
    name: str | None = None,
    *,
    registry: str = "",
) -> Project:
    """Create a project; by default with an unused name.

    Args:
        keys: of the platform, which every project's pods use too.
        registry: ``DEFAULT_REGISTRY``; by default the cluster's own name of it.

    Raises:
        UsageError: the name is not possible, or there is such a project.
    """
    name = check_name(name) if name else f"t{secrets.token_hex(4)}"
    try:
        cluster.api.get("Namespace", None, names.project_namespace(name))
        raise UsageError(f"there is a project {name!r} already", fix="remove it first, or choose another name")
    except NotFound:
        pass
    password = credentials.make_password()
    REDACTOR.add(password)
    # a project of the same name may have been removed a moment ago
    suffix = secrets.token_hex(4)
    volumes = {volume: f"{names.project_namespace(name)}-{volume}-{suffix}" for volume in names.PROJECT_VOLUMES}
    folders = cluster.make_volume_folders(volumes.values())
    values = {
        "global": {"registry_url": registry or cluster.registry},
        "project": name,
        "volume_node": cluster.volume_node,
        "volumes": {volume: {"folder": folders.get(own, "")} for volume, own in volumes.items()},
        "credentials": {
            "oidc_client_secret": keys.oidc_client_secret,
            "system_user_password": keys.system_user_password,
            "project_user_password": password,
            "registry_user": keys.registry_user,
            "registry_password": keys.registry_password,
        },
    }
    with ThreadPoolExecutor(1) as pool:
        record = pool.submit(services.create_project, name, f"Project {name}", password)
        rendered = arrange(
            helm.find().render(CHART, values, release=f"project-{name}", namespace=names.ADMIN_NAMESPACE)
        )
        for manifest in rendered.objects:
            try:
                cluster.api.apply(manifest)
            except ApiError as error:
                raise PlatformError(f"{describe(manifest)} cannot be created", last_seen=str(error)) from None
        return Project(name, record.result(), password)


def remove(cluster: Cluster, services: ServicesClient, project: Project) -> None:
    """Remove a project with its pods, its bucket and its users, as far as they still exist."""
    with contextlib.suppress(NotFound):
        cluster.api.delete("Namespace", None, project.namespace)
    services.forget_project(project.name)
    REDACTOR.retire(project.password)
