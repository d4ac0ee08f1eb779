"""The profile of the emulated release, from the environment of the Airflow containers.

The defaults are those of the profile ``documented``; ``harness/profiles/0.6.0.toml`` says what each key means.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from typing import Any, TypeVar

from harness.wire.names import PROFILE_VARIABLE

_Table = TypeVar("_Table")


@dataclasses.dataclass(frozen=True)
class OperatorProfile:
    """The ``[operator]`` table: parameters of a pod operator's constructor (runtime 5, 17)."""

    startup_timeout_s: float = 3600.0
    unknown_parameters: tuple[str, ...] = ()
    keywords: str = "fixed"
    seg_info_none: str = "none"


@dataclasses.dataclass(frozen=True)
class PodProfile:
    """The ``[pod]`` table: what reaches the pod of a task, and what becomes of it (runtime 6, 7, 17)."""

    cmds_honoured: bool = True
    pull_policy_honoured: bool = True
    pull_policy_default: str = ""
    scheduling_honoured: bool = False
    annotations_honoured: bool = True
    namespace_honoured: bool = True
    get_logs_honoured: bool = False
    xcom_honoured: bool = False
    cache_honoured: bool = False
    memory_factor: float = 1.0
    gpu_limit: bool = True
    name: str = "run-task"
    container_name: str = "main"
    type_label: str = "kaapana.ai/type"
    existing_pod: str = "refused"
    skipped_pod: str = "kept"
    env_task_id: bool = True
    env_service_urls: bool = True
    env_extensions_namespace: bool = False
    conf: str = "configmap"
    conf_name: str = "verbatim"
    mounted_scripts: bool = False
    delete_output_on_start: bool = True
    delete_input_on_success: bool = False


@dataclasses.dataclass(frozen=True)
class PythonProfile:
    """The ``[python]`` table: where the Python code of a DAG runs (runtime 3)."""

    branch_sees_project: bool = True
    service_dags_in_scheduler: bool = True
    annotations: str = "unknown"


@dataclasses.dataclass(frozen=True)
class ConfProfile:
    """The ``[conf]`` table: the document of a run (runtime 10.4)."""

    form_data: bool = False


@dataclasses.dataclass(frozen=True)
class CallbackProfile:
    """The ``[callbacks]`` table: what follows the failure of a task (runtime 7.3)."""

    notifications: bool = True


@dataclasses.dataclass(frozen=True)
class PlatformRelease:
    """The emulated release, as far as it concerns Airflow."""

    name: str = "documented"
    operator: OperatorProfile = OperatorProfile()
    pod: PodProfile = PodProfile()
    python: PythonProfile = PythonProfile()
    conf: ConfProfile = ConfProfile()
    callbacks: CallbackProfile = CallbackProfile()
    parallelism: int | None = None


def from_environment(environ: Mapping[str, str] | None = None) -> PlatformRelease:
    """Read the release, without keys that only the host needs.

    Raises:
        ValueError: the variable is not a JSON object.
    """
    return _parse((os.environ if environ is None else environ).get(PROFILE_VARIABLE, ""))


@functools.lru_cache(maxsize=4)
def _parse(text: str) -> PlatformRelease:
    if not text.strip():
        return PlatformRelease()
    data: Any = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"{PROFILE_VARIABLE} is not a JSON object: {text[:80]!r}")
    return PlatformRelease(
        name=str(data.get("name", "documented")),
        operator=_table(OperatorProfile, data.get("operator")),
        pod=_table(PodProfile, data.get("pod")),
        python=_table(PythonProfile, data.get("python")),
        conf=_table(ConfProfile, data.get("conf")),
        callbacks=_table(CallbackProfile, data.get("callbacks")),
        parallelism=(data.get("airflow") or {}).get("parallelism"),
    )


def _table(kind: type[_Table], given: Any) -> _Table:
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in (given or {}).items()}
    return kind(**{key: value for key, value in values.items() if key in known})
