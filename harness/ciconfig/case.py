"""One document of a ``ci-config`` file: what it posts, and what it expects (shapes 4)."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.ciconfig.expectation import Expectation, read_expectation
from harness.common import documents
from harness.common.documents import abridge
from harness.errors import UsageError
from harness.run.posted_forms import Posted, read_posted

_POSTED: Final = frozenset(
    {"dag_id", "conf_data", "instance_names", "username", "remote", "federated", "workflow_name"}
)
# the backend ignores unknown keys (runtime 10.1); the first is the platform's, the others are the harness's
_BESIDE: Final = frozenset({"ci_ignore", "started_by", "expect"})


@dataclasses.dataclass(frozen=True)
class Case:
    """A document that can be posted.

    Attributes:
        posted: the body of the request; its name is that of the platform's runner.
        dag_id: the DAG that it starts.
        started_by: ``api`` for a start that no user of the page could make; otherwise ``form``.
        expect: what must come of it.
    """

    posted: Posted
    dag_id: str
    started_by: str
    expect: Expectation

    @property
    def dataset_name(self) -> str | None:
        """The data set that it reads, where it names one."""
        name = (self.posted.data_form or {}).get("dataset_name")
        return None if name is None else str(name)

    @property
    def identifiers(self) -> tuple[str, ...]:
        """UIDs of the series that it reads, where it names them."""
        return tuple((self.posted.data_form or {}).get("identifiers") or ())


def read_stream(path: Path) -> list[Any]:
    """Return the documents of a file without empty ones, as the platform's runner does.

    Raises:
        UsageError: the file cannot be read, or is not YAML; the line is named.
    """
    text = documents.read_file_text(path, str(path))
    try:
        return [found for found in documents.parse_yaml(text) if found is not None]
    except documents.DocumentError as error:
        raise UsageError(f"{path} is not YAML: {error}") from None


def make_title(document: Any, number: int) -> str:
    """Return the name of a document, also of a broken one: its DAG, or its number from 1."""
    dag_id = document.get("dag_id") if isinstance(document, Mapping) else None
    return dag_id if isinstance(dag_id, str) and dag_id and dag_id.isprintable() else f"document-{number}"


def is_ignored(document: Any) -> bool:
    """Return whether the platform's runner passes a document unseen."""
    return isinstance(document, Mapping) and document.get("ci_ignore") is True


def read_case(document: Any, name: str) -> Case:
    """Return the case that a document describes.

    Args:
        name: how messages call it.

    Raises:
        UsageError: the platform's runner could not post it, or a key of it has no meaning; the key is named.
    """
    if not isinstance(document, Mapping):
        raise UsageError(f"{name} is not a mapping but {abridge(document)}: the platform's runner crashes on it")
    for key in document:
        if key not in _POSTED | _BESIDE:
            close = difflib.get_close_matches(str(key), sorted(_POSTED | _BESIDE), n=1)
            raise UsageError(
                f"{name}: the key {abridge(key)} has no meaning" + (f"; did you mean {close[0]}?" if close else ""),
                fix=f"known keys: {', '.join(sorted(_POSTED | _BESIDE))}",
            )
    for key in ("dag_id", "conf_data"):
        if key not in document:
            raise UsageError(f"{name} has no {key}", fix=f"add {key}, which the platform's backend needs")
    for key in ("ci_ignore", "remote"):
        if not isinstance(document.get(key, False), bool):
            raise UsageError(f"{name}: {key} must be true or false, not {abridge(document[key])}")
    started_by = document.get("started_by", "form")
    if started_by not in ("form", "api"):
        raise UsageError(f"{name}: started_by must be form or api, not {abridge(started_by)}")
    body = {key: value for key, value in document.items() if key in _POSTED}
    # the platform's runner overwrites a name that is given
    post = read_posted({**body, "workflow_name": f"ci_{document['dag_id']}"}, name)
    return Case(post, str(document["dag_id"]), started_by, read_expectation(document.get("expect"), f"{name}: expect"))


def find_tree(file: Path) -> Path:
    """Return the source tree of the extension that a ``ci-config`` file belongs to (shapes 1.1).

    Raises:
        UsageError: the file does not lie in a folder beside a Chart.yaml.
    """
    chart = file.parent.parent
    if not (chart / "Chart.yaml").is_file():
        raise UsageError(
            f"{file} belongs to no chart: {chart} has no Chart.yaml", fix="put ci-config/ beside the Chart.yaml"
        )
    # <x>/extension/<chart>, or <x>/<chart>
    return chart.parent.parent if chart.parent.name == "extension" else chart.parent
