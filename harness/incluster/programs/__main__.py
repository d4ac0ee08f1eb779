"""``python -m harness.incluster.programs <program>``: start one built-in program.

Exit status: that of the program (operators 4); 1 also for a mistake in the call. A program that fails says
the cause in its last line, because that is the line a task's log tail ends with.
"""

from __future__ import annotations

import importlib
import sys

from harness.incluster.programs.common import ProgramError, SkipTaskError

PROGRAMS = {
    "get-input": "get_input",
    "mitk-fileconverter": "mitk_fileconverter",
    "dcmqi": "dcmqi",
    "dcmsend": "dcmsend",
    "minio-operator": "minio_operator",
    "workflow-cleaner": "workflow_cleaner",
    "merge-masks": "merge_masks",
    "update-seginfo": "update_seginfo",
    "get-ref-series": "get_ref_series",
    "mask2nifti": "mask2nifti",
    "mitk-resample": "mitk_resample",
    "zip-unzip": "zip_unzip",
    "jupyterlab-reporting": "jupyterlab_reporting",
    "json2meta": "json2meta",
    "bin2dcm": "bin2dcm",
    "pdf2dcm": "pdf2dcm",
    "dcmodify": "dcmodify",
    "notify": "notify",
    "itk2dcm": "itk2dcm",
    "seg-eval": "seg_eval",
    "train-test-split": "train_test_split",
    "pyradiomics": "pyradiomics",
    "dicom-validator": "dicom_validator",
    "cca": "cca",
    "service-checker": "service_checker",
}


def run(program: str) -> int:
    """Run a program of ``PROGRAMS`` in this process and return its exit status."""
    main = importlib.import_module(f"harness.incluster.programs.{PROGRAMS[program]}").main
    try:
        main()
    except SkipTaskError as reason:
        print(f"SKIPPED {program}: {reason}", flush=True)
        return reason.status
    except ProgramError as failure:
        sys.stdout.flush()
        print(f"FAILED {program}: {failure}", file=sys.stderr)
        return failure.status
    except Exception as error:  # the platform's containers end with 1 on any exception too
        import traceback

        sys.stdout.flush()
        traceback.print_exc()
        print(f"FAILED {program}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PROGRAMS:
        print(f"usage: python -m harness.incluster.programs {{{','.join(PROGRAMS)}}}", file=sys.stderr)
        sys.exit(1)
    sys.exit(run(sys.argv[1]))
