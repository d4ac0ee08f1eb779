"""One container that fails in the way that the form asks for."""

from datetime import timedelta

from airflow.models import DAG
from airflow.utils.dates import days_ago
from faults.FaultyOperator import FaultyOperator
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator

ui_forms = {
    # an empty one: the run takes no dataset
    "data_form": {},
    "workflow_form": {
        "type": "object",
        "properties": {
            "mode": {
                "title": "What the container does",
                "type": "string",
                "enum": [
                    "succeed", "raise", "exhaust-memory", "hang", "skip", "ignore-sigterm", "chatter", "flood", "fork",
                    "fill-shared-memory", "stray", "leave-the-run", "wait", "notify-by-name", "store-elsewhere", "download",
                    "send-without-the-label",
                ],
                "default": "succeed",
                "required": True,
            },
            "ticket": {"title": "A value without a default", "type": "string", "required": True},
            "count": {"title": "A whole number", "type": "integer", "default": 1, "minimum": 1, "maximum": 9},
        },
    }
}

args = {
    "ui_visible": True,
    "ui_forms": ui_forms,
    "owner": "kaapana",
    "start_date": days_ago(0),
    "retries": 0,
    "retry_delay": timedelta(seconds=1),
}

dag = DAG(dag_id="faults", default_args=args, schedule_interval=None)

faulty = FaultyOperator(dag=dag)
clean = LocalWorkflowCleanerOperator(dag=dag, clean_workflow_dir=True)

faulty >> clean
