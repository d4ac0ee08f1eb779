from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class RadiomicsFeaturesOperator(KaapanaBaseOperator):
    """Features of the image of the input operator inside the masks of `mask_operator`.

    Writes a JSON file for each mask, and one table of the whole workflow.
    """

    def __init__(
        self,
        dag,
        mask_operator,
        name="radiomics-features",
        execution_timeout=timedelta(minutes=20),
        **kwargs,
    ):
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/radiomics-features:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            env_vars={"MASKS_IN_DIR": mask_operator.operator_out_dir},
            execution_timeout=execution_timeout,
            ram_mem_mb=1000,
            ram_mem_mb_lmt=4000,
            **kwargs,
        )
