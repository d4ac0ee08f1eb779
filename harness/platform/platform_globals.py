"""``global`` of the platform's own release, with which every extension's chart is rendered (build 10.3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from harness.wire import names

if TYPE_CHECKING:
    from harness.platform.credentials import Credentials
    from harness.profiles import Profile

_PENDING: Final = "not-known-yet"
_OF_CREDENTIALS: Final = {
    "oidc_client_secret": "oidc_client_secret",
    "credentials_minio_username": "minio_user",
    "credentials_minio_password": "minio_password",
    "credentials_registry_username": "registry_user",
    "credentials_registry_password": "registry_password",
    "kaapana_init_password": "user_password",
}
"""The globals that are logins, and which of the environment's credentials each is."""


# of release 0.6.0, as text like all times among the globals
_BUILT: Final = "2025-12-18T12:00:00+00:00"
# percent of the memory that the platform takes, which is 70 % of a host with 64 GiB
_MEMORY: Final = {"pacs": 30, "airflow": 50, "opensearch": 20}
_TAKEN_MIB: Final = (64 << 10) * 7 // 10


def _memory() -> Mapping[str, str]:
    limits = {name: _TAKEN_MIB * percent // 100 for name, percent in _MEMORY.items()}
    return {f"{name}_memory_limit": str(limit) for name, limit in limits.items()} | {
        f"{name}_memory_request": str(limit // 3) for name, limit in limits.items()
    }


def make_globals(
    profile: Profile,
    registry: str,
    version: str,
    *,
    gpu: bool = False,
    credentials: Credentials | None = None,
    main_node: str = "",
) -> Mapping[str, Any]:
    """Return the globals of an emulated platform.

    Each key of the platform is there. Logins of parts that are not emulated have the platform's defaults, as have
    times, limits and address ranges. Storage classes are empty, which is the cluster's own, and so are the proxies.

    Args:
        profile: the release.
        registry: ``DEFAULT_REGISTRY``.
        version: ``KAAPANA_BUILD_VERSION``.
        gpu: whether it has GPU support.
        credentials: of the environment; without one each secret is a placeholder, since templates may require it.
        main_node: the node with the platform's volumes on its disk; empty if the storage class has them.
    """
    values: dict[str, Any] = {
        "registry_url": registry,
        "kaapana_build_version": version,
        "admin_namespace": names.ADMIN_NAMESPACE,
        "services_namespace": names.SERVICES_NAMESPACE,
        "extensions_namespace": names.EXTENSIONS_NAMESPACE,
        "helm_namespace": names.ADMIN_NAMESPACE,
        "base_namespace": "base",
        "release_name": "kaapana-admin-chart",
        "hostname": "localhost",
        "http_port": "80",
        "https_port": "443",
        "http_proxy": "",
        "https_proxy": "",
        "dicom_port": str(names.CTP_DICOM[2]),
        # as on a platform without dev mode; with it the nodes would ask the registry for imported images
        "pull_policy_images": "IfNotPresent",
        "pull_policy_jobs": "IfNotPresent",
        "pull_policy_pods": "IfNotPresent",
        "dev_mode": False,
        "offline_mode": False,
        "gpu_support": gpu,
        "prefetch_extensions": False,
        "instance_name": "central",
        # text here means an installation of several instances
        "instance_uid": "",
        "fast_data_dir": "/home/kaapana",
        "slow_data_dir": "/home/kaapana",
        "home_dir": "/home/kaapana",
        "storage_class_fast": "",
        "storage_class_slow": "",
        "storage_class_workflow": "",
        "main_node_name": main_node,
        "replica_count": "1",
        "include_reverse_proxy": False,
        "smtp_host": "",
        "smtp_port": "0",
        "smtp_username": "",
        "smtp_password": "",
        "email_address_sender": "",
        "mount_points_to_monitor": "",
        "platform_build_branch": "master",
        "platform_last_commit_timestamp": _BUILT,
        "build_timestamp": _BUILT,
        "deployment_timestamp": _BUILT,
        "credentials_grafana_username": "admin",
        "credentials_grafana_password": "admin",
        "credentials_keycloak_admin_username": "admin",
        "credentials_keycloak_admin_password": "Kaapana2020",
        "internalCidrs": ["10.152.183.0/24", "10.1.0.0/16"],
        "storage_node": "storage",
        "volume_slow_data": "100Gi",
        "default_admin_limits_mem": "50Mi",
        "default_admin_requests_mem": "50Mi",
        **_memory(),
    }
    known = credentials.as_mapping() if credentials else dict.fromkeys(_OF_CREDENTIALS.values(), _PENDING)
    values |= {key: known[name] for key, name in _OF_CREDENTIALS.items()}
    if profile.value("installer.dag_image_tag") == "platform":
        values["harness_dag_image_tag"] = version
    return values
