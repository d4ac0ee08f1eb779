# does what the smallest step does: makes its output folder and leaves a file in it
mkdir -p "$WORKFLOW_DIR/$OPERATOR_OUT_DIR"
sleep "${WAIT_S:-0}"
date > "$WORKFLOW_DIR/$OPERATOR_OUT_DIR/done"
