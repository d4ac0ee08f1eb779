"""Names of everything that belongs to one kind cluster."""

from __future__ import annotations

from pathlib import Path

LABEL_CLUSTER = "io.x-k8s.kind.cluster"
"""kind's own label of a node's container; its value is the name of the cluster."""
LABEL_LEDGER = "kaapana-harness.ledger"
"""Label of the cluster's network: the folder of the ledger that has the environment."""
PREFIX = "kh-"


def cluster_name(environment_id: str) -> str:
    """Return the name of the cluster and of its network, with which the names of its nodes begin."""
    return f"{PREFIX}{environment_id}"


def folder(state: Path, environment_id: str) -> Path:
    """Return the folder of a cluster's files (kubeconfig, kind's configuration); readable by the user only."""
    return state / "kind" / environment_id


def kubeconfig(state: Path, environment_id: str) -> Path:
    """Return the cluster's own kubeconfig; the user's is never touched."""
    return folder(state, environment_id) / "kubeconfig"
