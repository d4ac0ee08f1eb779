#!/bin/bash
# One image, two steps: an operator chooses with the environment variable OTSUS_STEP
set -euo pipefail

case "${OTSUS_STEP:-segment}" in
    segment) exec python3 -u /kaapana/app/otsus_method.py ;;
    report) exec /bin/bash /kaapana/app/otsus_notebooks/run_otsus_report_notebook.sh ;;
    *) echo "OTSUS_STEP is ${OTSUS_STEP}, expected segment or report" >&2; exit 1 ;;
esac
