"""A report that shows what was chosen when the extension was installed; it needs no dataset."""

from datetime import datetime, timedelta

from airflow.models import DAG
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator
from kaapana.operators.MinioOperator import MinioOperator
from site_report import installed
from site_report.SiteReportOperator import SiteReportOperator

MODELS = installed.models()

# only the models that the chart has installed can be chosen
ui_forms = {
    "workflow_form": {
        "type": "object",
        "properties": {
            "report_model": {
                "type": "string",
                "title": "Model",
                "description": "The model that the report is about",
                "enum": MODELS,
                "default": MODELS[0] if MODELS else "",
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

dag = DAG(dag_id="site-report", default_args=args, schedule_interval=None)

report = SiteReportOperator(dag=dag)

# html files below staticwebsiteresults are shown on the platform's page for workflow results
put_report = MinioOperator(
    dag=dag,
    name="put-report",
    action="put",
    minio_prefix="staticwebsiteresults",
    none_batch_input_operators=[report],
    whitelisted_file_extensions=[".html"],
)

clean = LocalWorkflowCleanerOperator(dag=dag, clean_workflow_dir=True)

report >> put_report >> clean
