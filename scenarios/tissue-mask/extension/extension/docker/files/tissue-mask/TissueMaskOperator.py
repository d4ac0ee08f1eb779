from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class TissueMaskOperator(KaapanaBaseOperator):
    """Segments tissue in every volume of the input operator with the model that the form names.

    Args:
        smoothing_mm: radius of the closing that follows the threshold; 0 for none.
    """

    def __init__(
        self,
        dag,
        name,
        smoothing_mm,
        execution_timeout=timedelta(minutes=10),
        **kwargs,
    ):
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/tissue-mask:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            execution_timeout=execution_timeout,
            env_vars={"SMOOTHING_MM": str(smoothing_mm)},
            ram_mem_mb=500,
            ram_mem_mb_lmt=2000,
            **kwargs,
        )
