"""The environment variables of a task's container (runtime 6.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from harness.incluster.airflow.errors import InvalidPodError
from harness.incluster.airflow.profile import PodProfile
from harness.kube import Manifest
from harness.wire import names, naming

SERVICE_URLS: Final = (  # runtime 6.2 row 1; the values are those of the Airflow containers (runtime 2.5)
    "KEYCLOAK_URL",
    "KUBE_HELM_URL",
    "OPENSEARCH_URL",
    "DICOM_WEB_FILTER_URL",
    "NOTIFICATION_URL",
    "AII_URL",
    "KAAPANA_BACKEND_URL",
    "MINIO_URL",
)

_PROCESS: Final = {"PATH": None, "HOME": None}
"""What every process needs; a form value would replace these too (operators 2.2)."""


def operator_variables(
    given: Mapping[str, Any] | None,
    *,
    release: PodProfile,
    operator_in_dir: str | None,
    enable_proxy: bool,
    no_proxy: str | None,
    environ: Mapping[str, str],
) -> dict[str, Any]:
    """Return an operator's ``env_vars``: rows 1 to 4 of runtime 6.2, in a separate dictionary.

    A copy, because classes write into a default that all their operators share (runtime 5.0, operators 2.1).

    Args:
        given: the operator's own variables.
        environ: of the process that reads the DAG file.

    Raises:
        KeyError: one of the platform's service URLs is missing in ``environ``.
    """
    env: dict[str, Any] = {name: str(environ.get(name)) for name in ("SERVICES_NAMESPACE", "ADMIN_NAMESPACE")}
    if release.env_extensions_namespace:
        env["EXTENSIONS_NAMESPACE"] = names.EXTENSIONS_NAMESPACE
    urls = {name: environ[name] for name in SERVICE_URLS}
    if release.env_service_urls:
        env.update(urls)
    if enable_proxy and environ.get("PROXY"):
        env["http_proxy"] = env["https_proxy"] = environ["PROXY"]
    if no_proxy is not None:
        env["no_proxy"] = no_proxy
    if operator_in_dir is not None:
        env["OPERATOR_IN_DIR"] = operator_in_dir
    return {**env, **(given or {})}


def merge(
    *, operator_env: Mapping[str, Any], gpu_device: str, workflow_form: Mapping[str, Any], core: Mapping[str, str]
) -> dict[str, Any]:
    """Return the plain variables, later rows of runtime 6.2 over earlier ones; values as the operator gave them.

    Args:
        operator_env: the operator's ``env_vars``, which hold rows 1 to 4.
    """
    env: dict[str, Any] = {**operator_env, "CUDA_VISIBLE_DEVICES": gpu_device}
    # Python's str(): True -> "True", None -> "None", lists in Python's notation
    env.update({str(key).upper(): str(value) for key, value in workflow_form.items()})
    env.update(core)
    return env


def find_overridden(
    *, operator_env: Mapping[str, Any], workflow_form: Mapping[str, Any], core: Iterable[str]
) -> list[str]:
    """Return the variables of other origin that a form value replaces, sorted.

    Args:
        operator_env: what the platform, the operator's place in the DAG and its author set (rows 1 to 4).
        core: names of row 7, which a form value cannot change: it has no effect at all.
    """
    form = {str(key).upper(): str(value) for key, value in workflow_form.items()}
    before = {**dict.fromkeys(core), **operator_env, **_PROCESS}
    return sorted(name for name, value in form.items() if name in before and before[name] != value)


def env_entries(env: Mapping[str, Any], *, secrets: Sequence[Any], namespace: str) -> list[Manifest]:
    """Return the container's ``env``: operator secrets, the platform's secrets, then the plain variables.

    In Kubernetes the last of two entries with one name counts; the earlier one is left out, so that every API
    server sees one entry.

    Raises:
        InvalidPodError: a name or a value that the API server would reject.
    """
    listed = [_secret_entry(secret) for secret in secrets] + platform_secrets(namespace)
    for name, value in env.items():
        if not naming.ENV_NAME.fullmatch(name):
            raise InvalidPodError(
                f"{name!r} is not a valid name of an environment variable: letters, digits, '_', '-' and '.' only"
            )
        if value is not None and not isinstance(value, str):
            raise InvalidPodError(
                f"the environment variable {name} is {value!r} ({type(value).__name__}): Kubernetes takes text only, "
                f"write {str(value)!r} in the operator's env_vars"
            )
        listed.append({"name": name, "value": value or ""})
    last = {entry["name"]: position for position, entry in enumerate(listed)}
    return [entry for position, entry in enumerate(listed) if last[entry["name"]] == position]


def platform_secrets(namespace: str) -> list[Manifest]:
    """Return the variables of a pod that refer to secrets of the platform (runtime 6.2, row 0)."""

    def reference(name: str, secret: str, key: str) -> Manifest:
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}

    client = reference("KAAPANA_CLIENT_SECRET", names.SECRET_OIDC_CLIENT, "oidc-client-secret")
    if namespace == names.SERVICES_NAMESPACE:
        return [
            reference("KAAPANA_PROJECT_USER_PASSWORD", names.SECRET_SYSTEM_USER, "system-user-password"),
            {"name": "KAAPANA_PROJECT_USER_NAME", "value": "system"},
            client,
        ]
    return [
        reference("KAAPANA_PROJECT_USER_PASSWORD", names.SECRET_PROJECT_USER, "project-user-password"),
        reference("KAAPANA_PROJECT_USER_NAME", names.SECRET_PROJECT_USER, "project-user"),
        client,
    ]


def _secret_entry(secret: Any) -> Manifest:
    """Read one of the operator's ``secrets``: a mapping, or a Kubernetes ``V1EnvVar`` by its attributes (runtime 5)."""
    if isinstance(secret, Mapping):
        return dict(secret)
    source = getattr(secret, "value_from", None)
    for kind, field in (("secretKeyRef", "secret_key_ref"), ("configMapKeyRef", "config_map_key_ref")):
        reference = getattr(source, field, None)
        if reference is not None:
            return {"name": secret.name, "valueFrom": {kind: {"name": reference.name, "key": reference.key}}}
    return {"name": secret.name, "value": getattr(secret, "value", None) or ""}
