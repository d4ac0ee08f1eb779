"""Two containers with the annotations of Prometheus; one of them does not answer."""

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

dag = DAG(dag_id="measured", default_args=args, schedule_interval=None)


def scraped(port):
    return {"prometheus.io/scrape": "true", "prometheus.io/port": port, "prometheus.io/custom_job_name": "observed"}


train = ObservedOperator(dag=dag, name="train", gpu_mem_mb=6000, annotations=scraped("9000"))
mute = ObservedOperator(dag=dag, name="mute", annotations=scraped("9001"))

train >> mute
