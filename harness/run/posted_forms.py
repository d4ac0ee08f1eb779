"""The platform's API mode: a workflow started with the document that a REST client posts (runtime 10.1, 10.2).

The backend adds no defaults and checks nothing, so a conf may contain what no user of the page can submit, and lack
what the page always submits.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.common.documents import DocumentError, abridge, check_json
from harness.errors import FormError, UsageError
from harness.findings import Finding, running
from harness.wire.messages import join_names

if TYPE_CHECKING:
    from harness.extension.form_rules import PageRules

INSTANCE: Final = "central"
_BODY: Final = frozenset({"conf_data", "dag_id", "workflow_name", "instance_names", "username", "federated", "remote"})
# set by the backend, or chosen outside of the forms
_NOT_A_FORM: Final = frozenset({"data_form", "project_form"})
_INPUT: Final = frozenset({"dataset_name", "identifiers"})
# a user of the page chooses them in a tree of files (runtime 11.1)
_FILES: Final = "backend_form"
_NAMED: Final = 5


@dataclasses.dataclass(frozen=True)
class Posted:
    """What a client posts to start a workflow.

    Attributes:
        conf_data: as posted; the platform completes it.
        dag_id: the DAG that the document names, ``None`` where it does not.
        body: the other keys, passed on unchanged.
    """

    conf_data: Mapping[str, Any]
    dag_id: str | None = None
    body: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def data_form(self) -> Mapping[str, Any] | None:
        """The part that names the input, ``None`` if it is missing."""
        found = self.conf_data.get("data_form")
        return found if isinstance(found, Mapping) else None

    def with_input(self, identifiers: Sequence[str]) -> Posted:
        """Return the document for the given series.

        Args:
            identifiers: series UIDs of the input; may be empty.

        Raises:
            UsageError: the document names a dataset as well, or has no place for the series.
        """
        if not identifiers:
            return self
        form = self.data_form
        if form is None:
            raise UsageError(
                "the conf has no data_form, so nothing would read the input",
                fix='add "data_form": {} to the conf, which means the series of the input; or leave the input out',
            )
        if form.get("dataset_name") is not None:
            raise UsageError(
                f"the conf's data_form names the dataset {abridge(form['dataset_name'])}, but an input is given too",
                fix="leave out dataset_name, then data_form means the series of the input; or leave the input out",
            )
        if form.get("identifiers") is not None:
            return self
        conf = {**copy.deepcopy(dict(self.conf_data)), "data_form": {**form, "identifiers": list(identifiers)}}
        return dataclasses.replace(self, conf_data=conf)

    def document(self, dag_id: str) -> dict[str, Any]:
        """Return the body of the request; every instance name means the only instance."""
        return {
            "workflow_name": dag_id,
            **self.body,
            "dag_id": dag_id,
            "instance_names": [INSTANCE],
            "conf_data": copy.deepcopy(dict(self.conf_data)),
        }


def read_posted(document: Any, name: str = "conf") -> Posted:
    """Read the document of an API client: the whole body of the request, or its ``conf_data`` alone.

    Args:
        name: how messages call it.

    Raises:
        UsageError: it is neither; the field is named.
    """
    if not isinstance(document, Mapping) or not all(isinstance(key, str) for key in document):
        raise UsageError(f"{name} must be an object such as {{'workflow_form': {{...}}}}, not {abridge(document)}")
    try:
        check_json(document, name)
    except DocumentError as error:
        raise UsageError(str(error)) from None
    if not _BODY & set(document):
        return Posted(_conf_data(document, name))
    if outside := [key for key in document if key.endswith("_form")]:
        raise UsageError(
            f"{name}: {outside[0]} stands beside {min(_BODY & set(document))}, where the platform ignores it",
            fix=f'write it into conf_data: {{"conf_data": {{"{outside[0]}": ...}}, ...}}',
        )
    for key in ("dag_id", "workflow_name", "username"):
        if key in document and not (isinstance(document[key], str) and document[key]):
            raise UsageError(f"{name}: {key} must be a string, not {abridge(document[key])}")
    instances = document.get("instance_names", [])
    if not isinstance(instances, list) or not all(isinstance(item, str) for item in instances):
        raise UsageError(f"{name}: instance_names must be a list of names, not {abridge(instances)}")
    if document.get("federated"):
        raise UsageError(f"{name}: federated workflows are not emulated", fix="leave federated out")
    body = {key: document[key] for key in ("workflow_name", "username") if key in document}
    return Posted(_conf_data(document.get("conf_data", {}), f"{name}: conf_data"), document.get("dag_id"), body)


def _conf_data(conf: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(conf, Mapping):
        raise UsageError(f"{name} must be an object, not {abridge(conf)}")
    for key in ("workflow_form", "data_form"):
        if key in conf and conf[key] is not None and not isinstance(conf[key], Mapping):
            raise UsageError(f"{name}: {key} must be an object, not {abridge(conf[key])}")
    data = conf.get("data_form") or {}
    identifiers, dataset = data.get("identifiers"), data.get("dataset_name")
    if identifiers is not None and not (isinstance(identifiers, list) and all(isinstance(i, str) for i in identifiers)):
        raise UsageError(f"{name}: data_form.identifiers must be a list of series UIDs, not {abridge(identifiers)}")
    if dataset is not None and not isinstance(dataset, str):
        raise UsageError(f"{name}: data_form.dataset_name must be a string, not {abridge(dataset)}")
    return conf


def count_jobs(conf: Mapping[str, Any], identifiers: Sequence[str]) -> int:
    """Return the number of jobs that the backend makes of a conf (runtime 10.2, step 7).

    Args:
        identifiers: the series that the data form means.
    """
    form, data = conf.get("workflow_form"), conf.get("data_form")
    if not isinstance(form, Mapping) or form.get("single_execution") is not True:
        return 1
    limit = data.get("dataset_limit") if isinstance(data, Mapping) else None
    try:
        return len(identifiers if limit is None else identifiers[: int(limit)])
    except (TypeError, ValueError, OverflowError):
        return 0


def report_page_difference(
    dag_id: str, conf: Mapping[str, Any], ui_forms: Mapping[str, Any] | None, rules: PageRules
) -> Finding | None:
    """Return the difference to a start from the page; ``None`` if the page can submit the same.

    Args:
        ui_forms: of the DAG, ``None`` where the project's users cannot choose it.
    """
    difference = _difference(conf, ui_forms, rules)
    if not difference:
        return None
    return running.API_ONLY_START.report(
        dag_id, f"was started through the API in a way that no user of the page can: {difference}"
    )


def find_page_refusal(
    conf: Mapping[str, Any], ui_forms: Mapping[str, Any] | None, rules: PageRules
) -> FormError | None:
    """Return why the page would not submit the values of a conf; ``None`` where it would.

    Args:
        ui_forms: of the DAG, ``None`` where the project's users cannot choose it.
    """
    try:
        _submit(conf, ui_forms, rules)
    except FormError as refused:
        return refused
    return None


def read_dataset_choice(ui_forms: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether the page offers the choice of a dataset, and whether it demands one (runtime 11.1, 11.3)."""
    form, files = ui_forms.get("data_form"), ui_forms.get(_FILES)
    replaced = isinstance(files, Mapping) and not files.get("include-dataset")
    if not isinstance(form, Mapping) or replaced:
        return False, False
    properties, listed = form.get("properties"), form.get("required")
    if not isinstance(properties, Mapping) or "dataset_name" not in properties:
        return False, False
    name = properties["dataset_name"]
    # a "required" key counts with any value
    demanded = isinstance(name, Mapping) and "required" in name
    return True, demanded or (isinstance(listed, list) and "dataset_name" in listed)


def _check_input(conf: Mapping[str, Any], ui_forms: Mapping[str, Any]) -> None:
    """Check that a user of the page can choose the input of a conf.

    Raises:
        FormError: the page offers no dataset, or demands one; or the data form is none that it submits.
    """
    found = conf.get("data_form")
    data = found if isinstance(found, Mapping) else {}
    given = {key for key in _INPUT if data.get(key) is not None}
    offered, demanded = read_dataset_choice(ui_forms)
    if given and not offered:
        raise FormError(
            "the page offers no choice of a dataset for this DAG",
            fix="add a data_form with a dataset_name to ui_forms; without a data_form ui_visible adds it",
        )
    if demanded and not given:
        raise FormError("the page demands a dataset", fix="add data_form to conf_data")
    more = sorted(set(data) - _INPUT)
    if given == {"identifiers"} and more:
        raise FormError(
            f"series that are picked in the gallery replace the data form, but it has {', '.join(more)} as well",
            fix="give dataset_name in place of identifiers",
        )


def _sent(conf: Mapping[str, Any], ui_forms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the forms of a conf; of the data form only the keys that do not name the input."""
    sent = {name: value for name, value in conf.items() if name not in _NOT_A_FORM and value is not None}
    if _FILES in ui_forms:
        sent.pop(_FILES, None)
    data = conf.get("data_form")
    limits = {key: value for key, value in data.items() if key not in _INPUT} if isinstance(data, Mapping) else {}
    if limits:
        sent["data_form"] = limits
    return sent


def _submit(conf: Mapping[str, Any], ui_forms: Mapping[str, Any] | None, rules: PageRules) -> dict[str, Any]:
    """Return the conf that the page submits for the values of a conf.

    Raises:
        FormError: it would not submit them.
    """
    from harness.extension import forms

    if ui_forms is None:
        raise FormError("the DAG is not on offer", fix="set ui_visible to True in its default_args")
    sent = _sent(conf, ui_forms)
    unknown = [name for name, value in sent.items() if name not in ui_forms and value not in ({}, [])]
    if unknown:
        raise FormError(f"the page has no {', '.join(unknown)}")
    _check_input(conf, ui_forms)
    values = {name: value for name, value in sent.items() if name in ui_forms and isinstance(value, Mapping)}
    return forms.complete(ui_forms, values, rules=rules)


def _difference(conf: Mapping[str, Any], ui_forms: Mapping[str, Any] | None, rules: PageRules) -> str:
    try:
        submitted = _submit(conf, ui_forms, rules)
    except FormError as refused:
        return refused.cause
    sent = _sent(conf, ui_forms or {})
    missing = [
        f"{form}.{key}" for form, values in submitted.items() for key in values if key not in (sent.get(form) or {})
    ]
    if missing:
        return f"the page would submit {join_names(missing, _NAMED)} as well"
    return ""
