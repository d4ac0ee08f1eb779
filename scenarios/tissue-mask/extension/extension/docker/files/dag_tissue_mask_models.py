"""Installs models of tissue-mask in the project; it needs no dataset."""

from datetime import datetime, timedelta

from airflow.models import DAG
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator
from kaapana.operators.MinioOperator import MinioOperator
from tissue_mask.InstallModelsOperator import InstallModelsOperator

ui_forms = {
    "workflow_form": {
        "type": "object",
        "properties": {
            "task_ids": {
                "type": "array",
                "title": "Models",
                "description": "The models to install in this project",
                "items": {"type": "string", "enum": ["body", "muscle"]},
                "default": ["body"],
                "required": True,
            },
        },
    },
    # empty: the platform does not ask for a dataset
    "data_form": {},
}

args = {
    "ui_visible": True,
    "ui_forms": ui_forms,
    "owner": "kaapana",
    "start_date": datetime(2024, 1, 1),
    "retries": 0,
    "retry_delay": timedelta(seconds=30),
}

dag = DAG(dag_id="tissue-mask-models", default_args=args, schedule_interval=None)

# the form's task_ids reaches the container as the environment variable TASK_IDS
install = InstallModelsOperator(dag=dag)

put_list = MinioOperator(
    dag=dag,
    name="put-list",
    action="put",
    minio_prefix="models",
    none_batch_input_operators=[install],
    whitelisted_file_extensions=[".json"],
)

clean = LocalWorkflowCleanerOperator(dag=dag, clean_workflow_dir=True)

install >> put_list >> clean
