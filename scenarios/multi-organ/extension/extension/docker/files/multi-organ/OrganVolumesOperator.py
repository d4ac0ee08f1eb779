from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class OrganVolumesOperator(KaapanaBaseOperator):
    """Writes the volumes of the input operator's masks as `volumes.csv`."""

    def __init__(
        self,
        dag,
        name="organ-volumes",
        execution_timeout=timedelta(minutes=5),
        **kwargs,
    ):
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/organ-volumes:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            execution_timeout=execution_timeout,
            ram_mem_mb=500,
            ram_mem_mb_lmt=2000,
            **kwargs,
        )
