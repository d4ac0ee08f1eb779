"""``global`` of the platform's own release, with which every extension's chart is rendered (build 10.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.contract import names

if TYPE_CHECKING:
    from harness.profiles import Profile
    from harness.settings import Settings


def of(
    settings: Settings,
    profile: Profile,
    registry: str,
    version: str,
    *,
    environment_id: str = "",
    oidc_client_secret: str = "",
) -> Mapping[str, Any]:
    """Return the globals of an emulated platform.

    Args:
        settings: say whether it has GPU support.
        profile: the release.
        registry: ``DEFAULT_REGISTRY``.
        version: ``KAAPANA_BUILD_VERSION``.
        environment_id: of the environment; empty as long as there is no environment.
        oidc_client_secret: its secret; empty as long as there is no environment.
    """
    values: dict[str, Any] = {
        "registry_url": registry,
        "kaapana_build_version": version,
        "admin_namespace": names.ADMIN_NAMESPACE,
        "services_namespace": names.SERVICES_NAMESPACE,
        "extensions_namespace": names.EXTENSIONS_NAMESPACE,
        "helm_namespace": names.ADMIN_NAMESPACE,
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
        "instance_uid": environment_id,
        "fast_data_dir": "/home/kaapana",
        "slow_data_dir": "/home/kaapana",
        "home_dir": "/home/kaapana",
        "storage_class_fast": "",
        "storage_class_slow": "",
        "storage_class_workflow": "",
        "main_node_name": "",
        "oidc_client_secret": oidc_client_secret,
    }
    if profile.value("installer.dag_image_tag") == "platform":
        values["harness_dag_image_tag"] = version
    return values
