"""``global`` of the platform's own release, with which every extension's chart is rendered (build 10.3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.contract import names

if TYPE_CHECKING:
    from harness.platform.credentials import Credentials
    from harness.profiles import Profile
    from harness.settings import Settings

_PENDING = "not-known-yet"


def of(
    settings: Settings,
    profile: Profile,
    registry: str,
    version: str,
    *,
    credentials: Credentials | None = None,
) -> Mapping[str, Any]:
    """Return the globals of an emulated platform.

    Those of parts that are not emulated are left out (Grafana, Keycloak's administration, the proxy, limits of memory).

    Args:
        settings: say whether it has GPU support.
        profile: the release.
        registry: ``DEFAULT_REGISTRY``.
        version: ``KAAPANA_BUILD_VERSION``.
        credentials: of the environment; as long as there is none each secret is a placeholder, since templates may
            require it.
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
        "gpu_support": settings.gpu,
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
        "main_node_name": "",
        "replica_count": "1",
        "include_reverse_proxy": False,
        "oidc_client_secret": credentials.oidc_client_secret if credentials else _PENDING,
        "credentials_minio_username": credentials.minio_user if credentials else _PENDING,
        "credentials_minio_password": credentials.minio_password if credentials else _PENDING,
        "credentials_registry_username": credentials.registry_user if credentials else _PENDING,
        "credentials_registry_password": credentials.registry_password if credentials else _PENDING,
        "kaapana_init_password": credentials.user_password if credentials else _PENDING,
        "smtp_host": "",
        "smtp_port": "0",
        "smtp_username": "",
        "smtp_password": "",
        "email_address_sender": "",
        "mount_points_to_monitor": "",
    }
    if profile.value("installer.dag_image_tag") == "platform":
        values["harness_dag_image_tag"] = version
    return values
