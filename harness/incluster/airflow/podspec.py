"""The pod and the ConfigMap of a task, as Kubernetes manifests (runtime 6)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.incluster.airflow.errors import InvalidPodError
from harness.incluster.airflow.profile import PodProfile
from harness.kube import Manifest
from harness.wire import names, naming
from harness.wire.annotations import ANNOTATION_TASK, task_mark

CLEANER_CONTAINER: Final = "delete-output-on-start"


@dataclasses.dataclass(frozen=True)
class RunNames:
    """Where a task belongs: its run, and the folders of that run as the container sees them."""

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


def namespace_of(
    operator_namespace: str | None, params: Mapping[str, Any], conf: Mapping[str, Any], *, honoured: bool = True
) -> str:
    """Return the pod's namespace: federated runs, the operator's own, the project's, ``project-admin`` (runtime 6.1).

    Args:
        honoured: whether the release takes the operator's own (``pod.namespace_honoured``).
    """
    if conf.get("federated_form"):
        return names.SERVICES_NAMESPACE
    if operator_namespace and honoured:
        return operator_namespace
    project = params.get("project_form") or {}
    namespace = project.get("kubernetes_namespace") if isinstance(project, Mapping) else None
    return str(namespace or names.project_namespace("admin"))


def volumes(
    run_id: str, namespace: str, release: PodProfile, *, with_conf: bool
) -> tuple[list[Manifest], list[Manifest]]:
    """Return the volumes and their mounts, in the platform's order (runtime 6.3)."""
    table: list[tuple[str, Manifest, Manifest]] = []
    if with_conf:
        # a cured id is another folder than WORKFLOW_DIR: there is no conf.json at the usual path (task-api 1.3)
        folder = naming.run_id_of_0_6_1(run_id) if release.conf_name == "cured" else run_id
        path = f"{names.PROCESSING_WORKFLOW_DIR}/{folder}/conf/conf.json"
        table.append(
            (
                "workflowconf",
                {"configMap": {"name": conf_name(run_id, release)}},
                {"mountPath": path, "subPath": "conf.json", "readOnly": True},
            )
        )
    claims = [
        ("workflowdata", names.PVC_WORKFLOW_DATA, names.PROCESSING_WORKFLOW_DIR),
        ("models", names.PVC_MODELS, "/models"),
    ]
    if namespace != names.SERVICES_NAMESPACE:
        if release.mounted_scripts:
            claims.append(("mounted-scripts", names.PVC_MOUNTED_SCRIPTS, names.MOUNTED_SCRIPTS_DIR))
        claims.append(("tensorboard", names.PVC_TENSORBOARD, "/tensorboard"))
    for name, claim, path in claims:
        table.append((name, {"persistentVolumeClaim": {"claimName": claim}}, {"mountPath": path}))
    table.append(("dshm", {"emptyDir": {"medium": "Memory"}}, {"mountPath": "/dev/shm"}))
    return (
        [{"name": name, **source} for name, source, _ in table],
        [{"name": name, **mount} for name, _, mount in table],
    )


def conf_name(run_id: str, release: PodProfile) -> str:
    """Return the name of the run's ConfigMap; cured where the release writes a file instead (runtime 6.5)."""
    return naming.configmap_name(_id_of_conf(run_id, release))


def _id_of_conf(run_id: str, release: PodProfile) -> str:
    if release.conf == "file":
        return naming.cured_run_id(run_id)
    return naming.run_id_of_0_6_1(run_id) if release.conf_name == "cured" else run_id


def configmap(run_id: str, namespace: str, conf: Mapping[str, Any], release: PodProfile) -> Manifest:
    """Return the run's conf as the containers read it: indented by 4, keys sorted (runtime 6.5).

    Raises:
        InvalidPodError: the run id cannot be the name of a ConfigMap.
    """
    name, label = conf_name(run_id, release), _id_of_conf(run_id, release)
    if problem := naming.configmap_problem(label):
        raise InvalidPodError(problem)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": "kaapana", names.LABEL_RUN_ID: label},
        },
        "data": {"conf.json": json.dumps(conf, indent=4, sort_keys=True)},
    }


def pod_name(run: RunNames, release: PodProfile) -> str:
    """Return the name of a new pod of the task (runtime 6.1)."""
    if release.name == "task-timestamp":
        return naming.timed_pod_name(run.task_id)
    return naming.pod_name(run.run_id, run.task_id)


def run_label(run_id: str, release: PodProfile) -> str:
    """Return the value of the pod's label ``run_id``."""
    label = naming.run_id_label(run_id)
    return naming.cured_run_id(run_id) if release.conf == "file" and len(label) > 63 else label


def pod(
    run: RunNames,
    release: PodProfile,
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
    scheduling: Mapping[str, Any],
    with_conf: bool,
    clean_output_with: str | None,
) -> Manifest:
    """Return the task's pod (runtime 6.1).

    Args:
        release: decides names, labels and volumes.
        pull_policy, command, args: ``None`` where the release does not pass them on.
        scheduling: further fields of the pod's ``spec``; empty ones are dropped.
        clean_output_with: image of an init container that removes the task's output folders, or ``None``.
    """
    mounted, mounts = volumes(run.run_id, namespace, release, with_conf=with_conf)
    name = pod_name(run, release)
    container: Manifest = {
        "name": name if release.container_name == "pod" else release.container_name,
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
        **{key: value for key, value in scheduling.items() if value},
    }
    if clean_output_with:
        spec["initContainers"] = [_remover(run, run.operator_out_dir, clean_output_with, mounts)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                **labels,
                release.type_label: names.LABEL_TYPE_PROCESSING,
                names.LABEL_RUN_ID: run_label(run.run_id, release),
            },
            "annotations": {**annotations, ANNOTATION_TASK: task_mark(run.run_id, run.task_id)},
        },
        "spec": spec,
    }


def input_remover(manifest: Manifest, run: RunNames, operator_in_dir: str, image: str) -> Manifest:
    """Return a pod that removes what an ended task has read (``delete_input_on_success``, runtime 7.8).

    Args:
        manifest: the pod of the task.
        image: has a shell.
    """
    metadata, spec = manifest["metadata"], manifest["spec"]
    mounts = spec["containers"][0]["volumeMounts"]
    container = {**_remover(run, operator_in_dir, image, mounts), "name": "delete-input-on-success"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{metadata['name'][:54].rstrip('-.')}-input",
            "namespace": metadata["namespace"],
            "labels": dict(metadata["labels"]),
            "annotations": {ANNOTATION_TASK: f"{metadata['annotations'][ANNOTATION_TASK]} (its input)"},
        },
        "spec": {
            "restartPolicy": "Never",
            "imagePullSecrets": spec["imagePullSecrets"],
            "containers": [container],
            "volumes": [volume for volume in spec["volumes"] if volume["name"] == "workflowdata"],
        },
    }


def _remover(run: RunNames, folder: str, image: str, mounts: list[Manifest]) -> Manifest:
    data = [mount for mount in mounts if mount["name"] == "workflowdata"]
    # runtime 7.8: <run>/<batch>/*/<dir> and <run>/<dir>
    script = 'rm -rf -- "$WORKFLOW_DIR/$FOLDER" "$WORKFLOW_DIR/$BATCH_NAME"/*/"$FOLDER"'
    env = {"WORKFLOW_DIR": run.workflow_dir, "BATCH_NAME": run.batch_name, "FOLDER": folder}
    return {
        "name": CLEANER_CONTAINER,
        "image": image,
        "command": ["sh", "-c", script],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "resources": {"requests": {"memory": "50Mi"}, "limits": {"memory": "100Mi"}},
        "volumeMounts": data,
    }
