"""Files of a run in a bucket, the two old ways: LocalMinioOperator, and its helper in code of one's own."""

from datetime import timedelta
from pathlib import Path

from airflow.models import DAG
from airflow.utils.dates import days_ago
from kaapana.operators import HelperMinio
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator
from kaapana.operators.LocalMinioOperator import LocalMinioOperator
from kaapanapy.helper import get_minio_client

args = {
    "ui_visible": True,
    "ui_forms": {
        "data_form": {
            "type": "object",
            "properties": {"bucket_name": {"type": "string", "title": "Bucket"}},
        },
    },
    "owner": "kaapana",
    "start_date": days_ago(0),
    "retries": 0,
    "retry_delay": timedelta(seconds=1),
}

dag = DAG(dag_id="stored", default_args=args, schedule_interval=None)


def folder_of(dag_run):
    return Path("/kaapana/mounted/workflows/data", dag_run.run_id)


def write(**kwargs):
    for name in ("notes/a.txt", "notes/b.txt", "notes/c.bin", "helped/d.txt"):
        path = folder_of(kwargs["dag_run"]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def store(**kwargs):
    bucket = kwargs["dag_run"].conf["data_form"]["bucket_name"]
    folder = folder_of(kwargs["dag_run"])
    HelperMinio.apply_action_to_object_dirs(get_minio_client(), "put", bucket, folder, ["helped"])


written = KaapanaPythonBaseOperator(dag=dag, name="write", python_callable=write)
put = LocalMinioOperator(dag=dag, action="put", action_operator_dirs=["notes"], target_dir_prefix="kept")
stored = KaapanaPythonBaseOperator(dag=dag, name="store", python_callable=store)
removed = LocalMinioOperator(dag=dag, action="remove", action_files=["kept/notes/a.txt"])

written >> put >> stored >> removed
