"""Rules about how a run ended, and about what it stored and sent."""

from __future__ import annotations

from typing import Final

from harness.findings.rule import Rule

HIDDEN_FAILURE: Final = Rule(
    "hidden-failure",
    "warning",
    "a task failed, but the run counts as success",
    "the trigger rule of the last task decides: none_failed shows the failure",
)
NEEDED_RETRIES: Final = Rule(
    "needed-retries",
    "warning",
    "a task succeeded only after failed attempts",
    "set retries=0 in default_args while testing, and fix what fails at first",
)
SKIPPED_BY_EXIT_CODE: Final = Rule(
    "skipped-by-exit-code",
    "info",
    "a container ended with exit code 126, which skips the task and those that need it",
    "shells return 126 as well for a file that may not be executed",
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
    "a value of the form replaced a variable that is not meant to be replaced",
    "a property of workflow_form replaces the variable of its name in upper case in every operator: rename it",
    loses_output=True,
)
GPU_NOT_THERE: Final = Rule(
    "gpu-not-there",
    "info",
    "an operator asks for a GPU, and the platform has none",
    "the setting `gpu` gives the platform one; on a platform without one programs must work on the CPU, too",
)
MEMORY_REQUEST: Final = Rule(
    "memory-request",
    "warning",
    "an operator asks for more memory than platforms usually have",
    "ram_mem_mb is what the task needs at least; more is allowed by ram_mem_mb_lmt",
)
WRITTEN_OUTSIDE: Final = Rule(
    "written-outside",
    "warning",
    "a container wrote files that are lost with it: beside `WORKFLOW_DIR`, `/models`, `/tensorboard`, temporary "
    "folders and caches (not seen on kind)",
    "only what is below WORKFLOW_DIR reaches other tasks; /models and /tensorboard stay between runs",
    loses_output=True,
)
NOTHING_RECEIVED: Final = Rule(
    "nothing-received",
    "warning",
    "a DcmSendOperator succeeded, but the platform received nothing for the project",
    "look in its log at the host and the AE titles it sent to",
)
LABEL_MAP_SEGMENTATION: Final = Rule(
    "label-map-segmentation",
    "warning",
    "a segmentation was sent that the platform's own tools do not read",
    "write BINARY (highdicom: SegmentationTypeValues.BINARY) where a workflow of the platform reads it again",
    releases=lambda release: release.name != "documented",
)
INVALID_SEGMENTATION: Final = Rule(
    "invalid-segmentation",
    "warning",
    "a segmentation was sent that is not well formed: viewers and the platform's tools may refuse it",
    "assert run.sent.segmentation().is_valid lists everything that is wrong with it",
)
EMPTY_SEGMENTATION: Final = Rule(
    "empty-segmentation",
    "warning",
    "a segmentation was sent in which no voxel is set",
    "send none where nothing was found",
)
SEGMENTATION_BESIDE_SOURCE: Final = Rule(
    "segmentation-beside-source",
    "warning",
    "a segmentation was sent whose frames are not on the slices of the series that it references",
    "write the masks on the voxels of the image they were made from, each frame with the position of its slice",
)
REPORT_NOT_SHOWN: Final = Rule(
    "report-not-shown",
    "warning",
    "a page was stored where the results page does not list it",
    'MinioOperator(minio_prefix="staticwebsiteresults", ...)',
)
CREDENTIAL_IN_OUTPUT: Final = Rule(
    "credential-in-output",
    "warning",
    "a result holds a password or token of the environment, which is overwritten with `*` in the copy",
    "write no password or token into results: they leave the platform with them",
)
METRICS_NEVER_ANSWERED: Final = Rule(
    "metrics-never-answered",
    "warning",
    "a pod is annotated for Prometheus, but its endpoint never answered",
    'the program must listen on 0.0.0.0 (not 127.0.0.1) from early on, and annotations={"prometheus.io/port": "..."} '
    "must name its port as text",
)
METRICS_UNREADABLE: Final = Rule(
    "metrics-unreadable",
    "warning",
    "the endpoint for Prometheus answered with something else than metrics",
    "answer in Prometheus' text format with HTTP 200",
)
API_ONLY_START: Final = Rule(
    "api-only-start",
    "info",
    "the run was started with a `conf` that no user of the page submits",
    "run it with form= (--form) as well, if it is to be started from the page",
)
SERVICES_RESTARTED: Final = Rule(
    "services-restarted",
    "warning",
    "the emulated services were started again during the run or since the last one",
    "if a task failed over it, run it again; kaapana-harness status shows the environment",
)
