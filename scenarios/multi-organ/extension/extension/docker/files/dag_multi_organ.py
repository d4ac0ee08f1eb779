"""Several tissues in one DICOM SEG, and a table of their volumes for those who want it."""

from datetime import datetime, timedelta

from airflow.models import DAG
from kaapana.operators.DcmConverterOperator import DcmConverterOperator
from kaapana.operators.DcmSendOperator import DcmSendOperator
from kaapana.operators.GetInputOperator import GetInputOperator
from kaapana.operators.Itk2DcmSegOperator import Itk2DcmSegOperator
from kaapana.operators.KaapanaBranchPythonBaseOperator import KaapanaBranchPythonBaseOperator
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator
from kaapana.operators.MergeMasksOperator import MergeMasksOperator
from kaapana.operators.MinioOperator import MinioOperator
from multi_organ.OrganSegmentationOperator import OrganSegmentationOperator
from multi_organ.OrganVolumesOperator import OrganVolumesOperator

TISSUES = ["liquor", "grey matter", "white matter"]

# what the user is asked for before the workflow starts; the platform adds the choice of the dataset
ui_forms = {
    "workflow_form": {
        "type": "object",
        "properties": {
            # not "mode", "level" or another name that built-in operators read from their environment
            "tissues": {
                "type": "array",
                "title": "Tissues",
                "description": "Which tissues are stored",
                "items": {"type": "string", "enum": TISSUES},
                "default": TISSUES,
                "minItems": 1,
            },
            "report_volumes": {
                "type": "boolean",
                "title": "Report volumes",
                "description": "Write a table of the volumes",
                "default": True,
            },
            "min_volume_ml": {
                "type": "number",
                "title": "Smallest volume",
                "description": "Tissues below it, in millilitres, are left out of the table",
                "default": 1,
                "minimum": 0,
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

dag = DAG(dag_id="multi-organ", default_args=args, schedule_interval=None)


def report_wanted(**kwargs):
    """The task that goes on after the segmentation: the table, or right the end."""
    form = kwargs["dag_run"].conf["workflow_form"]
    return volumes.task_id if form["report_volumes"] else clean.task_id


get_input = GetInputOperator(dag=dag)

convert = DcmConverterOperator(dag=dag, input_operator=get_input, output_format="nii.gz")

# writes a mask for each tissue and the list of labels, seg_info.json
segment = OrganSegmentationOperator(dag=dag, input_operator=convert)

merge = MergeMasksOperator(dag=dag, input_operator=segment, name="merge-tissues", mode="combine")

# the platform's code table has no term for these tissues: finding custom-segment-code, viewers show the labels
seg_to_dcm = Itk2DcmSegOperator(
    dag=dag,
    input_operator=get_input,
    segmentation_operator=merge,
    input_type="multi_label_seg",
    multi_label_seg_name="tissues",
    alg_name="Multi-Otsu",
    skip_empty_slices=True,
)

dcm_send = DcmSendOperator(dag=dag, input_operator=seg_to_dcm)

branch = KaapanaBranchPythonBaseOperator(
    dag=dag,
    name="report-wanted",
    input_operator=segment,
    python_callable=report_wanted,
)

# ends with the exit code 126 when no tissue is large enough: the table and its upload are skipped then
volumes = OrganVolumesOperator(dag=dag, input_operator=segment)

put_volumes = MinioOperator(
    dag=dag,
    name="put-volumes",
    action="put",
    minio_prefix="multi-organ",
    batch_input_operators=[volumes],
    whitelisted_file_extensions=[".csv"],
)

# what was skipped does not keep the run's folder
clean = LocalWorkflowCleanerOperator(dag=dag, clean_workflow_dir=True, trigger_rule="none_failed_min_one_success")

get_input >> convert >> segment

segment >> merge >> seg_to_dcm >> dcm_send >> clean
segment >> branch >> volumes >> put_volumes >> clean
branch >> clean
