"""Segment tissue in CT images with one of two methods, and store the result as DICOM SEG."""

from datetime import datetime, timedelta

from airflow.models import DAG
from airflow.operators.python import BranchPythonOperator
from kaapana.operators.DcmConverterOperator import DcmConverterOperator
from kaapana.operators.DcmSendOperator import DcmSendOperator
from kaapana.operators.GetInputOperator import GetInputOperator
from kaapana.operators.Itk2DcmSegOperator import Itk2DcmSegOperator
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator
from tissue_mask.TissueMaskOperator import TissueMaskOperator

# without a data_form of its own a visible DAG gets the platform's choice of a dataset
ui_forms = {
    "workflow_form": {
        "type": "object",
        "properties": {
            "model": {
                "type": "string",
                "title": "Model",
                "description": "Which tissue is looked for; the model has to be installed in the project",
                "enum": ["body", "muscle"],
                "default": "body",
                "required": True,
            },
            "detail": {
                "type": "string",
                "title": "Detail",
                "enum": ["coarse", "fine"],
                "default": "coarse",
                "required": True,
            },
            "input": {
                "type": "string",
                "title": "Modality",
                "default": "CT",
                "readOnly": True,
            },
            "single_execution": {
                "type": "boolean",
                "title": "Single execution",
                "default": True,
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

dag = DAG(dag_id="tissue-mask", default_args=args, schedule_interval=None)


def choose(**context):
    """Return the task that the form asks for; the conf is all that a branch can see."""
    form = context["dag_run"].conf["workflow_form"]
    return "tissue-mask-fine" if form["detail"] == "fine" else "tissue-mask-coarse"


get_input = GetInputOperator(dag=dag, check_modality=True)
convert = DcmConverterOperator(dag=dag, input_operator=get_input)
branch = BranchPythonOperator(dag=dag, task_id="choose-detail", python_callable=choose)

# both write to the same folder, of which only one is there in a run
coarse = TissueMaskOperator(
    dag=dag, name="tissue-mask-coarse", smoothing_mm=0, input_operator=convert, operator_out_dir="tissue-mask"
)
fine = TissueMaskOperator(
    dag=dag, name="tissue-mask-fine", smoothing_mm=2, input_operator=convert, operator_out_dir="tissue-mask"
)

seg_to_dcm = Itk2DcmSegOperator(
    dag=dag,
    input_operator=get_input,
    segmentation_operator=coarse,
    single_label_seg_info="tissue",
    alg_name="Tissue-Mask",
    skip_empty_slices=True,
    trigger_rule="none_failed_min_one_success",
)
dcm_send = DcmSendOperator(dag=dag, input_operator=seg_to_dcm)
clean = LocalWorkflowCleanerOperator(dag=dag, clean_workflow_dir=True)

get_input >> convert >> branch >> [coarse, fine] >> seg_to_dcm >> dcm_send >> clean
