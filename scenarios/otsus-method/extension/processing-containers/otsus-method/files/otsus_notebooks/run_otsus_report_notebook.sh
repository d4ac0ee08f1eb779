#!/bin/bash
# Executes the notebook and stores it as $WORKFLOW_DIR/$OPERATOR_OUT_DIR/otsus-report.html
set -euo pipefail

output_dir="/${WORKFLOW_DIR#/}/${OPERATOR_OUT_DIR}"
mkdir -p "${output_dir}"

python3 -m nbconvert --to html --execute --no-input --TemplateExporter.exclude_input_prompt=True \
    --output-dir "${output_dir}" --output otsus-report.html \
    /kaapana/app/otsus_notebooks/run_otsus_report_notebook.ipynb

echo "report written to ${output_dir}/otsus-report.html"
