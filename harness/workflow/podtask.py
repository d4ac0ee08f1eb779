# mypy: disable-error-code="import-not-found"
"""One execution of a pod operator: conf and parameters in, Airflow's exceptions and the outcome out (runtime 7)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from typing import Any, Final

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from harness.contract import names
from harness.kube.client import KubeApi
from harness.kube.errors import ApiError
from harness.workflow import interactive, naming, outcome, podrun, podspec, profile, resources
from harness.workflow.errors import (
    ClusterLostError,
    InvalidPodError,
    NotEmulatedError,
    PodNameTakenError,
    WorkflowError,
)
from harness.workflow.outcome import Outcome

_LOG: Final = logging.getLogger("airflow.task.kaapana")
"""Below Airflow's task logger, so that every line goes to the log of the task."""

_NEVER_AGAIN: Final = (InvalidPodError, PodNameTakenError, NotEmulatedError, interactive.InteractiveStepError)


def connect() -> KubeApi:
    """The API server of the cluster; a function, so that tests can put another in its place."""
    return KubeApi.in_cluster()


def job_scheduler_enabled() -> bool:
    """Airflow Variable ``enable_job_scheduler``: with it GPUs are not given out by a pool (runtime 2.4)."""
    from airflow.models import Variable

    return str(Variable.get("enable_job_scheduler", default_var="true")).lower() == "true"


def _pod_place(context: Any) -> tuple[str, str]:
    """Namespace and name of the pod of the context's task."""
    ti, conf = context["ti"], context["dag_run"].conf or {}
    namespace = podspec.namespace_of(getattr(ti.task, "namespace", None), context["params"], conf)
    return namespace, naming.pod_name(ti.run_id, ti.task_id)


def delete_pod_of(context: Any) -> None:
    """Delete the pod of a task that failed; a cluster that does not answer is only logged (runtime 7.3)."""
    namespace, name = _pod_place(context)
    try:
        podrun.delete_pod(connect(), namespace, name)
    except ApiError as error:
        _LOG.warning("the pod %s/%s was not deleted: %s", namespace, name, error)


class PodTask:
    """An attempt: ``operator`` is the KaapanaBaseOperator, ``context`` Airflow's."""

    def __init__(self, operator: Any, context: Any) -> None:
        self._operator = operator
        self._context = context
        self._conf: dict[str, Any] = context["dag_run"].conf or {}
        self._profile = profile.from_environment()
        self._pod: podrun.PodRun | None = None
        ti = context["ti"]
        self._names = podspec.RunNames(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            batch_name=operator.batch_name,
            operator_out_dir=operator.operator_out_dir,
        )
        self.namespace = podspec.namespace_of(operator.namespace, context["params"], self._conf)

    def run(self) -> None:
        """Run the pod; the outcome is written to the XCom in every case."""
        begin = time.monotonic()
        try:
            result = self._run_pod()
        except AirflowTaskTimeout:
            seconds = time.monotonic() - begin
            self._record(
                self._stopped(
                    "Timeout",
                    f"the task ran for {seconds:.1f} s, its execution_timeout is {self._operator.execution_timeout}",
                )
            )
            raise
        except WorkflowError as error:
            self._record(self._stopped(error.reason, str(error)))
            if isinstance(error, _NEVER_AGAIN):
                raise AirflowFailException(str(error)) from error
            raise AirflowException(str(error)) from error
        except ApiError as error:
            self._record(self._stopped(type(error).__name__, str(error)))
            raise AirflowException(f"the cluster did not do what it was asked: {error}") from error
        self._record(result)
        self._raise_for(result)

    def kill(self) -> None:
        """Delete the pod. May run inside a signal handler, so with a connection of its own."""
        if self._pod is None:
            return
        _LOG.info("deleting the pod %s/%s", self._pod.namespace, self._pod.name)
        try:
            podrun.delete_pod(connect(), self._pod.namespace, self._pod.name)
        except ApiError as error:
            _LOG.warning("the pod was not deleted: %s", error)

    # -- inner parts -------------------------------------------------------------------------------------

    def _run_pod(self) -> Outcome:
        api = connect()
        what = interactive.what(self._operator)
        manifest = self.manifest()
        if self._mounts_conf:
            podrun.ensure_configmap(api, podspec.configmap(self._names.run_id, self.namespace, self._conf))
        if what:
            session = self._interactive_session(api, manifest, what)
            self._pod = session.attempt
            return session.run()
        self._pod = podrun.PodRun(
            api,
            manifest,
            on_line=_LOG.info,
            startup_timeout_s=min(self._operator.startup_timeout_seconds, self._profile.startup_timeout_s),
        )
        self._pod.create()
        return self._pod.follow()

    def _interactive_session(self, api: KubeApi, manifest: podspec.Manifest, what: str) -> interactive.Session:
        operator = self._operator
        if operator.dev_server:
            interactive.check_environment(operator.env_vars)
        step = interactive.Step(
            what=what,
            dag_id=self._names.dag_id,
            run_id=self._names.run_id,
            task_id=self._names.task_id,
            display_name=operator.display_name,
            folder=self._names.workflow_dir,
        )
        timeout_s = min(operator.startup_timeout_seconds, self._profile.startup_timeout_s)
        return interactive.Session(api, manifest, step, on_line=_LOG.info, startup_timeout_s=timeout_s)

    @property
    def _mounts_conf(self) -> bool:
        # runtime 6.3: the cleaner removes the folder that the conf would be mounted into
        return not getattr(self._operator, "clean_workflow_dir", False)

    def manifest(self) -> podspec.Manifest:
        """The pod of this attempt.

        Raises:
            InvalidPodError: the operator has no image, or a variable that the API server would reject.
        """
        operator = self._operator
        image = operator.image
        if not image and operator.launch_application_chart:
            # runtime 7.6: it needs none on the platform; any that can hold a shell will do
            image = _platform_image("workflow-cleaner")
        if not image:
            raise InvalidPodError(f"the operator of {self._names.task_id} has no image")
        env = podspec.merged_env(
            base=self._base_env(),
            proxy=self._proxy_env(),
            operator_in_dir=getattr(operator, "operator_in_dir", None),
            operator_env=operator.env_vars,
            gpu_device="0" if operator.gpu_mem_mb else "",
            workflow_form=self._conf.get("workflow_form") or {},
            core=self._names.core,
        )
        entries = podspec.env_list(env, secrets=operator.secrets, namespace=self.namespace)
        _LOG.info("environment: %s", {entry["name"]: entry.get("value", "(secret)") for entry in entries})
        _LOG.info("annotations: %s", operator.annotations)
        honoured = self._profile.cmds_honoured
        if (operator.cmds or operator.arguments) and not honoured:
            _LOG.warning("cmds and arguments are not passed on by this release: the image's own command runs")
        return podspec.pod(
            self._names,
            namespace=self.namespace,
            image=image,
            env=entries,
            resources=resources.pod_resources(
                ram_mem_mb=operator.ram_mem_mb,
                ram_mem_mb_lmt=operator.ram_mem_mb_lmt,
                cpu_millicores=operator.cpu_millicores,
                gpu=bool(operator.gpu_mem_mb),
                factor=self._profile.memory_factor,
                given=operator.pod_resources,
            ),
            labels=operator.labels,
            annotations=operator.annotations,
            pull_secrets=operator.image_pull_secrets,
            pull_policy=operator.image_pull_policy if self._profile.pull_policy_honoured else None,
            command=_words(operator.cmds) if honoured else None,
            args=_words(operator.arguments) if honoured else None,
            with_conf=self._mounts_conf,
            clean_output_with=self._output_cleaner(),
        )

    def _base_env(self) -> dict[str, str]:
        return {
            "SERVICES_NAMESPACE": os.environ.get("SERVICES_NAMESPACE", names.SERVICES_NAMESPACE),
            "ADMIN_NAMESPACE": os.environ.get("ADMIN_NAMESPACE", names.ADMIN_NAMESPACE),
            **self._operator.service_urls,
        }

    def _proxy_env(self) -> dict[str, str]:
        env: dict[str, str] = {}
        proxy = os.environ.get("PROXY")
        if self._operator.enable_proxy and proxy:
            env["http_proxy"] = env["https_proxy"] = proxy
        if self._operator.no_proxy is not None:
            env["no_proxy"] = self._operator.no_proxy
        return env

    def _output_cleaner(self) -> str | None:
        """Image of the container that removes old output, where there can be any.

        Airflow does not see the project's volume, so a container has to do it; and only a later attempt can find
        output of its own: the first one of a run would pay a container's start for nothing.
        """
        wanted = self._operator.delete_output_on_start and self._profile.delete_output_on_start
        if not wanted or self._context["ti"].try_number <= 1 or not self._mounts_conf:
            return None
        out_dir = self._names.operator_out_dir
        if out_dir.strip("/") in ("", ".", "..") or "/../" in f"/{out_dir}/":
            _LOG.warning("the output folder %r is not removed: it leaves the task's place", out_dir)
            return None
        return _platform_image("workflow-cleaner")

    def _stopped(self, reason: str, message: str) -> Outcome:
        if self._pod is not None:
            return self._pod.interrupted(reason, message)
        return Outcome(
            reason=reason,
            message=message,
            image=self._operator.image or "",
            namespace=self.namespace,
            pod=naming.pod_name(self._names.run_id, self._names.task_id),
        )

    def _record(self, result: Outcome) -> None:
        # its own transaction: Airflow drops what a failing execute() returns, this must stay
        self._context["ti"].xcom_push(key=outcome.XCOM_KEY, value=result.as_dict())

    def _raise_for(self, result: Outcome) -> None:
        if result.reason == "Completed":
            return
        if result.reason == "Skipped":
            raise AirflowSkipException(result.message)
        if result.reason in outcome.START_FAILURES:
            raise AirflowFailException(result.message)
        raise AirflowException(result.message)


def _platform_image(name: str) -> str:
    """Reference of an image of the platform (runtime 14)."""
    return f"{os.environ.get('DEFAULT_REGISTRY')}/{name}:{os.environ.get('KAAPANA_BUILD_VERSION')}"


def _words(value: Any) -> list[str] | None:
    """``cmds`` and ``arguments`` may be one text or a list (runtime 5)."""
    if value is None:
        return None
    return [value] if isinstance(value, str) else [str(word) for word in value]


def delete_configmap(context: Mapping[str, Any]) -> None:
    """Remove the run's ConfigMap; a missing one is fine (runtime 7.7)."""
    operator, conf = context["ti"].task, context["dag_run"].conf or {}
    namespace = podspec.namespace_of(operator.namespace, context["params"], conf)
    try:
        connect().delete("ConfigMap", namespace, naming.configmap_name(context["run_id"]))
    except ApiError as error:
        if error.status != 404:
            raise AirflowException(f"the ConfigMap of the run was not removed: {error}") from error


__all__ = ["ClusterLostError", "PodTask", "connect", "delete_configmap", "delete_pod_of", "job_scheduler_enabled"]
