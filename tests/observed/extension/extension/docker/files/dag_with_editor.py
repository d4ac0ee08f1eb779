"""A step that is done by hand, in an image with an editor."""

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

dag = DAG(dag_id="with-editor", default_args=args, schedule_interval=None)

edit = ObservedOperator(dag=dag, name="edit", image="observed-editor", dev_server="code-server")
