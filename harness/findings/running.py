"""Rules about how a run ended, and about what it stored and sent."""

from __future__ import annotations

from typing import Final

from harness.findings.rule import Rule
from harness.settings import how_to_set

HIDDEN_FAILURE: Final = Rule(
    "hidden-failure",
    "warning",
    "a task failed, but the run counts as success",
    "the trigger rule of the last task decides: none_failed makes the run fail",
)
NEEDED_RETRIES: Final = Rule(
    "needed-retries",
    "warning",
    "a task succeeded only after failed attempts",
    "set retries=0 in default_args while testing, and fix the first failure",
)
SKIPPED_BY_EXIT_CODE: Final = Rule(
    "skipped-by-exit-code",
    "info",
    "a container ended with exit code 126, which skips the task and those that depend on it",
    "shells also return 126 for a file that is not executable",
)
NO_INPUT: Final = Rule(
    "no-input",
    "warning",
    "the program reads `OPERATOR_IN_DIR`, but its operator has no input",
    "give it input_operator=",
    loses_output=True,
)
FORM_OVERRIDES_ENV: Final = Rule(
    "form-overrides-env",
    "warning",
    "a value of the form accidentally replaced an environment variable",
    "rename the property of workflow_form: it replaces the variable with its name in upper case in every operator",
    loses_output=True,
)
GPU_NOT_THERE: Final = Rule(
    "gpu-not-there",
    "info",
    "an operator asks for a GPU, but the platform has none",
    f"{how_to_set('gpu', '1')} gives the platform one; without it, programs must also work on the CPU",
)
MEMORY_REQUEST: Final = Rule(
    "memory-request",
    "warning",
    "an operator asks for more memory than platforms usually have",
    "set ram_mem_mb to the memory that the task needs at least, and ram_mem_mb_lmt to the limit",
)
WRITTEN_OUTSIDE: Final = Rule(
    "written-outside",
    "warning",
    "a container wrote files that are lost with it: outside of `WORKFLOW_DIR`, `/models`, `/tensorboard`, temporary "
    "folders and caches (not detected on kind)",
    "write below WORKFLOW_DIR for other tasks; /models and /tensorboard stay between runs",
    loses_output=True,
)
NOTHING_RECEIVED: Final = Rule(
    "nothing-received",
    "warning",
    "a DcmSendOperator succeeded, but the platform received nothing for the project",
    "check the host and the AE titles in its log",
)
LABEL_MAP_SEGMENTATION: Final = Rule(
    "label-map-segmentation",
    "warning",
    "the run sent a segmentation that the platform's own tools cannot read",
    "write BINARY (highdicom: SegmentationTypeValues.BINARY) if a workflow of the platform reads it again",
    releases=lambda release: release.name != "documented",
)
INVALID_SEGMENTATION: Final = Rule(
    "invalid-segmentation",
    "warning",
    "the run sent a malformed segmentation: viewers and the platform's tools may refuse it",
    "assert run.sent.segmentation().is_valid lists all problems",
)
EMPTY_SEGMENTATION: Final = Rule(
    "empty-segmentation",
    "warning",
    "the run sent a segmentation in which no voxel is set",
    "send no segmentation if nothing was found",
)
SEGMENTATION_BESIDE_SOURCE: Final = Rule(
    "segmentation-beside-source",
    "warning",
    "the run sent a segmentation whose frames are not on the slices of the series that it references",
    "write the masks on the voxels of their source image, each frame with the position of its slice",
)
REPORT_NOT_SHOWN: Final = Rule(
    "report-not-shown",
    "warning",
    "the run stored a page where the results page does not list it",
    'upload it with MinioOperator(minio_prefix="staticwebsiteresults", ...)',
)
CREDENTIAL_IN_OUTPUT: Final = Rule(
    "credential-in-output",
    "warning",
    "a result contains a password or token of the environment; the copy has `*` instead",
    "write no passwords or tokens into results: they leave the platform with them",
)
METRICS_NEVER_ANSWERED: Final = Rule(
    "metrics-never-answered",
    "warning",
    "a pod is annotated for Prometheus, but its endpoint never answered",
    'the program must listen on 0.0.0.0 (not 127.0.0.1) from its start, and annotations={"prometheus.io/port": "..."} '
    "must give its port as text",
)
METRICS_UNREADABLE: Final = Rule(
    "metrics-unreadable",
    "warning",
    "the endpoint for Prometheus did not answer with metrics",
    "answer with HTTP 200 in Prometheus' text format",
)
API_ONLY_START: Final = Rule(
    "api-only-start",
    "info",
    "the run was started with a `conf` that no user of the page can submit",
    "also run it with form= (--form) if users start it from the page",
)
SERVICES_RESTARTED: Final = Rule(
    "services-restarted",
    "warning",
    "the emulated services restarted during the run or since the last one",
    "if a task failed because of it, repeat the run; kaapana-harness status shows the environment",
)
