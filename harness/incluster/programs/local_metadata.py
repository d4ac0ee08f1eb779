"""JSON documents of the Python operators: lists, tags, datasets, the index (operators 6.9 to 6.12)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from harness.incluster.programs.common import ProgramError, RunFolder, comma_list, read_json, say
from harness.incluster.programs.json2meta import documents
from harness.incluster.programs.platform_client import SERIES, NotFoundError, PlatformClient, base_url, service
from harness.wire import names

PROJECT = "00120020 ClinicalTrialProtocolID_keyword"
DEFAULT_INDEX = "project_admin"


def timestamp() -> str:
    """Return the present time, as the platform writes it in names of files."""
    return f"{datetime.now(ZoneInfo(os.environ.get('TZ') or 'Europe/Berlin')):%y-%m-%d-%H:%M:%S%f}"


def series_of(document: Any, where: Path) -> str:
    """Return the SeriesInstanceUID of a metadata document."""
    uid = document.get(SERIES) if isinstance(document, dict) else None
    if not isinstance(uid, str) or not uid:
        raise ProgramError(f"{where} has no {SERIES}")
    return uid


def concatenate(run: RunFolder, source: str, output: str, name: str) -> Path:
    """Write the JSON documents of all elements as one list, ``<run>/<out>/<time>-<name>.json``; empty without any."""
    found = []
    for element in run.elements():
        for path in sorted(run.inside(run.batch, element.name, source).rglob("*.json*")):
            found.append(read_json(path))
    target = run.inside(output, f"{timestamp()}-{name}.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=4, sort_keys=True), "utf-8")
    say(f"{len(found)} document(s) -> {run.relative(target)}")
    return target


def project_of(platform: PlatformClient, name: str) -> dict[str, Any]:
    """Return the project of this name, as the access information has it."""
    base = base_url("AII_URL", names.AII)
    project = platform.get_json(f"look up the project {name}", f"{base}/projects/{quote(name, safe='')}")
    if not isinstance(project, dict) or "opensearch_index" not in project:
        raise ProgramError(f"the access information knows nothing of the project {name}")
    return project


def _text_list(value: Any) -> list[str]:
    """Return a value of a document as a list; a text falls into its characters, as on the platform."""
    return [] if value is None else [str(item) for item in value]


def tag(
    run: RunFolder,
    source: str,
    *,
    index: str,
    field: str,
    action: str,
    tags: str,
    from_file: bool,
    file_fields: Sequence[str],
) -> None:
    """Change the tags of the series in the index.

    Args:
        action: ``add``, ``delete`` or ``add_from_file``.
        tags: comma text of the form.
        from_file: whether values of the documents become tags with every action.
        file_fields: the fields of the documents with them.

    Raises:
        ValueError: another action.
    """
    if action not in ("add", "delete", "add_from_file"):
        raise ValueError(f"the action is {action!r}, expected add, delete or add_from_file")
    platform = PlatformClient()
    given = [text.strip() for text in comma_list(tags)]
    for element in run.elements():
        for path in sorted(run.inside(run.batch, element.name, source).glob("*.json*")):
            document = read_json(path)
            uid = series_of(document, path)
            own = [] if document.get(field) is None else [str(item) for item in document[field]]
            now = [*own, *_text_list(platform.document(index, uid).get(field))]
            if from_file or action == "add_from_file":
                for name in file_fields:
                    now += _text_list(document.get(name))
            if action == "delete":
                now = [text for text in now if text not in given]
            elif action == "add":
                now += given
            result = sorted(set(now))
            platform.update_document(index, uid, {field: result})
            say(f"{uid}: {', '.join(result) or 'no tag'}")


def add_to_datasets(
    run: RunFolder, source: str, *, file_fields: Sequence[str], projects: Sequence[str], dataset: str
) -> None:
    """Add the series of the documents to a dataset of their project and of the project admin.

    Args:
        file_fields: fields of the documents that name the dataset.
        projects: instead of the document's own project.
        dataset: instead of the documents' one.

    Raises:
        ProgramError: a document names no dataset, or the backend refuses.
    """
    platform = PlatformClient()
    host, port = service(names.KAAPANA_BACKEND)
    url = f"http://{host}:{port}/client/dataset"
    for element in run.elements():
        for path in sorted(run.inside(run.batch, element.name, source).rglob("*.json*")):
            document = read_json(path)
            uid = series_of(document, path)
            wanted = [dataset] if dataset else [str(document[f]) for f in file_fields if document.get(f)]
            if not wanted:
                raise ProgramError(f"{path} names no dataset: it has none of {', '.join(file_fields)}")
            found = list(projects) if projects else [str(document.get(PROJECT) or "admin")]
            for project in dict.fromkeys([*found, "admin"]):
                try:
                    information = project_of(platform, project)
                except NotFoundError:
                    information = project_of(platform, "admin")
                for name in wanted:
                    body = {"action": "ADD", "name": name, "identifiers": [uid]}
                    headers = {"Project": json.dumps(information)}
                    platform.send_json(f"add {uid} to the dataset {name}", "PUT", url, body, **headers)
                    say(f"{uid} -> dataset {name} of {information.get('name')}")


def push(run: RunFolder, folder_name: str, *, jsonl: bool, replace: bool, projects: Sequence[str] | None) -> None:
    """Write documents into the index of their project and always into that of admin.

    Args:
        projects: write only into the indices of these projects.
    """
    platform = PlatformClient()
    for element in run.elements():
        folder = run.inside(run.batch, element.name, folder_name)
        for document in documents(folder, jsonl):
            uid = series_of(document, folder)
            if projects is not None:
                indices = [str(project_of(platform, name)["opensearch_index"]) for name in projects]
            else:
                indices = [DEFAULT_INDEX]
                try:
                    own = project_of(platform, str(document.get(PROJECT) or "admin"))
                    indices.append(str(own["opensearch_index"]))
                except ProgramError as problem:
                    say(f"warning: not written into the project's own index: {problem}")
            for index in dict.fromkeys(indices):
                _write(platform, index, uid, document, replace)


def _write(platform: PlatformClient, index: str, uid: str, document: dict[str, Any], replace: bool) -> None:
    old: dict[str, Any] = {}
    if not replace:
        try:
            old = platform.document(index, uid)
        except NotFoundError:
            old = {}
    platform.put_document(index, uid, {**old, **document})
    say(f"{len(document)} field(s) -> {index}/{uid}")
