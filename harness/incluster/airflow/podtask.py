# mypy: disable-error-code="import-not-found"
"""One execution of a pod operator: conf and parameters in, Airflow's exceptions and the outcome out (runtime 7)."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from harness.incluster.airflow import interactive, podrun, podspec, profile
from harness.incluster.airflow.errors import (
    ClusterLostError,
    InvalidPodError,
    NotEmulatedError,
    PodNameTakenError,
    WorkflowError,
)
from harness.incluster.airflow.operatorpod import OperatorPod, folders_read, namespace_for, release_dependent
from harness.kube import KubeApi, Manifest, in_cluster
from harness.kube.errors import ApiError
from harness.wire import reasons
from harness.wire.annotations import task_mark
from harness.wire.interactive import Step
from harness.wire.outcome import XCOM_KEY, Outcome

_LOG: Final = logging.getLogger("airflow.task.kaapana")
"""Below Airflow's task logger, so that every line goes to the log of the task."""

_NEVER_AGAIN: Final = (InvalidPodError, PodNameTakenError, NotEmulatedError, interactive.InteractiveStepError)


def connect() -> KubeApi:
    """Return the API server of the cluster; a function, so that tests can replace it."""
    return in_cluster()


def delete_pod_of(context: Any) -> None:
    """Delete the pod of a task that failed; a cluster that does not answer is only logged (runtime 7.3)."""
    ti, release = context["ti"], profile.from_environment().pod
    namespace = namespace_for(ti.task, context)
    label, mark = podspec.run_label(ti.run_id, release), task_mark(ti.run_id, ti.task_id)
    try:
        podrun.delete_pods_of(connect(), namespace, label, mark)
    except ApiError as error:
        _LOG.warning("the pod of %s in %s was not deleted: %s", mark, namespace, error)


class PodTask:
    """An attempt: ``operator`` is the KaapanaBaseOperator, ``context`` Airflow's."""

    def __init__(self, operator: Any, context: Any) -> None:
        self._operator = operator
        self._context = context
        self._profile = profile.from_environment().pod
        self._wanted = OperatorPod(operator, context)
        self._names = self._wanted.names
        self._pod: podrun.PodRun | None = None
        self.namespace = self._wanted.namespace

    def run(self) -> None:
        """Run the pod; the outcome is written to the XCom in every case."""
        begin = time.monotonic()
        try:
            self._refuse_what_is_not_emulated()
            result = self._run_pod()
        except AirflowTaskTimeout:
            seconds = time.monotonic() - begin
            limit = self._operator.execution_timeout
            message = f"the task ran for {seconds:.1f} s, its execution_timeout is {limit}"
            ended = self._end_early(reasons.TIMEOUT, message)
            self._record(dataclasses.replace(ended, timeout_s=limit.total_seconds() if limit else None))
            raise
        except WorkflowError as error:
            self._record(self._end_early(error.reason, str(error)))
            if isinstance(error, _NEVER_AGAIN):
                raise AirflowFailException(str(error)) from error
            raise AirflowException(str(error)) from error
        except ApiError as error:
            self._record(self._end_early(type(error).__name__, str(error)))
            raise AirflowException(f"the cluster did not do what it was asked: {error}") from error
        self._record(result)
        self._raise_for(result)

    def kill(self) -> None:
        """Delete the pod, with a new connection, because this may run inside a signal handler."""
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
        if operator.xcom_push and self._profile.xcom_honoured:
            raise NotEmulatedError(
                f"{self._names.task_id} has xcom_push=True: the return value of a container is not emulated; releases "
                "since 0.6.0 ignore it, so write a file to the output folder instead"
            )
        if operator.manage_cache != "ignore" and self._profile.cache_honoured:
            _LOG.warning("manage_cache=%r: the cache is always empty here, so the task runs", operator.manage_cache)

    def _run_pod(self) -> Outcome:
        api = connect()
        what = interactive.interactive_parameter(self._operator)
        manifest = self._wanted.manifest()
        if self._wanted.mounts_conf:
            podrun.ensure_configmap(
                api, podspec.configmap(self._names.run_id, self.namespace, self._wanted.conf, self._profile)
            )
        if what:
            session = self._interactive_session(api, manifest, what)
            self._pod = session.attempt
            return session.run()
        self._pod = podrun.PodRun(
            api,
            manifest,
            on_line=_LOG.info if self._operator.get_logs or not self._profile.get_logs_honoured else _discard_line,
            startup_timeout_s=self._operator.startup_timeout_seconds,
            replaces_ended=self._profile.existing_pod == "replaced",
        )
        self._pod.create()
        result = self._pod.follow()
        if result.reason == reasons.SKIPPED and self._profile.skipped_pod == "deleted":
            podrun.delete_pod(api, self.namespace, self._pod.name)
        if result.reason == reasons.COMPLETED and (remover := self._wanted.input_remover(manifest)):
            self._remove_input(api, remover)
        return result

    def _remove_input(self, api: KubeApi, manifest: Manifest) -> None:
        remover = podrun.PodRun(
            api, manifest, on_line=_LOG.info, startup_timeout_s=self._operator.startup_timeout_seconds
        )
        remover.create()
        result = remover.follow()
        podrun.delete_pod(api, remover.namespace, remover.name)
        if result.reason != reasons.COMPLETED:
            folder = self._operator.operator_in_dir
            raise AirflowException(f"delete_input_on_success: the input folder {folder} stays: {result.message}")

    def _interactive_session(self, api: KubeApi, manifest: Manifest, what: str) -> interactive.InteractiveSession:
        operator = self._operator
        if operator.dev_server:
            interactive.check_environment(operator.env_vars)
        step = Step(
            what=what,
            dag_id=self._names.dag_id,
            run_id=self._names.run_id,
            task_id=self._names.task_id,
            display_name=operator.display_name,
            folder=self._names.workflow_dir,
        )
        timeout_s = operator.startup_timeout_seconds
        return interactive.InteractiveSession(api, manifest, step, on_line=_LOG.info, startup_timeout_s=timeout_s)

    def _end_early(self, reason: str, message: str) -> Outcome:
        if self._pod is not None:
            return self._pod.interrupt(reason, message)
        return Outcome(
            reason=reason,
            message=message,
            image=self._operator.image or "",
            namespace=self.namespace,
            pod=podspec.pod_name(self._names, self._profile),
        )

    def _record(self, result: Outcome) -> None:
        # a separate transaction: Airflow drops the result of a failing execute(), but this must stay
        result = dataclasses.replace(
            result,
            arguments=release_dependent(self._operator),
            overridden_env=self._wanted.overridden,
            has_input=getattr(self._operator, "operator_in_dir", None) is not None,
            gpu_forgotten=self._operator.gpu_forgotten,
            always_pulled=self._profile.pull_policy_default == "Always",
            memory_request_bytes=(self._operator.ram_mem_mb or 0) * 2**20 or None,
            reads=folders_read(self._operator),
            writes=self._operator.operator_out_dir,
        )
        self._context["ti"].xcom_push(key=XCOM_KEY, value=result.as_json())

    def _raise_for(self, result: Outcome) -> None:
        if result.reason == reasons.COMPLETED:
            return
        if result.reason == reasons.SKIPPED:
            raise AirflowSkipException(result.message)
        if result.reason in reasons.GIVEN_UP:
            raise AirflowFailException(result.message)
        raise AirflowException(result.message)


def _discard_line(_line: str) -> None:
    """Keep a line out of the log (``get_logs=False``); the outcome still has it."""


def delete_configmap(context: Mapping[str, Any]) -> None:
    """Remove the run's ConfigMap; a missing one is fine (runtime 7.7)."""
    namespace = namespace_for(context["ti"].task, context)
    name = podspec.conf_name(context["run_id"], profile.from_environment().pod)
    try:
        connect().delete("ConfigMap", namespace, name)
    except ApiError as error:
        if error.status != 404:
            raise AirflowException(f"the ConfigMap of the run was not removed: {error}") from error


__all__ = ["ClusterLostError", "PodTask", "connect", "delete_configmap", "delete_pod_of"]
