"""Send DICOM files to the platform's receiver or another one (operators 4.4). The program of DcmSendOperator.

The transfer is DCMTK's ``dcmsend``, one call for each folder that holds DICOM files. The calling AE title names
the dataset, the called one the project (services 8.1).
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import (
    ProgramError,
    RunFolder,
    dicom_files,
    notice,
    number,
    require,
    say,
    section,
)
from harness.wire import names

_ATTEMPTS = 5
_TIMEOUT_S = {"element": 600, "batch": 3600}
_AE_TITLE_LENGTH = 16
# value of the variable AETITLE without an operator's argument
_NO_TITLE = "NONE"


def _receiver() -> tuple[str, int, bool]:
    """Return host and port, and whether it is the platform's own receiver."""
    name, namespace, port = names.CTP_DICOM
    own = f"{name}.{os.environ.get('SERVICES_NAMESPACE') or namespace}.svc"
    host = os.environ.get("PACS_HOST") or own
    return host, number("PACS_PORT", port, 1, 65535), host == own


def _protocol_id(file: Path) -> str:
    import pydicom  # a second to import; only files of an unnamed dataset need it

    dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["ClinicalTrialProtocolID"])
    return str(dataset.get("ClinicalTrialProtocolID", "") or "")


def dataset_name(form: dict[str, Any], first: Path) -> str:
    """Return the calling AE title before prefix and cut; an empty ``AETITLE`` counts as given."""
    title = os.environ.get("AETITLE", _NO_TITLE)
    if title != _NO_TITLE:
        task = form.get("task_num")
        return f"{title}{task}" if task is not None else title
    return os.environ.get("WORKFLOW_NAME") or _protocol_id(first) or "KAAPANA export"


def ae_titles(conf: dict[str, Any], dataset: str, own_receiver: bool) -> tuple[str, str]:
    """Return calling and called AE title, not yet cut: ``kp-`` marks both for the platform's own receiver."""
    called = os.environ.get("CALLED_AE_TITLE_SCP") or ("" if own_receiver else "ANY-SCP")
    if not own_receiver:
        return dataset, called
    project = called or str(section(conf, "project_form").get("name", ""))
    return (dataset if dataset.startswith("kp-") else f"kp-{dataset}"), (
        project if project.startswith("kp-") else f"kp-{project}"
    )


def _cut(title: str, what: str, *, chosen: bool) -> str:
    """Return an AE title to send, cut to the maximum length.

    Args:
        chosen: by the author; the name of a workflow, which is always longer, is not.
    """
    if len(title) > _AE_TITLE_LENGTH:
        text = f"{what} {title!r} is longer than an AE title may be, sent as {title[:_AE_TITLE_LENGTH]!r}"
        if chosen:
            notice("ae-title-cut", text)
        else:
            say(text)
    return title[:_AE_TITLE_LENGTH]


def _send(folder: Path, count: int, host: str, port: int, titles: tuple[str, str], timeout: int) -> None:
    """Send one folder, with up to five attempts without a pause. As on the platform a successful fifth is too late."""
    command = ["dcmsend", "-v", host, str(port), "-aet", titles[0], "-aec", titles[1]]
    command += ["--scan-directories", "--no-halt", str(folder)]
    cause = ""
    for attempt in range(1, _ATTEMPTS + 1):
        start = time.monotonic()
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            cause = f"no end after {timeout} s"
        except FileNotFoundError:
            raise ProgramError("the program dcmsend of DCMTK is not installed in this image") from None
        else:
            output = done.stdout.decode("utf-8", "replace")
            if done.returncode == 0 and "with status SUCCESS" in output and attempt < _ATTEMPTS:
                seconds = time.monotonic() - start
                say(f"{folder.name}: {count} file(s) sent to {host}:{port} ({seconds:.1f} s)")
                return
            lines = [line for line in output.splitlines() if line[:2] in ("E:", "F:", "W:")]
            cause = "; ".join(lines[-2:]) or f"exit status {done.returncode}, no status SUCCESS in the output"
            print(output, end="", flush=True)
        say(f"attempt {attempt} of {_ATTEMPTS} failed: {cause}")
    raise ProgramError(f"{folder} was not sent to {host}:{port} after {_ATTEMPTS} attempts: {cause}")


def main() -> None:
    """Send every element's input folder, or at level ``batch`` the run's; nothing sent is a ProgramError."""
    run = RunFolder.from_environment()
    conf = run.conf()
    form = section(conf, "workflow_form")
    section(conf, "project_form")
    source, level = require("OPERATOR_IN_DIR"), os.environ.get("LEVEL") or "element"
    if level not in _TIMEOUT_S:
        raise ProgramError(f"LEVEL is {level!r}, expected element or batch")
    host, port, own = _receiver()
    parents = [run.root] if level == "batch" else [run.inside(run.batch, e.name) for e in run.elements()]
    sent = 0
    for parent in parents:
        folders: dict[Path, list[Path]] = {}
        for file in dicom_files(run.inside(run.relative(parent), source)):
            folders.setdefault(file.parent, []).append(file)
        if not folders:
            notice("nothing-to-send", f"{parent.name}: no DICOM file in {source}, nothing to send")
            continue
        titles: tuple[str, str] | None = None
        for folder, files in folders.items():
            if titles is None:  # the first folder decides for the whole element
                calling, called = ae_titles(conf, dataset_name(form, files[0]), own)
                given = os.environ.get("AETITLE", _NO_TITLE) != _NO_TITLE
                titles = _cut(calling, "dataset", chosen=given), _cut(called, "project", chosen=True)
                say(f"{parent.name}: calling AE {titles[0]!r} (dataset), called AE {titles[1]!r} (project)")
            _send(folder, len(files), host, port, titles, _TIMEOUT_S[level])
            sent += len(files)
    if not sent:
        raise ProgramError(f"no DICOM file in any {source} folder: nothing was sent")
    say(f"{sent} file(s) sent")
