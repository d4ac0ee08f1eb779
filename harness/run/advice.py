"""Advise on errors that containers of workflow extensions are known to end with."""

from __future__ import annotations

import re
from typing import Final

from harness.wire import names, reasons
from harness.wire.service_refusals import RefusedRequest

# (pattern of the log, operators, next step); the first match counts
_RULES: tuple[tuple[str, str, str], ...] = (
    (
        r"Dag '[^']+' could not be found; either it does not exist or it failed to parse",
        "",
        "its DAG file was removed, or no longer imports, during the run: do not uninstall or change an "
        "extension while it runs",
    ),
    (
        r"No module named '?([\w.]+)",
        "",
        "install {0} in the container's image: requirements.txt or a RUN line of its Dockerfile",
    ),
    (
        r"(?:Association Request Failed|Peer aborted Association|TCP Initialization Error|cannot request association)",
        "",
        "the DICOM receiver did not take the association: are pacs_host, pacs_port and the AE titles those of the "
        "receiver, and does the pod have the label network-access-ctp?",
    ),
    (
        r"(?:no (?:files|dicom)[^\n]*(?:to send|found|sent)|nothing was sent|No dicoms? (?:sent|found))",
        "DcmSend",
        "its input has nothing to send: check input_operator, and that the operator before it wrote .dcm files",
    ),
    (r"NoSuchBucket", "", "the bucket does not exist: leave bucket_name out to use the project's own bucket"),
    (r"AccessDenied", "", "the project's user may only use the project's own bucket: leave bucket_name out"),
    (
        r"ValueError:[^\n]*(?:file|whitelist|match|upload)",
        "Minio",
        "no file passed: do batch_input_operators name the operator that wrote it, and does "
        "whitelisted_file_extensions hold its extension (with the dot, as a list)?",
    ),
    (r"\bNoSuchKey\b", "", "the object is not in the bucket: check minio_prefix and source_files"),
    (
        r"(?:Temporary failure in name resolution|Name or service not known|Could not resolve host|NameResolutionError|"
        r"Network is unreachable|No route to host|getaddrinfo failed|gaierror)",
        "",
        "pods have no way out of the platform: bring data and weights in the image, or give the operator "
        'labels={{"network-access-external-ips": "true"}}',
    ),
    (
        r"(?:timed? ?out|ConnectTimeout|Connection refused)",
        "",
        "a service did not answer: projects reach OpenSearch and the DICOM receiver only with the labels "
        "network-access-opensearch or network-access-ctp",
    ),
    (
        r"KeyError: '(OPERATOR_IN_DIR|OPERATOR_IMAGE_LIST_INPUT_DIR)'",
        "",
        "the operator has no input: give it input_operator= (and segmentation_operator= for a segmentation)",
    ),
    (
        r"KeyError: '([A-Z][A-Z0-9_]+)'",
        "",
        "the environment has no {0}: correct its name, or set it in env_vars or as a property of workflow_form",
    ),
    (
        r"(?:Permission denied|PermissionError)",
        "",
        "the container's user may not write there: write below WORKFLOW_DIR, and run as the base image's user",
    ),
    (
        r"/dev/shm\b[^\n]*No space left on device|No space left on device[^\n]*/dev/shm\b",
        "",
        "shared memory counts as memory and ends where the memory limit does: raise ram_mem_mb_lmt or use less of it",
    ),
    (r"No space left on device", "", "the disk of this machine is full: `docker system df` shows what uses it"),
    (
        r"(?:BlockingIOError|OSError)[^\n]*Errno 11\b|can't start new thread|[Cc]annot fork|fork: (?:retry|Resource)|"
        r"pthread_create failed|Resource temporarily unavailable",
        "",
        "the container has as many processes and threads as it may have (4096): does something start them without end, "
        "or one thread for each of very many items?",
    ),
    (
        r"exec format error",
        "",
        "the image was built for another processor, or its ENTRYPOINT script has no #! line",
    ),
)


_BY_REASON: Final = {
    reasons.INTERACTIVE_STEP: "run it from a terminal, without CI set, to work in the container; for an automatic test "
    "leave dev_server (launch_application_chart) out of the operator",
}

# (first label of the service's DNS name, status, the next step)
_REFUSALS: tuple[tuple[str, int, str], ...] = (
    (
        names.NOTIFICATION[0],
        502,
        "the service knows projects by their id, which is a UUID: "
        'load_workflow_config()["project_form"]["id"] of kaapanapy.helper',
    ),
    (
        names.KEYCLOAK[0],
        401,
        "log in as the project's user, with the name and password of the pod's environment: kaapanapy's "
        "get_project_user_access_token does",
    ),
    (names.OPENSEARCH[0], 403, "the project's user may only use the project's own index"),
)


def advise_on_refusal(request: RefusedRequest) -> str:
    """Return the next step for a request that a service refused, empty when nothing is known."""
    for service, status, advice in _REFUSALS:
        if (request.service, request.status) == (service, status):
            return advice
    return advise(request.code) if request.code else ""


def advise_on_reason(reason: str) -> str:
    """Return the next step for one of :mod:`harness.wire.reasons`, empty when nothing is known."""
    return _BY_REASON.get(reason, "")


def advise(text: str, operator: str = "") -> str:
    """Return the next step for a log, empty when nothing is known.

    Args:
        text: log or traceback.
        operator: name of the task's class, which narrows some rules.
    """
    for pattern, only_for, advice in _RULES:
        if only_for not in operator:
            continue
        match = re.search(pattern, text, re.I)
        if match:
            return advice.format(*match.groups())
    return ""
