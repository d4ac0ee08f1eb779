"""Eight steps one after the other, twenty beside one another, and one with the cleaner."""

from airflow.models import DAG
from airflow.utils.dates import days_ago
from bench.StepOperator import StepOperator
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator

args = {
    "ui_visible": True,
    "ui_forms": {
        "data_form": {},
        "workflow_form": {
            "type": "object",
            "properties": {"wait_s": {"type": "number", "title": "Seconds that a step waits", "default": 0}},
        },
    },
    "owner": "kaapana",
    "start_date": days_ago(0),
    "retries": 0,
}

chain = DAG(dag_id="bench-chain", default_args=args, schedule_interval=None)
before = None
for number in range(8):
    step = StepOperator(dag=chain, name=f"step-{number}", input_operator=before)
    if before is not None:
        before >> step
    before = step

wide = DAG(dag_id="bench-wide", default_args=args, schedule_interval=None)
for number in range(20):
    StepOperator(dag=wide, name=f"step-{number}")

small = DAG(dag_id="bench-small", default_args=args, schedule_interval=None)
StepOperator(dag=small, name="step") >> LocalWorkflowCleanerOperator(dag=small, clean_workflow_dir=True)
