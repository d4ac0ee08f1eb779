# mypy: disable-error-code="import-not-found"
"""Constants of the platform as DAG files see them (runtime 4.1)."""

from __future__ import annotations

import os
from typing import Final

from harness.wire import names

BATCH_NAME: Final = names.BATCH_NAME
AIRFLOW_WORKFLOW_DIR: Final = names.AIRFLOW_WORKFLOW_DIR
WORKFLOW_DIR: Final = AIRFLOW_WORKFLOW_DIR
PROCESSING_WORKFLOW_DIR: Final = names.PROCESSING_WORKFLOW_DIR

INSTANCE_NAME = os.getenv("INSTANCE_NAME")
KAAPANA_BUILD_VERSION = os.getenv("KAAPANA_BUILD_VERSION")
BUILD_VERSION = KAAPANA_BUILD_VERSION
PLATFORM_VERSION = os.getenv("PLATFORM_VERSION")
DEFAULT_REGISTRY = os.getenv("DEFAULT_REGISTRY")
ADMIN_NAMESPACE = os.getenv("ADMIN_NAMESPACE")
SERVICES_NAMESPACE = os.getenv("SERVICES_NAMESPACE")
EXTENSIONS_NAMESPACE = os.getenv("EXTENSIONS_NAMESPACE")
# 0.4 and 0.5 only
ENABLE_NFS = os.getenv("ENABLE_NFS")
PULL_POLICY_IMAGES = os.getenv("PULL_POLICY_IMAGES", "IfNotPresent")
GPU_SUPPORT = os.getenv("GPU_SUPPORT", "").lower() == "true"
OIDC_CLIENT_SECRET = os.getenv("OIDC_CLIENT_SECRET")
SYSTEM_USER_PASSWORD = os.getenv("SYSTEM_USER_PASSWORD")


def _slots(pool: str, otherwise: int) -> int:
    """Return the slots of an Airflow pool; ``otherwise`` on any error, as on the platform."""
    try:
        from airflow.models import Pool

        found = Pool.get_pool(pool)
        return int(found.slots) if found is not None else otherwise
    except Exception:
        return otherwise


def __getattr__(name: str) -> int:
    # asked for by few DAGs, and each costs a database query: looked up when they are used
    if name == "GPU_COUNT":
        return _slots("NODE_GPU_COUNT", 0)
    if name == "CPU_CORE_COUNT":
        return _slots("NODE_CPU_CORES", 1)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
