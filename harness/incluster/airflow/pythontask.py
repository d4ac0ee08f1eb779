# mypy: disable-error-code="import-not-found"
"""The Python code of a DAG in a pod of the project, where it sees the project's data (runtime 3).

The platform's KubernetesExecutor starts such a pod for the whole task. Here the task stays with the scheduler, which
makes the pod by the same way as that of a container, and :mod:`harness.incluster.airflow.worker` in it calls the
callable.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import Any, Final

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from harness.incluster.airflow import callbacks, outcome, podenv, podrun, podspec, podtask, profile
from harness.incluster.airflow.errors import NotEmulatedError, WorkflowError
from harness.kube import Manifest
from harness.kube.errors import ApiError
from harness.wire import names, naming, reasons
from harness.wire.annotations import ANNOTATION_TASK, task_mark
from harness.wire.outcome import XCOM_KEY, Outcome

_LOG: Final = logging.getLogger("airflow.task.kaapana")

IN_WORKER: Final = "KAAPANA_HARNESS_WORKER"

SERVICE_TAGS: Final = frozenset({"service", "import"})
"""DAGs with one of these tags run in the scheduler (runtime 3)."""

_STARTUP_S: Final = 3600.0
_RESOURCES: Final = {"requests": {"memory": "10Mi"}, "limits": {"memory": "10Gi"}}  # runtime 3
_PLAIN: Final = (  # runtime 2.5, column K
    "ADMIN_NAMESPACE", "SERVICES_NAMESPACE", "EXTENSIONS_NAMESPACE", "AIRFLOW_HOME", "DATADIR", "MODELDIR", "MINIODIR",
    "DEFAULT_REGISTRY", "KAAPANA_BUILD_VERSION", "GPU_SUPPORT", "INSTANCE_NAME", "INSTANCE_ID", "HOSTDOMAIN",
    "HTTPS_PORT", "PROXY", "http_proxy", "https_proxy", "no_proxy", "MINIOUSER", "MINIOPASSWORD",
    "KAAPANA_PROJECT_USER_NAME", "OPENSEARCH_HOST", "OPENSEARCH_PORT", "SMTP_HOST", "SMTP_PORT", "SMTP_USERNAME",
    "SMTP_PASSWORD", "EMAIL_ADDRESS_SENDER", "SQL_ALCHEMY_CONN", names.PROFILE_VARIABLE, names.DAGS_TOKEN_VARIABLE,
    *podenv.SERVICE_URLS,
)  # fmt: skip
_SECRET: Final = {  # secrets that every project has, too (runtime 12)
    "OIDC_CLIENT_SECRET": (names.SECRET_OIDC_CLIENT, "oidc-client-secret"),
    "KAAPANA_CLIENT_SECRET": (names.SECRET_OIDC_CLIENT, "oidc-client-secret"),
    "SYSTEM_USER_PASSWORD": (names.SECRET_SYSTEM_USER, "system-user-password"),
    "KAAPANA_PROJECT_USER_PASSWORD": (names.SECRET_SYSTEM_USER, "system-user-password"),
}


class PythonTaskOperator:
    """What the operators that call Python have in common, whether or not they branch.

    Attributes:
        not_emulated: why an operator of the platform imports but cannot run; empty for operators that can.
    """

    not_emulated = ""
    running: PythonTask | None = None

    def on_kill(self) -> None:
        """Delete the pod: the task timed out, or its run was aborted."""
        if self.running is not None:
            self.running.kill()

    @staticmethod
    def on_failure(context: Any) -> None:
        """Notify the users after the final failure."""
        callbacks.handle_final_failure(context)


def take_annotations(operator: str, dag: Any, kwargs: dict[str, Any]) -> None:
    """Remove the parameter ``annotations`` where the release has it: it is lost, or ends the import (task-api 1.1).

    Raises:
        AttributeError: 0.6.1 reads ``executor_config`` before it exists, but in service and import DAGs.
    """
    if profile.from_environment().python.annotations != "broken" or "annotations" not in kwargs:
        return
    if kwargs.pop("annotations") and not runs_in_scheduler(dag, branch=False):
        raise AttributeError(f"{operator!r} object has no attribute 'executor_config' (annotations= on release 0.6.1)")


def runs_in_scheduler(dag: Any, *, branch: bool) -> bool:
    """Return whether the code runs beside the scheduler and sees the data of ``services`` (runtime 3)."""
    release = profile.from_environment().python
    if branch and not release.branch_sees_project:
        return True
    return release.service_dags_in_scheduler and bool(SERVICE_TAGS & set(dag.tags or ()))


def refuse(operator: Any, context: Any) -> None:
    """Fail a task whose operator only has the signature of the platform's.

    Raises:
        AirflowFailException: always, with what is not emulated; no retries.
    """
    error = NotEmulatedError(f"{operator.task_id} cannot run here: {operator.not_emulated}")
    context["ti"].xcom_push(key=XCOM_KEY, value=Outcome(reason=error.reason, message=str(error)).as_json())
    raise AirflowFailException(str(error))


class PythonTask:
    """One attempt of a Python operator."""

    def __init__(self, operator: Any, context: Any, *, branch: bool = False) -> None:
        self._branch = branch
        self._operator = operator
        self._context = context
        self._pod: podrun.PodRun | None = None
        self.namespace = podspec.namespace_of(None, context["params"], context["dag_run"].conf or {})

    def run(self) -> Any:
        """Call the callable in a pod, and return its result.

        Raises:
            AirflowSkipException, AirflowFailException: the callable raised it.
            AirflowException: it raised something else, or the pod did not come to an end of its own.
        """
        try:
            result = self._run_pod()
        except AirflowTaskTimeout:
            limit = self._operator.execution_timeout
            ended = self._end_early(reasons.TIMEOUT, f"the task ran longer, its execution_timeout is {limit}")
            self._record(dataclasses.replace(ended, timeout_s=limit.total_seconds() if limit else None))
            raise
        except (WorkflowError, ApiError) as error:
            self._record(self._end_early(getattr(error, "reason", type(error).__name__), str(error)))
            raise AirflowException(str(error)) from error
        ti = self._context["ti"]
        end = ti.xcom_pull(task_ids=ti.task_id, key=outcome.XCOM_END) or {}
        if result.exit_code and result.reason != reasons.OUT_OF_MEMORY:
            reason = reasons.SKIPPED if end.get("kind") == "skip" else reasons.ERROR
            # an exit code would point at a container of the author; this is Airflow's own
            result = dataclasses.replace(result, reason=reason, message=end.get("text", ""), exit_code=None)
        self._record(result)
        if result.reason == reasons.COMPLETED:
            return ti.xcom_pull(task_ids=ti.task_id, key=outcome.XCOM_RETURN)
        kind = {"skip": AirflowSkipException, "fail": AirflowFailException}.get(end.get("kind", ""), AirflowException)
        raise kind(result.message or "the code did not come to its end, see the log above")

    def kill(self) -> None:
        """Delete the pod, with a new connection, because this may run inside a signal handler."""
        if self._pod is not None:
            try:
                podrun.delete_pod(podtask.connect(), self._pod.namespace, self._pod.name)
            except ApiError as error:
                _LOG.warning("the pod was not deleted: %s", error)

    # -- inner parts -------------------------------------------------------------------------------------

    def _run_pod(self) -> Outcome:
        api = podtask.connect()
        self._pod = podrun.PodRun(api, self.manifest(), on_line=_LOG.info, startup_timeout_s=_STARTUP_S)
        self._pod.create()
        result = self._pod.follow()
        podrun.delete_pod(api, self._pod.namespace, self._pod.name)
        return result

    def manifest(self) -> Manifest:
        """Return the pod: Airflow's image with the claims of the namespace where Airflow has its own (runtime 2.6)."""
        ti = self._context["ti"]
        claims = {"workflow-data": names.PVC_WORKFLOW_DATA, "models": names.PVC_MODELS}
        folders = {"workflow-data": names.AIRFLOW_WORKFLOW_DIR, "models": f"{names.WORKFLOWS_HOME}/models"}
        environ = {name: os.environ[name] for name in _PLAIN if name in os.environ}
        environ |= {IN_WORKER: "1", "NAMESPACE": self.namespace}
        image = os.environ.get(names.AIRFLOW_IMAGE_VARIABLE)
        if not image:
            raise WorkflowError(f"{names.AIRFLOW_IMAGE_VARIABLE} is not set: the scheduler does not know its own image")
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": naming.worker_name(ti.run_id, ti.task_id),
                "namespace": self.namespace,
                "labels": {
                    names.LABEL_TYPE: names.LABEL_TYPE_PROCESSING,
                    "kaapana.type": names.LABEL_TYPE_PROCESSING,
                    "kaapana.ai/project-namespace": self.namespace,
                    names.LABEL_RUN_ID: naming.run_id_label(ti.run_id)[:63],
                },
                "annotations": {ANNOTATION_TASK: task_mark(ti.run_id, ti.task_id)},
            },
            "spec": {
                "restartPolicy": "Never",
                "imagePullSecrets": [{"name": names.SECRET_REGISTRY}],
                "containers": [
                    {
                        "name": "base",
                        "image": image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python", "-m", "harness.incluster.airflow.worker"],
                        "args": [self._operator.dag.fileloc, ti.dag_id, ti.run_id, ti.task_id],
                        "env": [
                            *({"name": name, "value": value} for name, value in environ.items()),
                            *(
                                {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
                                for name, (secret, key) in _SECRET.items()
                            ),
                        ],
                        "resources": _RESOURCES,
                        "volumeMounts": [{"name": name, "mountPath": path} for name, path in folders.items()],
                    }
                ],
                "volumes": [
                    {"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in claims.items()
                ],
            },
        }

    def _end_early(self, reason: str, message: str) -> Outcome:
        if self._pod is not None:
            return self._pod.interrupt(reason, message)
        return Outcome(reason=reason, message=message, namespace=self.namespace)

    def _record(self, result: Outcome) -> None:
        # the image is Airflow's own and none of the author's
        ti = self._context["ti"]
        looked = self._branch and bool(ti.xcom_pull(task_ids=ti.task_id, key=outcome.XCOM_LOOKED))
        recorded = dataclasses.replace(result, image="", branch=looked)
        ti.xcom_push(key=XCOM_KEY, value=recorded.as_json())
