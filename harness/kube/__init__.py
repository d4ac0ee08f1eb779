"""A light client of the Kubernetes API, used by the host and inside the Airflow container."""

from harness.kube.client import KubeApi
from harness.kube.errors import ApiError, Conflict, Expired, Forbidden, Invalid, NotFound, Unavailable
from harness.kube.manifest import Manifest
from harness.kube.scope import in_cluster

__all__ = [
    "ApiError",
    "Conflict",
    "Expired",
    "Forbidden",
    "Invalid",
    "KubeApi",
    "Manifest",
    "NotFound",
    "Unavailable",
    "in_cluster",
]
