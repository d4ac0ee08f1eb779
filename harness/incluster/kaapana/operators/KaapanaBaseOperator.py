# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""The operator that runs a container of the extension as a pod (runtime 5 to 7)."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pendulum
from airflow.exceptions import AirflowException
from airflow.models.baseoperator import BaseOperator
from airflow.models.skipmixin import SkipMixin
from kaapana.blueprints.kaapana_global_variables import (
    ADMIN_NAMESPACE,
    DEFAULT_REGISTRY,
    GPU_SUPPORT,
    KAAPANA_BUILD_VERSION,
    PLATFORM_VERSION,
    PULL_POLICY_IMAGES,
    SERVICES_NAMESPACE,
)
from kaapana.operators.HelperCaching import check_cache_mode

from harness.incluster.airflow import (
    callbacks,
    operator_defaults,
    operatorpod,
    podenv,
    podtask,
    profile,
    resources,
)
from harness.incluster.airflow.operator_defaults import (
    airflow_keywords,
    assign,
    derive,
    executor_config,
    job_scheduler_enabled,
)
from harness.wire import names, naming

# names under which older operators import them (operators 1)
default_registry = DEFAULT_REGISTRY
kaapana_build_version = KAAPANA_BUILD_VERSION
platform_version = PLATFORM_VERSION

KAAPANA_SKIP_TASK_RUN_RETURN_CODE = 126


class KaapanaBaseOperator(BaseOperator, SkipMixin):
    """Runs ``image`` in the project's namespace; the parameters are those of runtime 5.

    Some of them are stored without effect, as the platform stores them; ``cmds``, ``arguments`` and
    ``image_pull_policy`` reach the pod where the emulated release passes them on.

    Raises:
        KeyError: one of the platform's service URLs is missing in the environment.
        NameError: contradicting inputs, or an unknown ``dev_server``.
    """

    HELM_API = names.url(names.KUBE_HELM)
    CURE_INVALID_NAME_REGEX = naming.RELEASE_REGEX
    TIMEOUT = timedelta(hours=12)

    # why an operator of the platform imports but cannot run; empty for operators that can
    not_emulated = ""

    def __init__(
        self,
        dag: Any,
        name: str,
        image: str | None = None,
        input_operator: Any = None,
        operator_in_dir: str | None = None,
        operator_out_dir: str | None = None,
        task_id: str | None = None,
        parallel_id: str | None = None,
        keep_parallel_id: bool = True,
        trigger_rule: str = "all_success",
        ram_mem_mb: int | None = 500,
        ram_mem_mb_lmt: int | None = None,
        cpu_millicores: int | None = None,
        cpu_millicores_lmt: int | None = None,
        gpu_mem_mb: int | None = None,
        gpu_mem_mb_lmt: int | None = None,
        retries: int = 1,
        retry_delay: timedelta = timedelta(seconds=30),
        execution_timeout: timedelta | None = timedelta(minutes=90),
        max_active_tis_per_dag: int | None = None,
        manage_cache: str | None = None,
        allow_federated_learning: bool = False,
        whitelist_federated_learning: Any = None,
        delete_input_on_success: bool = False,
        delete_output_on_start: bool = True,
        enable_proxy: bool = False,
        no_proxy: str | None = None,
        batch_name: str | None = None,
        airflow_workflow_dir: str | None = None,
        cmds: Any = None,
        arguments: Any = None,
        env_vars: dict[str, Any] | None = None,
        image_pull_secrets: list[str] | None = None,
        priority_weight: int = 1,
        priority_class_name: str | None = operatorpod.DEFAULT_PRIORITY_CLASS,
        startup_timeout_seconds: float | None = None,
        namespace: str | None = None,
        image_pull_policy: str = PULL_POLICY_IMAGES,
        pod_resources: Any = None,
        in_cluster: bool = False,
        cluster_context: str | None = None,
        config_file: str | None = None,
        get_logs: bool = True,
        xcom_push: bool = False,
        affinity: Any = None,
        node_selectors: Any = None,
        tolerations: Any = None,
        kind: str = "Pod",
        api_version: str = "v1",
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        secrets: list[Any] | None = None,
        pool: str | None = None,
        pool_slots: int | None = None,
        dev_server: str | None = None,
        display_name: str = "-",
        launch_application_chart: str = "",
        **kwargs: Any,
    ) -> None:
        if dev_server not in (None, "code-server"):
            raise NameError(f"dev_server must be None or 'code-server', not {dev_server!r}")
        if dev_server is not None:
            execution_timeout = None
        _refuse_later_parameters(
            type(self).__name__,
            task_id or name,
            {"display_name": (display_name, "-"), "launch_application_chart": (launch_application_chart, "")},
            dag,
        )
        # the parameters by name; the operators share what becomes of them
        given = locals()
        derived = derive(
            given, gpu_support=GPU_SUPPORT, gpu_pool=bool(gpu_mem_mb) and GPU_SUPPORT and not job_scheduler_enabled()
        )
        emulated = profile.from_environment()
        own: dict[str, Any] = {
            "email_on_retry": False,
            "email_on_failure": False,
            "start_date": pendulum.today("UTC"),
            "on_failure_callback": KaapanaBaseOperator.on_failure,
            "on_success_callback": KaapanaBaseOperator.on_success,
            "on_retry_callback": KaapanaBaseOperator.on_retry,
            "on_execute_callback": KaapanaBaseOperator.on_execute,
            "executor_config": executor_config(cpu_millicores, ram_mem_mb, derived.gpu_mem_mb),
        }
        overridden = sorted({*own, "email", "depends_on_past", "wait_for_downstream"} & set(kwargs))
        if emulated.operator.keywords == "overridable":
            # task-api 1.4: the author's win, and so do default_args for keywords that the operator no longer sets
            kwargs = {**own, **kwargs}
            own = {}
        else:
            # fixed for every operator: giving one of these too is a TypeError (runtime 5)
            own |= {"email": None, "depends_on_past": False, "wait_for_downstream": False}
        super().__init__(
            **airflow_keywords(given, derived),
            priority_weight=priority_weight,
            **own,
            **kwargs,
        )
        assign(self, given, derived)
        self.overridden_keywords = overridden
        self.image = image
        self.keep_parallel_id = keep_parallel_id
        self.gpu_forgotten = bool(gpu_mem_mb) and not derived.gpu_mem_mb
        self.enable_proxy, self.no_proxy = enable_proxy, no_proxy
        self.cmds, self.arguments = _words(cmds), _words(arguments)
        # raises where a service's URL is missing: the DAG fails to import (runtime 2.5)
        self.env_vars = podenv.operator_variables(
            env_vars,
            release=emulated.pod,
            operator_in_dir=derived.operator_in_dir,
            enable_proxy=enable_proxy,
            no_proxy=no_proxy,
            environ=os.environ,
        )
        self.image_pull_secrets = image_pull_secrets or [names.SECRET_REGISTRY]
        # 3600 in 0.6, 120 before (runtime 17)
        self.startup_timeout_seconds = (
            emulated.operator.startup_timeout_s if startup_timeout_seconds is None else startup_timeout_seconds
        )
        self.namespace = namespace
        self.image_pull_policy = image_pull_policy
        if pod_resources is None:
            pod_resources = resources.pod_resources(
                ram_mem_mb=ram_mem_mb,
                ram_mem_mb_lmt=ram_mem_mb_lmt,
                cpu_millicores=cpu_millicores,
                gpu=bool(derived.gpu_mem_mb) if emulated.pod.gpu_limit else None,
            )
        self.pod_resources = pod_resources
        self.in_cluster, self.cluster_context, self.config_file = in_cluster, cluster_context, config_file
        self.get_logs, self.xcom_push = get_logs, xcom_push
        self.affinity, self.node_selectors, self.tolerations = affinity or {}, node_selectors or {}, tolerations
        self.kind, self.api_version = kind, api_version
        # no parameters: the platform fills them when the task runs
        self.volumes: list[Any] = []
        self.volume_mounts: list[Any] = []
        # runtime 5.0: the author's value is kept and written to, unless it is empty
        self.labels = labels or {}
        self.labels[emulated.pod.type_label] = names.LABEL_TYPE_PROCESSING
        self.annotations = annotations or {}
        self.secrets = secrets or []
        self.dev_server, self.display_name = dev_server, display_name
        self.launch_application_chart = launch_application_chart
        # subclasses read these (runtime 5.0)
        self.data_dir, self.model_dir = os.environ.get("DATADIR", ""), os.environ.get("MODELDIR", "")
        self.services_namespace, self.admin_namespace = SERVICES_NAMESPACE, ADMIN_NAMESPACE
        self.result_message: str | None = None
        self.running_pod: podtask.PodTask | None = None

    def execute(self, context: Any) -> None:
        """Run the pod and wait for it (runtime 7).

        Raises:
            AirflowSkipException: the container exited with 126.
            AirflowFailException: it cannot run at all; not tried again.
            AirflowException: it failed; tried again where ``retries`` allows.
        """
        check_cache_mode(self.manage_cache)
        self.running_pod = podtask.PodTask(self, context)
        self.running_pod.run()

    def on_kill(self) -> None:
        """Delete the pod: the task timed out, or its run was aborted."""
        if self.running_pod is not None:
            self.running_pod.kill()

    @staticmethod
    def on_failure(context: Any) -> None:
        """Delete the pod, end an application of the run, and notify the users after the final failure."""
        podtask.delete_pod_of(context)
        callbacks.end_application(naming.release_name(context["run_id"]))
        callbacks.handle_final_failure(context)

    @staticmethod
    def on_retry(context: Any) -> None:
        """Delete the pod before another attempt, whose pod gets its name."""
        podtask.delete_pod_of(context)

    @staticmethod
    def on_success(context: Any) -> None:
        """Do nothing: the pod of a successful task is kept."""

    @staticmethod
    def on_execute(context: Any) -> None:
        """Do nothing."""

    @staticmethod
    def set_defaults(*_args: Any, **_kwargs: Any) -> None:
        """Do nothing: subclasses may call the platform's helper by hand, but the constructor has set the defaults."""


def _words(value: str | list[str] | None) -> list[str] | None:
    """Return a command as a list: a text is one word (runtime 5.0)."""
    return [value] if isinstance(value, str) else value


def _refuse_later_parameters(operator: str, task_id: str, parameters: dict[str, tuple[Any, Any]], dag: Any) -> None:
    """End a DAG that uses a parameter of a later release the way Airflow ends it there (runtime 17).

    Args:
        parameters: name to ``(value, default)``.

    Raises:
        AirflowException: one of them was given. From ``default_args`` it would not have been taken at all.
    """
    defaults, release = getattr(dag, "default_args", None) or {}, profile.from_environment()
    for name in release.operator.unknown_parameters:
        value, default = parameters[name]
        if value != default and defaults.get(name) != value:
            raise AirflowException(
                f"Invalid arguments were passed to {operator} (task_id: {task_id}). Invalid arguments were:\n"
                f"**kwargs: {{{name!r}: {value!r}}} (release {release.name} has no such parameter)"
            )


__all__ = [
    "DEFAULT_REGISTRY",
    "KAAPANA_BUILD_VERSION",
    "KAAPANA_SKIP_TASK_RUN_RETURN_CODE",
    "KaapanaBaseOperator",
    "default_registry",
    "kaapana_build_version",
    "operator_defaults",
    "platform_version",
]
