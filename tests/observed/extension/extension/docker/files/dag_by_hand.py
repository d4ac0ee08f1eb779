"""A step that the author does by hand, and one that needs what was done."""

from datetime import timedelta

from airflow.models import DAG
from airflow.utils.dates import days_ago
from observed.ObservedOperator import ObservedOperator

args = {
    "ui_visible": True,
    "ui_forms": {"data_form": {}},
    "owner": "kaapana",
    "start_date": days_ago(0),
    "retries": 0,
    "retry_delay": timedelta(seconds=1),
}

dag = DAG(dag_id="by-hand", default_args=args, schedule_interval=None)

edit = ObservedOperator(dag=dag, name="edit", dev_server="code-server")
check = ObservedOperator(dag=dag, name="check")

edit >> check
