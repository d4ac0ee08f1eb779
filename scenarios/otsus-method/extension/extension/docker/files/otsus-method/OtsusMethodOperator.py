from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class OtsusMethodOperator(KaapanaBaseOperator):
    """Segments every volume of the input operator: `<volume>.nrrd` becomes a mask of the same name."""

    def __init__(
        self,
        dag,
        name="otsus-method",
        execution_timeout=timedelta(minutes=10),
        **kwargs,
    ):
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/otsus-method:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            execution_timeout=execution_timeout,
            ram_mem_mb=1000,
            ram_mem_mb_lmt=3000,
            **kwargs,
        )
