# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Turns masks into DICOM segmentations (operators 4.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.incluster.airflow import profile
from harness.wire import names


class Itk2DcmSegOperator(KaapanaBaseOperator):
    """Parameters as in operators 4.3; memory is fixed.

    ``input_operator`` is the one that delivered the source DICOM, ``segmentation_operator`` the one with the masks.

    Raises:
        NameError: not exactly one of ``segmentation_operator`` and ``segmentation_in_dir`` is given.
    """

    def __init__(
        self,
        dag: Any,
        segmentation_operator: Any = None,
        segmentation_in_dir: str | None = None,
        input_type: str = "single_label_segs",
        single_label_seg_info: str | None = None,
        create_multi_label_dcm_from_single_label_segs: bool = False,
        multi_label_seg_info_json: str | None = None,
        multi_label_seg_name: str | None = None,
        series_description: str | None = None,
        alg_name: str | None = None,
        creator_name: str = "kaapana",
        alg_type: str = "AUTOMATIC",
        skip_empty_slices: bool = False,
        fail_on_no_segmentation_found: bool = True,
        name: str = "nrrd2dcmseg",
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=90),
        **kwargs: Any,
    ) -> None:
        if (segmentation_operator is None) == (segmentation_in_dir is None):
            raise NameError("give exactly one of segmentation_operator and segmentation_in_dir")
        if segmentation_operator is not None:
            segmentation_in_dir = segmentation_operator.operator_out_dir
        env_vars = {} if env_vars is None else env_vars
        if profile.from_environment().operator.seg_info_none == "empty":
            single_label_seg_info = single_label_seg_info or ""
            multi_label_seg_info_json = multi_label_seg_info_json or ""
            multi_label_seg_name = multi_label_seg_name or ""
        env_vars.update(
            {
                # the platform's own spelling of some of these names
                "INPUT_TYPE": input_type,
                "SINGLE_LABEL_SEG_INFO": single_label_seg_info,
                "CREATE_MULIT_LABEL_DCM_FROM_SINGLE_LABEL_SEGS": str(create_multi_label_dcm_from_single_label_segs),
                "MULTI_LABEL_SEG_INFO_JSON": multi_label_seg_info_json,
                "MULTI_LABEL_SEG_NAME": multi_label_seg_name,
                "SERIES_DISCRIPTION": series_description,
                "ALGORITHM_NAME": alg_name,
                "CREATOR_NAME": creator_name,
                "ALGORITHM_TYPE": alg_type,
                "SERIES_NUMBER": "300",
                "INSTANCE_NUMBER": "1",
                "SKIP_EMPTY_SLICES": str(skip_empty_slices),
                "FAIL_ON_NO_SEGMENTATION_FOUND": str(fail_on_no_segmentation_found),
                "DCMQI_COMMAND": "itkimage2segimage",
                "OPERATOR_IMAGE_LIST_INPUT_DIR": segmentation_in_dir,
            }
        )
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/dcmqi:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=6000,
            ram_mem_mb_lmt=12000,
            **kwargs,
        )
