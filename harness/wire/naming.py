"""Names that Kubernetes objects of a run get (runtime 4.3, 6.1, 6.5), and the grammar of names in Kubernetes."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Final

POD_NAME_LENGTH: Final = 62
"""Pod names are cut to the *first* 62 characters, which lets two tasks of one run share a name (runtime 6.1)."""

RELEASE_REGEX: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"

_BOTH_ENDS: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

DNS_LABEL: Final = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN: Final = re.compile(rf"{_BOTH_ENDS}(\.{_BOTH_ENDS})*")
"""What most objects may be named, apart from the length."""
ENV_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
"""Of a variable in the environment of a container."""

_LABEL_LENGTH: Final = 63


def run_id(dag_id: str, now: datetime | None = None) -> str:
    """Return ``<dag_id>-<YYMMDDHHMMSSffffff>`` in local time, 18 digits (runtime 4.3)."""
    return f"{dag_id}-{(now or datetime.now()).strftime('%y%m%d%H%M%S%f')}"


def pod_name(run: str, task_id: str) -> str:
    """Return the name of the pod of a task (runtime 6.1)."""
    name = re.sub(r"[^a-z0-9.-]", "-", f"{run}-{task_id}".lower())
    name = re.sub(r"^[^a-z0-9]+|[^a-z0-9]+$", "", name)[:POD_NAME_LENGTH]
    return re.sub(r"[^a-z0-9]+$", "", name)


def timed_pod_name(task_id: str, now: datetime | None = None) -> str:
    """Return a task's pod name in 0.4 and 0.5: ``<task_id>-<timestamp>``, the *last* 63 characters (runtime 6.1)."""
    name = re.sub(r"[^a-z0-9.-]", "-", run_id(task_id, now).lower())[-_LABEL_LENGTH:]
    return re.sub(r"^[^a-z0-9]+", "", name)


def worker_name(run: str, task_id: str) -> str:
    """Return the pod name of a Python operator, unique by a digest; the platform's executor uses random characters."""
    digest = hashlib.sha256(f"{run} {task_id}".encode()).hexdigest()[:8]
    return f"{pod_name(run, task_id)[:53].rstrip('-.')}-{digest}"


def run_id_label(run: str) -> str:
    """Return the value of the pod label ``run_id``: lower-case letters, digits and ``-`` only (runtime 6.1)."""
    return re.sub(r"[^a-z0-9-]", "", run.lower())


def configmap_name(run: str) -> str:
    """Return the name of the ConfigMap that holds the run's conf (runtime 6.5)."""
    return f"{run}-config"


def instance_file(sop_instance_uid: str) -> str:
    """Return the name of the file in which a DICOM instance comes to a run (operators 4.1)."""
    return f"{sop_instance_uid}.dcm"


def cured_run_id(run: str) -> str:
    """Return the run id as a name that every object and label takes, for releases that make no such object of it.

    A digest keeps changed run ids distinct from others.
    """
    if configmap_problem(run) is None:
        return run
    digest = hashlib.sha256(run.encode()).hexdigest()[:8]
    return f"r{re.sub(r'[^a-z0-9]+', '-', run.lower())}"[:50].rstrip("-") + f"-{digest}"


def run_id_of_0_6_1(run: str) -> str:
    """Return the run id as 0.6.1 writes it into the ConfigMap's name, its label and its mount path (task-api 1.3).

    Nothing limits its length.
    """
    return cure_invalid_name(run, _BOTH_ENDS)


def configmap_problem(run: str) -> str | None:
    """Return why the API server would refuse the ConfigMap of this run, or ``None`` (runtime 6.5)."""
    if not DNS_SUBDOMAIN.fullmatch(configmap_name(run)):
        return (
            f"the run id {run!r} is not a valid name for the run's ConfigMap: a dag_id may hold lower-case letters, "
            "digits, '-' and '.' only"
        )
    if len(run) > _LABEL_LENGTH:
        return (
            f"the run id {run!r} has {len(run)} characters, a label value may have {_LABEL_LENGTH}: "
            f"a dag_id may have {_LABEL_LENGTH - 19} at most"
        )
    return None


def cure_invalid_name(name: str, regex: str, max_length: int | None = None) -> str:
    """Make a name fit a regular expression the way the platform does (runtime 4.3).

    Characters outside ``[-a-z0-9]`` are deleted, upper case and ``_`` too. If the rest does not match, every
    character that the expression leaves over is deleted everywhere. Then the *last* ``max_length`` characters are
    kept and the second step is repeated, so a leading ``-`` after cutting removes all ``-``.
    """

    def fit(text: str) -> str:
        if re.fullmatch(regex, text):
            return text
        left_over = re.sub(regex, "", text)
        for character in set(left_over):
            text = text.replace(character, "")
        return text

    name = fit(re.sub(r"[^-a-z0-9]", "", name))
    if max_length is not None and len(name) > max_length:
        name = fit(name[-max_length:])
    return name


def release_name(run: str) -> str:
    """Return the Helm release of an application that a run starts: one per run, not per task (runtime 4.3)."""
    return "kaapanaint-" + cure_invalid_name(run, RELEASE_REGEX, max_length=42)
