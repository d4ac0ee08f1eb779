from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class OrganSegmentationOperator(KaapanaBaseOperator):
    """Writes a mask for each tissue of every volume of the input operator, and their list `seg_info.json`."""

    def __init__(
        self,
        dag,
        name="organ-segmentation",
        execution_timeout=timedelta(minutes=10),
        **kwargs,
    ):
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/organ-segmentation:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            execution_timeout=execution_timeout,
            ram_mem_mb=1000,
            ram_mem_mb_lmt=3000,
            **kwargs,
        )
