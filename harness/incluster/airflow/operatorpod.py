"""The pod that an operator asks for, on the release that is emulated (runtime 5, 6)."""

from __future__ import annotations

import logging
import os
from typing import Any, Final

from harness.incluster.airflow import podenv, podspec, profile, resources
from harness.incluster.airflow.errors import InvalidPodError
from harness.kube import Manifest
from harness.wire import names

_LOG: Final = logging.getLogger("airflow.task.kaapana")

DEFAULT_PRIORITY_CLASS: Final = "kaapana-low-priority"


def namespace_for(operator: Any, context: Any) -> str:
    """Return the namespace of a task's pod (runtime 6.1)."""
    return podspec.namespace_of(
        getattr(operator, "namespace", None),
        context["params"],
        context["dag_run"].conf or {},
        honoured=profile.from_environment().pod.namespace_honoured,
    )


class OperatorPod:
    """The pod of ``operator``, a KaapanaBaseOperator, in the run of Airflow's ``context``.

    Attributes:
        conf: of the run.
        names: the run and the folders of the task.
        namespace: of the pod.
        overridden: variables that a form value took over, once :meth:`manifest` was asked for.
    """

    def __init__(self, operator: Any, context: Any) -> None:
        ti = context["ti"]
        self._operator = operator
        self._profile = profile.from_environment().pod
        self._ti = ti
        self.conf: dict[str, Any] = context["dag_run"].conf or {}
        self.names = podspec.RunNames(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            batch_name=operator.batch_name,
            operator_out_dir=operator.operator_out_dir,
        )
        self.namespace = namespace_for(operator, context)
        self.overridden: list[str] = []

    @property
    def mounts_conf(self) -> bool:
        """Whether the container sees the run's conf."""
        # runtime 6.3: the cleaner removes the folder that the conf would be mounted into
        return not getattr(self._operator, "clean_workflow_dir", False)

    def manifest(self) -> Manifest:
        """Return the pod of this attempt.

        Raises:
            InvalidPodError: the operator has no image, or a variable that the API server would reject.
        """
        operator = self._operator
        image = operator.image
        if not image and operator.launch_application_chart:
            # runtime 7.6: the platform needs none here; any image with a shell is enough
            image = _platform_image("workflow-cleaner")
        if not image:
            raise InvalidPodError(f"the operator of {self.names.task_id} has no image")
        form = self.conf.get("form_data" if profile.from_environment().conf.form_data else "workflow_form") or {}
        core = {k: v for k, v in self.names.core.items() if k != "TASK_ID" or self._profile.env_task_id}
        self.overridden = podenv.find_overridden(operator_env=operator.env_vars, workflow_form=form, core=core)
        env = podenv.merge(
            operator_env=operator.env_vars,
            gpu_device="0" if operator.gpu_mem_mb else "",
            workflow_form=form,
            core=core,
        )
        # a subclass may read them in its operator afterwards (runtime 5.0)
        operator.env_vars.update(env)
        entries = podenv.env_entries(operator.env_vars, secrets=operator.secrets, namespace=self.namespace)
        # the author's dictionary belongs to the operator, and grows with the run (operators 2.1)
        operator.secrets.extend(podenv.platform_secrets(self.namespace))
        operator.labels[names.LABEL_RUN_ID] = podspec.run_label(self.names.run_id, self._profile)
        _LOG.info("environment: %s", {entry["name"]: entry.get("value", "(secret)") for entry in entries})
        annotations = operator.annotations if self._profile.annotations_honoured else {}
        _LOG.info("annotations: %s", annotations)
        honoured = self._profile.cmds_honoured
        if (operator.cmds or operator.arguments) and not honoured:
            _LOG.warning("cmds and arguments are not passed on by this release: the image's own command runs")
        return podspec.pod(
            self.names,
            self._profile,
            namespace=self.namespace,
            image=image,
            env=entries,
            resources=resources.container_resources(operator.pod_resources, self._profile.memory_factor),
            labels=operator.labels,
            annotations=annotations,
            pull_secrets=operator.image_pull_secrets,
            pull_policy=operator.image_pull_policy
            if self._profile.pull_policy_honoured
            else self._profile.pull_policy_default or None,
            command=_words(operator.cmds) if honoured else None,
            args=_words(operator.arguments) if honoured else None,
            scheduling=self._scheduling(),
            with_conf=self.mounts_conf,
            clean_output_with=self._output_cleaner(),
        )

    def input_remover(self, manifest: Manifest) -> Manifest | None:
        """Return the pod that does ``delete_input_on_success``, on releases that do it; ``None``: nothing is removed.

        By a pod, because Airflow does not see the volume.

        Args:
            manifest: the pod of the task.
        """
        operator, folder = self._operator, getattr(self._operator, "operator_in_dir", None)
        if not (operator.delete_input_on_success and self._profile.delete_input_on_success and folder):
            return None
        if not _stays_inside(folder):
            _LOG.warning("the input folder %r is not removed: it leaves the task's place", folder)
            return None
        return podspec.input_remover(manifest, self.names, folder, _platform_image("workflow-cleaner"))

    def _scheduling(self) -> dict[str, Any]:
        """Return the scheduling fields, if the release passes them on. One node needs no default priority class."""
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

    def _output_cleaner(self) -> str | None:
        """Return the image of the container that removes old output, ``None`` if there can be no old output.

        Airflow does not see the project's volume, so a container has to do it; and only a later attempt can find
        output of its own: the first one of a run would pay a container's start for nothing.
        """
        wanted = self._operator.delete_output_on_start and self._profile.delete_output_on_start
        if not wanted or self._ti.try_number <= 1 or not self.mounts_conf:
            return None
        out_dir = self.names.operator_out_dir
        if not _stays_inside(out_dir):
            _LOG.warning("the output folder %r is not removed: it leaves the task's place", out_dir)
            return None
        return _platform_image("workflow-cleaner")


def release_dependent(operator: Any) -> list[str]:
    """Return the names of an author's arguments of a pod operator that releases treat differently."""
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
        "xcom_push": operator.xcom_push,
        "manage_cache": operator.manage_cache != "ignore",
        "delete_input_on_success": operator.delete_input_on_success,
        "display_name": operator.display_name != "-",
        "launch_application_chart": operator.launch_application_chart,
    }
    return [name for name, value in given.items() if value] + list(operator.overridden_keywords)


def folders_read(operator: Any) -> list[str]:
    """Return the output folders of other operators of the DAG that an operator reads, by its variables, sorted."""
    written = {getattr(other, "operator_out_dir", None) for other in operator.dag.tasks if other is not operator}
    named = {
        word for value in (operator.env_vars or {}).values() if isinstance(value, str) for word in value.split(",")
    }
    named.add(getattr(operator, "operator_in_dir", None) or "")
    return sorted(folder for folder in written if folder and folder in named)


def _stays_inside(folder: str) -> bool:
    return folder.strip("/") not in ("", ".", "..") and "/../" not in f"/{folder}/"


def _platform_image(name: str) -> str:
    """Return the reference of an image of the platform (runtime 14)."""
    return f"{os.environ.get('DEFAULT_REGISTRY')}/{name}:{os.environ.get('KAAPANA_BUILD_VERSION')}"


def _words(value: Any) -> list[str] | None:
    """Return ``cmds`` or ``arguments`` as a list; both may be one text (runtime 5)."""
    if value is None:
        return None
    return [value] if isinstance(value, str) else [str(word) for word in value]
