"""Otsu's method: segment the brain, store it as DICOM SEG, publish a report."""

from datetime import datetime, timedelta

from airflow.models import DAG
from kaapana.operators.DcmConverterOperator import DcmConverterOperator
from kaapana.operators.DcmSendOperator import DcmSendOperator
from kaapana.operators.GetInputOperator import GetInputOperator
from kaapana.operators.Itk2DcmSegOperator import Itk2DcmSegOperator
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator
from kaapana.operators.MinioOperator import MinioOperator
from otsus_method.OtsusMethodOperator import OtsusMethodOperator
from otsus_method.OtsusNotebookOperator import OtsusNotebookOperator

# what the user is asked for before the workflow starts
ui_forms = {
    "data_form": {
        "type": "object",
        "title": "Select the data",
        "description": "Skull-stripped images of the head",
        "properties": {
            "dataset_name": {
                "type": "string",
                "title": "Dataset",
                "oneOf": [],  # the platform fills in the datasets of the project
                "required": True,
            },
            "dataset_limit": {
                "type": "integer",
                "title": "Limit of the dataset",
                "description": "How many series of the dataset are used at most",
            },
        },
    },
    "workflow_form": {
        "type": "object",
        "properties": {
            "threshold_bins": {
                "type": "integer",
                "title": "Histogram bins",
                "description": "How fine the histogram is in which Otsu's threshold is looked for",
                "default": 128,
                "minimum": 2,
                "maximum": 4096,
                "required": True,
            },
            "single_execution": {
                "type": "boolean",
                "title": "Single execution",
                "description": "Start one workflow for each series",
                "default": False,
                "readOnly": False,
                "required": True,
            },
        },
    },
}

args = {
    "ui_visible": True,
    "ui_forms": ui_forms,
    "owner": "kaapana",
    "start_date": datetime(2024, 1, 1),
    "retries": 0,
    "retry_delay": timedelta(seconds=30),
}

dag = DAG(dag_id="otsus-method", default_args=args, schedule_interval=None)

get_input = GetInputOperator(dag=dag)

convert = DcmConverterOperator(dag=dag, input_operator=get_input)

# the form's threshold_bins reaches the container as the environment variable THRESHOLD_BINS
otsus_method = OtsusMethodOperator(dag=dag, input_operator=convert)

seg_to_dcm = Itk2DcmSegOperator(
    dag=dag,
    input_operator=get_input,
    segmentation_operator=otsus_method,
    single_label_seg_info="brain",
    alg_name="Otsus-Method",
    skip_empty_slices=True,
)

dcm_send = DcmSendOperator(dag=dag, input_operator=seg_to_dcm)

# the same image as otsus_method, another step of it
report = OtsusNotebookOperator(dag=dag, name="generate-otsus-report", input_operator=otsus_method)

# html files below staticwebsiteresults are shown on the platform's page for workflow results
put_report_to_minio = MinioOperator(
    dag=dag,
    name="upload-to-staticwebsite",
    action="put",
    minio_prefix="staticwebsiteresults",
    none_batch_input_operators=[report],
    whitelisted_file_extensions=[".html"],
)

clean = LocalWorkflowCleanerOperator(dag=dag, clean_workflow_dir=True)

get_input >> convert >> otsus_method

otsus_method >> seg_to_dcm >> dcm_send >> clean
otsus_method >> report >> put_report_to_minio >> clean
