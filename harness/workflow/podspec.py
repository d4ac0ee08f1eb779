"""The pod and the ConfigMap of a task, as Kubernetes manifests (runtime 6)."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.contract import names
from harness.workflow import naming
from harness.workflow.errors import InvalidPodError

Manifest = dict[str, Any]

CONTAINER: Final = "main"
ANNOTATION_TASK: Final = "kaapana-harness/task"
CLEANER_CONTAINER: Final = "delete-output-on-start"

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

_ENV_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


@dataclasses.dataclass(frozen=True)
class RunNames:
    """Where a task stands: its run, and the folders of that run as the container sees them."""

    dag_id: str
    run_id: str
    task_id: str
    batch_name: str
    operator_out_dir: str

    @property
    def workflow_dir(self) -> str:
        """The run's folder in the container (runtime 8)."""
        return f"{names.PROCESSING_WORKFLOW_DIR}/{self.run_id}"

    @property
    def core(self) -> dict[str, str]:
        """The variables that nothing can override (runtime 6.2 row 7)."""
        return {
            "RUN_ID": self.run_id,
            "DAG_ID": self.dag_id,
            "TASK_ID": self.task_id,
            "WORKFLOW_DIR": self.workflow_dir,
            "BATCH_NAME": self.batch_name,
            "OPERATOR_OUT_DIR": self.operator_out_dir,
            "BATCHES_INPUT_DIR": f"{self.workflow_dir}/{self.batch_name}",
        }


def namespace_of(operator_namespace: str | None, params: Mapping[str, Any], conf: Mapping[str, Any]) -> str:
    """The pod's namespace: federated runs, the operator's own, the project's, ``project-admin`` (runtime 6.1)."""
    if conf.get("federated_form"):
        return names.SERVICES_NAMESPACE
    if operator_namespace:
        return operator_namespace
    project = params.get("project_form") or {}
    namespace = project.get("kubernetes_namespace") if isinstance(project, Mapping) else None
    return str(namespace or names.project_namespace("admin"))


def merged_env(
    *,
    base: Mapping[str, str],
    proxy: Mapping[str, str],
    operator_in_dir: str | None,
    operator_env: Mapping[str, Any],
    gpu_device: str,
    workflow_form: Mapping[str, Any],
    core: Mapping[str, str],
) -> dict[str, Any]:
    """The plain variables, later rows of runtime 6.2 over earlier ones; values as the operator gave them."""
    env: dict[str, Any] = {**base, **proxy}
    if operator_in_dir is not None:
        env["OPERATOR_IN_DIR"] = operator_in_dir
    env.update(operator_env)
    env["CUDA_VISIBLE_DEVICES"] = gpu_device
    # Python's str(): True -> "True", None -> "None", lists in Python's notation
    env.update({str(key).upper(): str(value) for key, value in workflow_form.items()})
    env.update(core)
    return env


def env_list(env: Mapping[str, Any], *, secrets: Sequence[Any], namespace: str) -> list[Manifest]:
    """The container's ``env``: operator secrets, the platform's secrets, then the plain variables.

    In Kubernetes the last of two entries with one name counts; the earlier one is left out, so that every API
    server sees one entry.

    Raises:
        InvalidPodError: a name or a value that the API server would reject.
    """
    entries = [_secret_entry(secret) for secret in secrets] + _platform_secrets(namespace)
    for name, value in env.items():
        if not _ENV_NAME.fullmatch(name):
            raise InvalidPodError(
                f"{name!r} is no valid name of an environment variable: letters, digits, '_', '-' and '.' only"
            )
        if value is not None and not isinstance(value, str):
            raise InvalidPodError(
                f"the environment variable {name} is {value!r} ({type(value).__name__}): Kubernetes takes text only, "
                f"write {str(value)!r} in the operator's env_vars"
            )
        entries.append({"name": name, "value": value or ""})
    last = {entry["name"]: position for position, entry in enumerate(entries)}
    return [entry for position, entry in enumerate(entries) if last[entry["name"]] == position]


def _platform_secrets(namespace: str) -> list[Manifest]:
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
    """One of the operator's ``secrets``: a mapping, or a Kubernetes ``V1EnvVar`` by its attributes (runtime 5)."""
    if isinstance(secret, Mapping):
        return dict(secret)
    source = getattr(secret, "value_from", None)
    for kind, field in (("secretKeyRef", "secret_key_ref"), ("configMapKeyRef", "config_map_key_ref")):
        reference = getattr(source, field, None)
        if reference is not None:
            return {"name": secret.name, "valueFrom": {kind: {"name": reference.name, "key": reference.key}}}
    return {"name": secret.name, "value": getattr(secret, "value", None) or ""}


def volumes(run_id: str, namespace: str, *, with_conf: bool) -> tuple[list[Manifest], list[Manifest]]:
    """Volumes and their mounts, in the platform's order (runtime 6.3)."""
    table: list[tuple[str, Manifest, Manifest]] = []
    if with_conf:
        path = f"{names.PROCESSING_WORKFLOW_DIR}/{run_id}/conf/conf.json"
        table.append(
            (
                "workflowconf",
                {"configMap": {"name": naming.configmap_name(run_id)}},
                {"mountPath": path, "subPath": "conf.json", "readOnly": True},
            )
        )
    claims = [
        ("workflowdata", names.PVC_WORKFLOW_DATA, names.PROCESSING_WORKFLOW_DIR),
        ("models", names.PVC_MODELS, "/models"),
    ]
    if namespace != names.SERVICES_NAMESPACE:
        claims.append(("tensorboard", names.PVC_TENSORBOARD, "/tensorboard"))
    for name, claim, path in claims:
        table.append((name, {"persistentVolumeClaim": {"claimName": claim}}, {"mountPath": path}))
    table.append(("dshm", {"emptyDir": {"medium": "Memory"}}, {"mountPath": "/dev/shm"}))
    return (
        [{"name": name, **source} for name, source, _ in table],
        [{"name": name, **mount} for name, _, mount in table],
    )


def configmap(run_id: str, namespace: str, conf: Mapping[str, Any]) -> Manifest:
    """The run's conf as the containers read it: indented by 4, keys sorted (runtime 6.5).

    Raises:
        InvalidPodError: the run id cannot be the name of a ConfigMap.
    """
    problem = naming.configmap_problem(run_id)
    if problem:
        raise InvalidPodError(problem)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": naming.configmap_name(run_id),
            "namespace": namespace,
            "labels": {"app": "kaapana", names.LABEL_RUN_ID: run_id},
        },
        "data": {"conf.json": json.dumps(conf, indent=4, sort_keys=True)},
    }


def pod(
    run: RunNames,
    *,
    namespace: str,
    image: str,
    env: list[Manifest],
    resources: Manifest,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    pull_secrets: Sequence[str],
    pull_policy: str | None,
    command: Sequence[str] | None,
    args: Sequence[str] | None,
    with_conf: bool,
    clean_output_with: str | None,
) -> Manifest:
    """The task's pod (runtime 6.1).

    Args:
        pull_policy, command, args: ``None`` where the release does not pass them on.
        clean_output_with: image of an init container that removes the task's output folders, or ``None``.
    """
    mounted, mounts = volumes(run.run_id, namespace, with_conf=with_conf)
    container: Manifest = {
        "name": CONTAINER,
        "image": image,
        "env": env,
        "resources": resources,
        "volumeMounts": mounts,
    }
    for key, value in (("command", command), ("args", args), ("imagePullPolicy", pull_policy)):
        if value:
            container[key] = list(value) if not isinstance(value, str) else value
    spec: Manifest = {
        "restartPolicy": "Never",
        "imagePullSecrets": [{"name": name} for name in pull_secrets],
        "containers": [container],
        "volumes": mounted,
    }
    if clean_output_with:
        spec["initContainers"] = [_output_cleaner(run, clean_output_with, mounts)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": naming.pod_name(run.run_id, run.task_id),
            "namespace": namespace,
            "labels": {
                **labels,
                names.LABEL_TYPE: names.LABEL_TYPE_PROCESSING,
                names.LABEL_RUN_ID: naming.run_id_label(run.run_id),
            },
            "annotations": {**annotations, ANNOTATION_TASK: f"{run.run_id}/{run.task_id}"},
        },
        "spec": spec,
    }


def _output_cleaner(run: RunNames, image: str, mounts: list[Manifest]) -> Manifest:
    data = [mount for mount in mounts if mount["name"] == "workflowdata"]
    # runtime 7.8: <run>/<batch>/*/<out dir> and <run>/<out dir>
    script = 'rm -rf -- "$WORKFLOW_DIR/$OPERATOR_OUT_DIR" "$WORKFLOW_DIR/$BATCH_NAME"/*/"$OPERATOR_OUT_DIR"'
    wanted = ("WORKFLOW_DIR", "BATCH_NAME", "OPERATOR_OUT_DIR")
    return {
        "name": CLEANER_CONTAINER,
        "image": image,
        "command": ["sh", "-c", script],
        "env": [{"name": name, "value": run.core[name]} for name in wanted],
        "resources": {"requests": {"memory": "50Mi"}, "limits": {"memory": "100Mi"}},
        "volumeMounts": data,
    }
