"""Find a context in the user's kubeconfig, which is only read."""

from __future__ import annotations

import os
from pathlib import Path

from harness.cluster import kubeconfig
from harness.cluster.kubeconfig import KubeconfigError
from harness.errors import UsageError
from harness.kube.access import ClusterAccess

SPEC = "context:"
"""What a setting ``cluster`` begins with that names a context."""


def parse_context(spec: str) -> str:
    """Return the name of the context in ``context:NAME``."""
    return spec.removeprefix(SPEC)


def find(context: str) -> tuple[ClusterAccess, Path]:
    """Return the context, and the file that has it.

    Raises:
        UsageError: there is no kubeconfig, no such context, or one that cannot be used; what there is is named.
    """
    paths = kubeconfig.list_paths()
    found = [path for path in paths if path.is_file()]
    if not found:
        raise UsageError(
            f"there is no kubeconfig, so no context {context!r}",
            last_seen=f"looked for {os.pathsep.join(map(str, paths))}",
            fix="name the file in KUBECONFIG; `kubectl config get-contexts` shows what kubectl sees",
        )
    trouble = []
    for path in found:
        try:
            return kubeconfig.load(path, context), path
        except KubeconfigError as error:
            trouble.append(str(error))
    raise UsageError(
        f"context {context!r} cannot be used",
        last_seen="\n".join(trouble),
        fix="`kubectl config get-contexts` lists the contexts; KUBECONFIG names the files",
    )


def load_context(path: str, context: str) -> ClusterAccess:
    """Return the context in the file that it was found in before.

    Raises:
        KubeconfigError: it is not there any more.
    """
    return kubeconfig.load(Path(path), context)
