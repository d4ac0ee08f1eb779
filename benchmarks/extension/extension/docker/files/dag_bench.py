"""Eight steps one after the other, and twenty beside one another."""

from airflow.models import DAG
from airflow.utils.dates import days_ago
from bench.StepOperator import StepOperator

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
