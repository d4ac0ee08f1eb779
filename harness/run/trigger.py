"""Start DAG runs from a dataset and form values, the way the platform's user interface does it (runtime 10, 11)."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.common.scratch import scratch_folder
from harness.errors import RunError, UsageError
from harness.run.diagnosis import make_no_run_cause
from harness.run.paths import safe_name
from harness.run.ports import EnvironmentPort, ProjectPort
from harness.run.posted_forms import INSTANCE, Posted, count_jobs, read_dataset_choice, report_page_difference
from harness.wire.fields import Json
from harness.wire.polling import Polling

if TYPE_CHECKING:
    from harness.data.series import Series
    from harness.extension.form_rules import PageRules
    from harness.findings import Finding
    from harness.profiles import Profile

# the backend makes jobs in a thread and triggers them with three attempts of five seconds (runtime 10.2)
_JOBS_TIMEOUT_S = 30.0
_JOB_WITHOUT_RUN = frozenset({"failed", "deleted"})


@dataclasses.dataclass(frozen=True)
class Triggered:
    """A workflow that the platform has accepted, with its DAG runs in the order of its jobs.

    Attributes:
        form: the conf as it was posted.
        started_by: ``form`` for a user of the page, ``api`` for a client that posts its own conf.
        finding: what a user of the page could not have done in the same way.
        latest_document: number of the last change of a metadata index before the start.
    """

    dag_id: str
    run_ids: tuple[str, ...]
    workflow_name: str
    form: dict[str, Any]
    started_by: str = "form"
    finding: Finding | None = None
    latest_document: int = 0


def make_page_rules(release: Profile) -> PageRules:
    """Return the rules of a release's page (runtime 17)."""
    from harness.extension.form_rules import PageRules

    return PageRules(
        confirmation_required=release.value("forms.confirmation_required"),
        enum_exempt=release.value("forms.required_enum_exempt"),
    )


def choose_dag(dag_ids: Sequence[str], wanted: str | None, offered: Sequence[str]) -> str:
    """Return the DAG to run.

    Args:
        dag_ids: all of the extension.
        wanted: the one that was asked for; ``None`` for the only one.
        offered: those that users can choose; if there are any, only these count for the choice.

    Raises:
        UsageError: there is no DAG, the wanted one is missing, or there are several and none is wanted.
    """
    if wanted is not None:
        if wanted not in dag_ids:
            listed = ", ".join(sorted(dag_ids)) or "none"
            raise UsageError(f"the extension has no DAG {wanted!r}; it has {listed}")
        return wanted
    candidates = offered or dag_ids
    if not candidates:
        raise UsageError(
            "the extension brings no DAG", fix="its DAG file must be copied to /kaapana/tmp/dags/ and create a DAG"
        )
    if len(candidates) > 1:
        raise UsageError(
            f"the extension brings {len(candidates)} DAGs: {', '.join(sorted(candidates))}",
            fix="choose one with --dag ID, or dag= in a test",
        )
    return candidates[0]


def check_offered(dag_id: str, offered: Sequence[str]) -> None:
    """Check that users can choose a DAG and fill in its form.

    Raises:
        UsageError: only clients of the platform's API can start it.
    """
    if dag_id not in offered:
        raise UsageError(
            f"no user can start the DAG {dag_id}: ui_visible of its default_args is not True, so no page offers it",
            fix='add "ui_visible": True to its default_args, or start it as clients of the API do: conf={}, --conf {}',
        )


def read_dataset(dataset: Any) -> list[Series]:
    """Return the series of a dataset that is given as series, as a folder, or as a list of series.

    Raises:
        InputDataError: a folder without image series, or with broken files.
        UsageError: it is of another type.
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


def upload(
    environment: EnvironmentPort, project: ProjectPort, series: Sequence[Series], name: str | None = None
) -> str:
    """Upload series as a dataset of the project; return the dataset's name.

    Args:
        name: of the dataset; by default it depends only on the series, so that a second run with the same input
            uses the same dataset.
    """
    if name is None:
        uids = sorted({item.series_instance_uid for item in series})
        digest = hashlib.sha256("\n".join(uids).encode()).hexdigest()[:6]
        # 13 characters of a dataset's name survive in an AE title (services 8.1)
        name = f"{safe_name(series[0].name)[:6].rstrip('-._')}-{digest}"
    with scratch_folder(environment.scratch) as folder:
        archive = folder / "series.zip"
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
    rules: PageRules | None = None,
    posted: Posted | None = None,
) -> Triggered:
    """Validate the form, upload the dataset, start the workflow and wait until it has DAG runs.

    Args:
        series: the dataset; empty for a DAG that takes none.
        form: values by property name, or by form.
        form_text: values as text of a command line, typed by the DAG's form; they win over ``form``.
        rules: those of the release's page.
        posted: the document of a client, which gets no defaults or checks.

    Raises:
        FormError: a value is unknown, missing or of the wrong type.
        UsageError: the DAG takes no dataset but one is given, or the other way round; form and ``posted`` are given.
        RunError: the platform refused the workflow, or made no run of it.
    """
    from harness.extension.form_rules import AS_BUILT

    rules = rules or AS_BUILT
    identifiers = list(dict.fromkeys(item.series_instance_uid for item in series))
    ui_forms = environment.services.form_schemas(project, dag_id)
    offered = bool(ui_forms) or dag_id in environment.services.dags(project)
    finding = None
    if posted is not None:
        if form or form_text:
            raise UsageError("give values of the form or a conf, not both", fix="write the values into the conf")
        posted = posted.with_input(identifiers)
        if series:
            upload(environment, project, series)
        body = posted.document(dag_id)
        finding = report_page_difference(dag_id, posted.conf_data, ui_forms if offered else None, rules)
    else:
        body = _make_body(environment, project, dag_id, ui_forms if offered else None, series, form, form_text, rules)
    conf: dict[str, Any] = body["conf_data"]
    # the input has its documents by now
    latest = environment.services.documents(project.name).latest
    answer = environment.services.start_workflow(project, body)
    name = str(answer["workflow_name"])
    jobs = _jobs(environment, project, dag_id, conf, identifiers)
    run_ids = _wait_for_runs(environment, project, dag_id, name, jobs=jobs)
    return Triggered(dag_id, run_ids, name, conf, "form" if posted is None else "api", finding, latest)


def _jobs(
    environment: EnvironmentPort, project: ProjectPort, dag_id: str, conf: Mapping[str, Any], given: Sequence[str]
) -> int:
    """Return the number of jobs to wait for.

    Args:
        given: series UIDs of the input.

    Raises:
        RunError: the backend makes none of this conf.
    """
    data = conf.get("data_form") or {}
    identifiers, name = list(data.get("identifiers") or given), data.get("dataset_name")
    if name is not None and not given:
        known = {entry["name"]: entry["identifiers"] for entry in environment.services.datasets(project)}
        identifiers = list(known.get(name, []))
    jobs = count_jobs(conf, identifiers)
    if identifiers and not jobs:
        raise RunError(
            f"the platform accepted the workflow of {dag_id} but made no job of it: with single_execution the "
            f"dataset_limit {data.get('dataset_limit')!r} takes none of the {len(identifiers)} series",
            fix="leave dataset_limit out, or give a whole number above 0",
        )
    return max(1, jobs)


def _make_body(
    environment: EnvironmentPort,
    project: ProjectPort,
    dag_id: str,
    ui_forms: Mapping[str, Any] | None,
    series: Sequence[Series],
    form: Mapping[str, Any] | None,
    form_text: Mapping[str, str] | None,
    rules: PageRules,
) -> dict[str, Any]:
    """Return the body that the page posts for a filled form; ``ui_forms`` is ``None`` for a hidden DAG."""
    from harness.extension import forms

    values = {**(form or {}), **forms.parse_text(ui_forms or {}, form_text or {})}
    if ui_forms is not None:
        _check_dataset(dag_id, ui_forms, bool(series))
        conf = forms.complete(ui_forms, values, rules=rules)
    else:
        # without a form, the backend itself reports why the DAG does not start (services 9.3)
        conf = {"workflow_form": values}
    if series:
        conf["data_form"] = {**conf.get("data_form", {}), "dataset_name": upload(environment, project, series)}
    return {
        "workflow_name": dag_id,
        "dag_id": dag_id,
        "instance_names": [INSTANCE],
        "conf_data": conf,
        "federated": False,
    }


def _check_dataset(dag_id: str, ui_forms: Mapping[str, Any], given: bool) -> None:
    offered, demanded = read_dataset_choice(ui_forms)
    if given and not offered:
        raise UsageError(
            f"DAG {dag_id} takes no dataset: its ui_forms have no data_form with a dataset_name, or a tree of files in "
            "its place",
            fix='set ui_visible to True, or add a data_form to ui_forms; an empty "data_form" removes the selection',
        )
    if not given and demanded:
        raise UsageError(f"DAG {dag_id} needs a dataset", fix="pass dataset= in a test, --input on the command line")


def _wait_for_runs(
    environment: EnvironmentPort, project: ProjectPort, dag_id: str, workflow_name: str, *, jobs: int
) -> tuple[str, ...]:
    polling = Polling(timeout_s=_JOBS_TIMEOUT_S, pause_s=0.02, longest_s=0.5)
    while True:
        found: list[Json] = environment.services.jobs(project, workflow_name)
        runs = [str(job["run_id"]) for job in sorted(found, key=_job_number) if job.get("run_id")]
        if len(runs) >= jobs:
            return tuple(runs)
        states = [str(job.get("status")) for job in found]
        lost = any(
            state in _JOB_WITHOUT_RUN and not job.get("run_id") for state, job in zip(states, found, strict=True)
        )
        if lost or not polling.again():
            cause = make_no_run_cause(dag_id, import_errors={}, job_states=states)
            descriptions = "\n".join(str(job.get("description")) for job in found if job.get("description"))
            raise RunError(
                cause.line,
                last_seen=descriptions or f"{len(runs)} of {jobs} DAG runs after {_JOBS_TIMEOUT_S:.0f} s",
                fix=cause.fix,
            )


def _job_number(job: Json) -> int:
    number = job.get("id", 0)
    return number if isinstance(number, int) else 0
