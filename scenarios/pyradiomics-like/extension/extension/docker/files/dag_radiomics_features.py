"""Features of segmented images: from a segmentation to its image, to masks, to a table."""

from datetime import datetime, timedelta

from airflow.models import DAG
from kaapana.operators.DcmConverterOperator import DcmConverterOperator
from kaapana.operators.GetInputOperator import GetInputOperator
from kaapana.operators.GetRefSeriesOperator import GetRefSeriesOperator
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator
from kaapana.operators.Mask2nifitiOperator import Mask2nifitiOperator
from kaapana.operators.MinioOperator import MinioOperator
from kaapana.operators.ZipUnzipOperator import ZipUnzipOperator
from radiomics_features.RadiomicsFeaturesOperator import RadiomicsFeaturesOperator

# what the user is asked for before the workflow starts; the platform adds the choice of the dataset
ui_forms = {
    "workflow_form": {
        "type": "object",
        "properties": {
            "input": {
                "type": "string",
                "title": "Input",
                "description": "The modality of the dataset",
                "default": "SEG",
                "readOnly": True,
            },
            "feature_classes": {
                "type": "array",
                "title": "Feature classes",
                "description": "Which features are computed",
                "items": {"type": "string", "enum": ["firstorder", "shape"]},
                "default": ["firstorder", "shape"],
                "minItems": 1,
            },
            "bin_width": {
                "type": "number",
                "title": "Bin width",
                "description": "Width of a histogram bin for the entropy, in units of the image",
                "default": 25,
                "exclusiveMinimum": 0,
            },
            "single_execution": {
                "type": "boolean",
                "title": "Single execution",
                "description": "Start one workflow for each segmentation",
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

dag = DAG(dag_id="radiomics-features", default_args=args, schedule_interval=None)

get_segmentation = GetInputOperator(dag=dag, check_modality=True)

# the image that the segmentation was made from, into the segmentation's own folder
get_image = GetRefSeriesOperator(dag=dag, input_operator=get_segmentation)

convert = DcmConverterOperator(dag=dag, input_operator=get_image, output_format="nii.gz")

masks = Mask2nifitiOperator(dag=dag, input_operator=get_segmentation)

# the form's feature_classes and bin_width reach the container as FEATURE_CLASSES and BIN_WIDTH
features = RadiomicsFeaturesOperator(dag=dag, input_operator=convert, mask_operator=masks)

archive = ZipUnzipOperator(
    dag=dag,
    input_operator=features,
    mode="zip",
    target_filename="features.zip",
    whitelist_files="*.json",
)

put_features = MinioOperator(
    dag=dag,
    name="put-features",
    action="put",
    minio_prefix="radiomics",
    batch_input_operators=[archive],
    none_batch_input_operators=[features],
    whitelisted_file_extensions=[".csv", ".zip"],
)

clean = LocalWorkflowCleanerOperator(dag=dag, clean_workflow_dir=True)

get_segmentation >> get_image >> convert >> features
get_segmentation >> masks >> features

features >> archive >> put_features >> clean
