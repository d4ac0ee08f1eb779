"""The next step for a DAG file that Airflow cannot import."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# (pattern of the traceback, the next step); the first match counts
_RULES: Final[tuple[tuple[str, str], ...]] = (
    (
        r"Task id '([^']+)' has already been added",
        "two operators have the task id {0}: give one of them a name, a task_id or a parallel_id of its own (some "
        "operators of the platform have a fixed name)",
    ),
    (
        r"__init__\(\) got multiple values for keyword argument '(\w+)'",
        "the operator sets {0} by itself: leave it out",
    ),
    (
        r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'",
        "__init__ of {0} must take **kwargs and pass them on to its base class: Airflow gives every operator arguments "
        "like {1}",
    ),
    (
        r"Invalid arguments were passed to (\w+)[^\n]*\n?[^\n]*\{'(\w+)'",
        "{0} of the chosen release has no parameter {1}: leave it out",
    ),
    (
        r"Use keyword arguments when initializing operators",
        "Airflow takes operators' arguments by name only: dag=dag, name=...",
    ),
    (
        # runtime 2.1
        r"No module named '?((?:torch|task_api|airflow\.providers\.cncf|dicom_parser|pint|flask_admin|statsd)\b)",
        "the platform's Airflow has {0}, the harness's does not: import it in the container, or inside the callable",
    ),
    (
        r"^the DAG '[^']+' is defined in (\S+) too",
        "{0} has a DAG with this id: give one of them another dag_id. A file of an earlier version is still there when "
        "its image was replaced before that version was uninstalled (here it goes with `kaapana-harness down`)",
    ),
    (
        r"(?:ModuleNotFoundError|ImportError)[^\n]*?(?:No module named '?([\w.]+)|cannot import name)",
        "modules of the extension are imported by the folder they are COPYed to below /kaapana/tmp/dags/; what another "
        "extension brings is there only when that one is installed first; other packages must be part of the "
        "platform's Airflow, an extension cannot add one: import them in the container",
    ),
)


_GONE = "nothing takes its place"
# what earlier releases had, by the last part of its name, and what 0.6.0 has for it (shapes 6)
_REPLACEMENTS: Final[Mapping[str, str]] = {
    "default_project": 'DEFAULT_REGISTRY holds host and path: f"{DEFAULT_REGISTRY}/x:{KAAPANA_BUILD_VERSION}"',
    "default_platform_abbr": "use KAAPANA_BUILD_VERSION",
    "default_platform_version": "use KAAPANA_BUILD_VERSION",
    "gpu_support": "use GPU_SUPPORT of kaapana.blueprints.kaapana_global_variables",
    "JOBS_NAMESPACE": "pods run in the namespace of the project",
    "ENABLE_NFS": _GONE,
    "resources": "use ram_mem_mb, cpu_millicores and gpu_mem_mb of the operator",
    "volume": f"{_GONE}: the volumes of a pod are fixed",
    "volume_mount": f"{_GONE}: the volumes of a pod are fixed",
    "secret": "`secrets` takes kubernetes.client.V1EnvVar",
    "HelperElasticsearch": "use kaapanapy.helper.HelperOpensearch.HelperOpensearch()",
    "HelperOpensearch": "use kaapanapy.helper.HelperOpensearch.HelperOpensearch()",
    "DcmWebException": "catch requests.HTTPError",
    "HelperMinio": "use kaapanapy.helper.get_minio_client()",
    "CombineMasksOperator": 'use MergeMasksOperator(mode="combine")',
    "DcmStruct2Nifti": "use Mask2nifitiOperator",
    "LocalUnzipFileOperator": 'use ZipUnzipOperator(mode="unzip")',
    "LocalDeleteFromElasticOperator": "use DeleteFromMetaOperator",
    "LocalDeleteFromPacsOperator": "use DeleteFromPacsOperator",
    "ValidationResult2MetaOperator": "use LocalValidationResult2MetaOperator",
}
_OF_THE_PLATFORM: Final = re.compile(
    r"No module named '?kaapana\.([\w.]+)|"
    r"cannot import name '(\w+)' from '?kaapana\.(?:operators|blueprints|kubetools)\b"
)
_MISSING: Final = re.compile(r"No module named '?(\w+)")


def advise_on_import(trace: str, coming: Mapping[str, str] | None = None) -> str:
    """Return the next step for a traceback of Airflow's import of a DAG file; never empty.

    Args:
        coming: modules that extensions bring which are installed later, with the name of each one's chart.
    """
    missing = _MISSING.search(trace)
    if missing and coming and missing[1] in coming:
        return f"{missing[1]} comes with {coming[missing[1]]}: install that one first, also on the platform"
    if match := _OF_THE_PLATFORM.search(trace):
        return _advice_for_platform(match[1] or match[2])
    for pattern, advice in _RULES:
        if match := re.search(pattern, trace):
            return advice.format(*match.groups())
    if "KeyError" in trace and "environ" in trace:
        return "the variable does not exist in the platform's Airflow"
    return "fix the DAG file; the platform shows this in the scheduler's log only"


def _advice_for_platform(name: str) -> str:
    """Return the next step for a missing module of the platform's plugin, or a name in one."""
    known = _REPLACEMENTS.get(name.rpartition(".")[2])
    if known is not None:
        return f"the chosen release has no {name}, which earlier ones had: {known}"
    return (
        f"the plugin of the chosen release has no {name}: correct the name, or bring a module of your own in a folder "
        "below /kaapana/tmp/dags/ and import it by that folder"
    )
