"""``python -m harness.processing <program>``: start one built-in program.

Exit status: that of the program (operators 4); 1 also for a mistake in the call. A program that fails says
the cause in its last line, because that is the line a task's log tail ends with.
"""

from __future__ import annotations

import importlib
import sys

from harness.processing.common import ProgramError

PROGRAMS = {
    "get-input": "get_input",
    "mitk-fileconverter": "mitk_fileconverter",
    "dcmqi": "dcmqi",
    "dcmsend": "dcmsend",
    "minio-operator": "minio_operator",
    "workflow-cleaner": "workflow_cleaner",
    "service-checker": "service_checker",
}


def run(program: str) -> int:
    """Run a program of ``PROGRAMS`` in this process and return its exit status."""
    main = importlib.import_module(f"harness.processing.{PROGRAMS[program]}").main
    try:
        main()
    except ProgramError as failure:
        sys.stdout.flush()
        print(f"FAILED {program}: {failure}", file=sys.stderr)
        return 1
    except Exception as error:  # the platform's containers end with 1 on any exception too
        import traceback

        sys.stdout.flush()
        traceback.print_exc()
        print(f"FAILED {program}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PROGRAMS:
        print(f"usage: python -m harness.processing {{{','.join(PROGRAMS)}}}", file=sys.stderr)
        sys.exit(1)
    sys.exit(run(sys.argv[1]))
