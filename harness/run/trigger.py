"""Start DAG runs from a dataset and form values, the way the platform's user interface does it (runtime 10, 11)."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import RunError, UsageError
from harness.run.diagnosis import no_run_cause
from harness.run.paths import safe_name
from harness.run.ports import EnvironmentPort, Json, ProjectPort

if TYPE_CHECKING:
    from harness.data.series import Series

INSTANCE = "central"
# the backend makes jobs in a thread and triggers them with three attempts of five seconds (runtime 10.2)
_JOBS_TIMEOUT_S = 30.0
_JOB_WITHOUT_RUN = frozenset({"failed", "deleted"})


@dataclasses.dataclass(frozen=True)
class Triggered:
    """A workflow that the platform has accepted, with its DAG runs in the order of its jobs."""

    dag_id: str
    run_ids: tuple[str, ...]
    workflow_name: str
    form: dict[str, Any]


def choose_dag(dag_ids: Sequence[str], wanted: str | None) -> str:
    """Return the DAG to run.

    Raises:
        UsageError: there is none, the wanted one is not among them, or there are several and none is wanted.
    """
    listed = ", ".join(sorted(dag_ids))
    if wanted is not None:
        if wanted not in dag_ids:
            raise UsageError(f"the extension has no DAG {wanted!r}; it has {listed or 'none'}")
        return wanted
    if not dag_ids:
        raise UsageError(
            "the extension brings no DAG", fix="its DAG file must be copied to /kaapana/tmp/dags/ and create a DAG"
        )
    if len(dag_ids) > 1:
        raise UsageError(
            f"the extension brings {len(dag_ids)} DAGs: {listed}", fix="choose one with --dag ID, or dag= in a test"
        )
    return dag_ids[0]


def series_of(dataset: Any) -> list[Series]:
    """Return the series of a dataset that is given as series, as a folder, or as a list of series.

    Raises:
        InputDataError: a folder without image series, or with broken files.
        UsageError: something else was given.
    """
    from harness.data import Series, read_input

    if dataset is None:
        return []
    if isinstance(dataset, Series):
        return [dataset]
    if isinstance(dataset, (str, Path)):
        return list(read_input(Path(dataset)))
    if isinstance(dataset, Sequence) and all(isinstance(item, Series) for item in dataset):
        return list(dataset)
    raise UsageError(f"a dataset is a Series, a folder or a list of Series, not {type(dataset).__name__}")


def upload(environment: EnvironmentPort, project: ProjectPort, series: Sequence[Series]) -> str:
    """Bring series into the platform as a dataset of the project; the dataset's name.

    The name depends on the series only, so that a second run with the same input uses the same dataset.
    """
    uids = sorted({item.series_instance_uid for item in series})
    digest = hashlib.sha256("\n".join(uids).encode()).hexdigest()[:6]
    # 13 characters of a dataset's name survive in an AE title (services 8.1)
    name = f"{safe_name(series[0].name)[:6].rstrip('-._')}-{digest}"
    with tempfile.TemporaryDirectory(prefix="kaapana-harness-") as folder:
        archive = Path(folder) / "series.zip"
        # stored, not deflated: it travels over the loopback, where packing costs more than it saves
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as bundle:
            for number, item in enumerate(series):
                for index, file in enumerate(item.files):
                    bundle.write(file, f"{number:03d}/{index:05d}.dcm")
        environment.services.upload_series(project.name, name, archive)
    return name


def trigger(
    environment: EnvironmentPort,
    project: ProjectPort,
    dag_id: str,
    *,
    series: Sequence[Series] = (),
    form: Mapping[str, Any] | None = None,
    form_text: Mapping[str, str] | None = None,
    confirmation_required: bool = True,
) -> Triggered:
    """Validate the form, upload the dataset, start the workflow and wait until it has DAG runs.

    Args:
        series: the dataset; empty for a DAG that takes none.
        form: values by property name, or by form.
        form_text: values as text of a command line, typed by the DAG's form; they win over ``form``.
        confirmation_required: what the release says of ``confirmation`` (runtime 17).

    Raises:
        FormError: a value is unknown, missing or of the wrong type.
        UsageError: the DAG takes no dataset but one is given, or the other way round.
        RunError: the platform refused the workflow, or made no run of it.
    """
    from harness.extension import forms

    ui_forms = environment.services.form_schemas(project, dag_id)
    values = {**(form or {}), **forms.from_text(ui_forms, form_text or {})}
    if ui_forms or dag_id in environment.services.dags(project):
        _check_dataset(dag_id, ui_forms, bool(series))
        conf = forms.complete(ui_forms, values, confirmation_required=confirmation_required)
    else:
        # not on offer, so there is no form: the backend says by itself why it will not start (services 9.3)
        conf = {"workflow_form": values}
    if series:
        conf["data_form"] = {**conf.get("data_form", {}), "dataset_name": upload(environment, project, series)}
    answer = environment.services.start_workflow(
        project,
        {
            "workflow_name": dag_id,
            "dag_id": dag_id,
            "instance_names": [INSTANCE],
            "conf_data": conf,
            "federated": False,
        },
    )
    name = str(answer["workflow_name"])
    run_ids = _wait_for_runs(environment, project, dag_id, name, jobs=_expected_jobs(conf, series))
    return Triggered(dag_id, run_ids, name, conf)


def _check_dataset(dag_id: str, ui_forms: Mapping[str, Any], given: bool) -> None:
    data_form = ui_forms.get("data_form")
    properties = data_form.get("properties", {}) if isinstance(data_form, Mapping) else {}
    if given and "dataset_name" not in properties:
        raise UsageError(
            f"DAG {dag_id} takes no dataset: its ui_forms have no data_form with a dataset_name",
            fix='set ui_visible to True, or add a data_form to ui_forms; an empty "data_form" removes the selection',
        )
    # any "required" key counts, whatever its value (runtime 11.3)
    name = properties.get("dataset_name")
    required = isinstance(name, Mapping) and (
        "required" in name or "dataset_name" in (data_form or {}).get("required", [])
    )
    if not given and required:
        raise UsageError(f"DAG {dag_id} needs a dataset", fix="pass dataset= in a test, --input on the command line")


def _expected_jobs(conf: Mapping[str, Any], series: Sequence[Series]) -> int:
    """Jobs that the backend makes: one for each series with ``single_execution``, otherwise one (runtime 10.2)."""
    if conf.get("workflow_form", {}).get("single_execution") is not True or not series:
        return 1
    count = len({item.series_instance_uid for item in series})
    limit = conf.get("data_form", {}).get("dataset_limit")
    return min(count, limit) if isinstance(limit, int) and limit > 0 else count


def _wait_for_runs(
    environment: EnvironmentPort, project: ProjectPort, dag_id: str, workflow_name: str, *, jobs: int
) -> tuple[str, ...]:
    deadline = time.monotonic() + _JOBS_TIMEOUT_S
    pause = 0.02
    while True:
        found: list[Json] = environment.services.jobs(project, workflow_name)
        runs = [str(job["run_id"]) for job in sorted(found, key=_job_number) if job.get("run_id")]
        if len(runs) >= jobs:
            return tuple(runs)
        states = [str(job.get("status")) for job in found]
        lost = any(
            state in _JOB_WITHOUT_RUN and not job.get("run_id") for state, job in zip(states, found, strict=True)
        )
        if lost or time.monotonic() > deadline:
            cause = no_run_cause(dag_id, import_errors={}, job_states=states)
            said = "\n".join(str(job.get("description")) for job in found if job.get("description"))
            raise RunError(
                cause.line,
                last_seen=said or f"{len(runs)} of {jobs} DAG runs after {_JOBS_TIMEOUT_S:.0f} s",
                fix=cause.fix,
            )
        time.sleep(pause)
        pause = min(0.5, pause * 1.5)


def _job_number(job: Json) -> int:
    number = job.get("id", 0)
    return number if isinstance(number, int) else 0
