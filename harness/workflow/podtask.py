# mypy: disable-error-code="import-not-found"
"""One execution of a pod operator: conf and parameters in, Airflow's exceptions and the outcome out (runtime 7)."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import time
from collections.abc import Mapping
from typing import Any, Final

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from harness.contract import names
from harness.kube import KubeApi, in_cluster
from harness.kube.errors import ApiError
from harness.workflow import interactive, outcome, podenv, podrun, podspec, profile, resources
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

DEFAULT_PRIORITY_CLASS: Final = "kaapana-low-priority"

_NEVER_AGAIN: Final = (InvalidPodError, PodNameTakenError, NotEmulatedError, interactive.InteractiveStepError)


def connect() -> KubeApi:
    """The API server of the cluster; a function, so that tests can put another in its place."""
    return in_cluster()


@functools.cache
def job_scheduler_enabled() -> bool:
    """Airflow Variable ``enable_job_scheduler``: with it GPUs are not given out by a pool (runtime 2.4).

    Asked once in a process: those that parse DAG files live for one file.
    """
    from airflow.models import Variable

    return str(Variable.get("enable_job_scheduler", default_var="true")).lower() == "true"


def namespace_for(operator: Any, context: Any) -> str:
    """The namespace in which a task's pod lives (runtime 6.1)."""
    return podspec.namespace_of(
        getattr(operator, "namespace", None),
        context["params"],
        context["dag_run"].conf or {},
        honoured=profile.from_environment().pod.namespace_honoured,
    )


def delete_pod_of(context: Any) -> None:
    """Delete the pod of a task that failed; a cluster that does not answer is only logged (runtime 7.3)."""
    ti, release = context["ti"], profile.from_environment().pod
    namespace = namespace_for(ti.task, context)
    label, mark = podspec.run_label(ti.run_id, release), podspec.task_mark(ti.run_id, ti.task_id)
    try:
        podrun.delete_pods_of(connect(), namespace, label, mark)
    except ApiError as error:
        _LOG.warning("the pod of %s in %s was not deleted: %s", mark, namespace, error)


class PodTask:
    """An attempt: ``operator`` is the KaapanaBaseOperator, ``context`` Airflow's."""

    def __init__(self, operator: Any, context: Any) -> None:
        self._operator = operator
        self._context = context
        self._conf: dict[str, Any] = context["dag_run"].conf or {}
        self._profile = profile.from_environment().pod
        self._pod: podrun.PodRun | None = None
        ti = context["ti"]
        self._names = podspec.RunNames(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            batch_name=operator.batch_name,
            operator_out_dir=operator.operator_out_dir,
        )
        self.namespace = namespace_for(operator, context)
        self._overridden: list[str] = []

    def run(self) -> None:
        """Run the pod; the outcome is written to the XCom in every case."""
        begin = time.monotonic()
        try:
            self._refuse_what_is_not_emulated()
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

    def _refuse_what_is_not_emulated(self) -> None:
        operator = self._operator
        if operator.not_emulated:
            raise NotEmulatedError(f"{self._names.task_id} cannot run here: {operator.not_emulated}")
        if operator.xcom_push_flag and self._profile.xcom_honoured:
            raise NotEmulatedError(
                f"{self._names.task_id} has xcom_push=True: the return value of a container is not emulated; releases "
                "since 0.6.0 ignore it, so write a file to the output folder instead"
            )
        if operator.manage_cache != "ignore" and self._profile.cache_honoured:
            _LOG.warning("manage_cache=%r: the cache is always empty here, so the task runs", operator.manage_cache)

    def _run_pod(self) -> Outcome:
        api = connect()
        what = interactive.what(self._operator)
        manifest = self.manifest()
        if self._mounts_conf:
            podrun.ensure_configmap(
                api, podspec.configmap(self._names.run_id, self.namespace, self._conf, self._profile)
            )
        if what:
            session = self._interactive_session(api, manifest, what)
            self._pod = session.attempt
            return session.run()
        self._pod = podrun.PodRun(
            api,
            manifest,
            on_line=_LOG.info if self._operator.get_logs or not self._profile.get_logs_honoured else _unheard,
            startup_timeout_s=self._operator.startup_timeout_seconds,
            replaces_ended=self._profile.existing_pod == "replaced",
        )
        self._pod.create()
        result = self._pod.follow()
        if result.reason == "Skipped" and self._profile.skipped_pod == "deleted":
            podrun.delete_pod(api, self.namespace, self._pod.name)
        if result.reason == "Completed":
            self._remove_input(api, manifest)
        return result

    def _remove_input(self, api: KubeApi, manifest: podspec.Manifest) -> None:
        """``delete_input_on_success``, on releases that do it; by a pod, because Airflow does not see the volume."""
        folder = getattr(self._operator, "operator_in_dir", None)
        if not (self._operator.delete_input_on_success and self._profile.delete_input_on_success and folder):
            return
        if not _stays_inside(folder):
            _LOG.warning("the input folder %r is not removed: it leaves the task's place", folder)
            return
        remover = podrun.PodRun(
            api,
            podspec.input_remover(manifest, self._names, folder, _platform_image("workflow-cleaner")),
            on_line=_LOG.info,
            startup_timeout_s=self._operator.startup_timeout_seconds,
        )
        remover.create()
        result = remover.follow()
        podrun.delete_pod(api, remover.namespace, remover.name)
        if result.reason != "Completed":
            raise AirflowException(f"delete_input_on_success: the input folder {folder} stays: {result.message}")

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
        timeout_s = operator.startup_timeout_seconds
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
        form = self._conf.get("form_data" if profile.from_environment().conf.form_data else "workflow_form") or {}
        core = {k: v for k, v in self._names.core.items() if k != "TASK_ID" or self._profile.env_task_id}
        base, proxy, in_dir = self._base_env(), self._proxy_env(), getattr(operator, "operator_in_dir", None)
        env = podenv.merged(
            base=base,
            proxy=proxy,
            operator_in_dir=in_dir,
            operator_env=operator.env_vars,
            gpu_device="0" if operator.gpu_mem_mb else "",
            workflow_form=form,
            core=core,
        )
        platform = {**base, **proxy, **({} if in_dir is None else {"OPERATOR_IN_DIR": in_dir})}
        self._overridden = podenv.overridden(
            platform=platform, operator_env=operator.env_vars, workflow_form=form, core=core
        )
        entries = podenv.entries(env, secrets=operator.secrets, namespace=self.namespace)
        _LOG.info("environment: %s", {entry["name"]: entry.get("value", "(secret)") for entry in entries})
        annotations = operator.annotations if self._profile.annotations_honoured else {}
        _LOG.info("annotations: %s", annotations)
        honoured = self._profile.cmds_honoured
        if (operator.cmds or operator.arguments) and not honoured:
            _LOG.warning("cmds and arguments are not passed on by this release: the image's own command runs")
        return podspec.pod(
            self._names,
            self._profile,
            namespace=self.namespace,
            image=image,
            env=entries,
            resources=resources.pod_resources(
                ram_mem_mb=operator.ram_mem_mb,
                ram_mem_mb_lmt=operator.ram_mem_mb_lmt,
                cpu_millicores=operator.cpu_millicores,
                gpu=bool(operator.gpu_mem_mb) if self._profile.gpu_limit else None,
                factor=self._profile.memory_factor,
                given=operator.pod_resources,
            ),
            labels=operator.labels,
            annotations=annotations,
            pull_secrets=operator.image_pull_secrets,
            pull_policy=operator.image_pull_policy if self._profile.pull_policy_honoured else None,
            command=_words(operator.cmds) if honoured else None,
            args=_words(operator.arguments) if honoured else None,
            scheduling=self._scheduling(),
            with_conf=self._mounts_conf,
            clean_output_with=self._output_cleaner(),
        )

    def _base_env(self) -> dict[str, str]:
        return {
            "SERVICES_NAMESPACE": os.environ.get("SERVICES_NAMESPACE", names.SERVICES_NAMESPACE),
            "ADMIN_NAMESPACE": os.environ.get("ADMIN_NAMESPACE", names.ADMIN_NAMESPACE),
            **({"EXTENSIONS_NAMESPACE": names.EXTENSIONS_NAMESPACE} if self._profile.env_extensions_namespace else {}),
            **(self._operator.service_urls if self._profile.env_service_urls else {}),
        }

    def _scheduling(self) -> dict[str, Any]:
        """Where the pod may run, on releases that pass it on. One node has no use for the default priority class."""
        operator = self._operator
        if not self._profile.scheduling_honoured:
            return {}
        priority = operator.priority_class_name
        return {
            "priorityClassName": None if priority == DEFAULT_PRIORITY_CLASS else priority,
            "nodeSelector": operator.node_selectors,
            "affinity": operator.affinity,
            "tolerations": operator.tolerations,
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
        if not _stays_inside(out_dir):
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
            pod=podspec.pod_name(self._names, self._profile),
        )

    def _record(self, result: Outcome) -> None:
        # its own transaction: Airflow drops what a failing execute() returns, this must stay
        result = dataclasses.replace(
            result,
            arguments=release_dependent(self._operator),
            overridden_env=self._overridden,
            has_input=getattr(self._operator, "operator_in_dir", None) is not None,
            gpu_forgotten=self._operator.gpu_forgotten,
            memory_request_bytes=(self._operator.ram_mem_mb or 0) * 2**20 or None,
        )
        self._context["ti"].xcom_push(key=outcome.XCOM_KEY, value=result.as_dict())

    def _raise_for(self, result: Outcome) -> None:
        if result.reason == "Completed":
            return
        if result.reason == "Skipped":
            raise AirflowSkipException(result.message)
        if result.reason in outcome.START_FAILURES:
            raise AirflowFailException(result.message)
        raise AirflowException(result.message)


def release_dependent(operator: Any) -> list[str]:
    """Names of the arguments that the author gave to a pod operator and that releases treat differently."""
    given = {
        "cmds": operator.cmds,
        "arguments": operator.arguments,
        "image_pull_policy": operator.image_pull_policy != os.environ.get("PULL_POLICY_IMAGES", "IfNotPresent"),
        "priority_class_name": operator.priority_class_name not in (None, DEFAULT_PRIORITY_CLASS),
        "node_selectors": operator.node_selectors,
        "affinity": operator.affinity,
        "tolerations": operator.tolerations,
        "annotations": operator.annotations,
        "namespace": operator.namespace,
        "get_logs": not operator.get_logs,
        "xcom_push": operator.xcom_push_flag,
        "manage_cache": operator.manage_cache != "ignore",
        "delete_input_on_success": operator.delete_input_on_success,
        "display_name": operator.display_name != "-",
        "launch_application_chart": operator.launch_application_chart,
    }
    return [name for name, value in given.items() if value]


def _unheard(_line: str) -> None:
    """``get_logs=False``: the line stays with the outcome and does not go to the log."""


def _stays_inside(folder: str) -> bool:
    return folder.strip("/") not in ("", ".", "..") and "/../" not in f"/{folder}/"


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
    namespace = namespace_for(context["ti"].task, context)
    name = podspec.conf_name(context["run_id"], profile.from_environment().pod)
    try:
        connect().delete("ConfigMap", namespace, name)
    except ApiError as error:
        if error.status != 404:
            raise AirflowException(f"the ConfigMap of the run was not removed: {error}") from error


__all__ = ["ClusterLostError", "PodTask", "connect", "delete_configmap", "delete_pod_of", "job_scheduler_enabled"]
