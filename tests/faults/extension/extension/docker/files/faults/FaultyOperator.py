from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class FaultyOperator(KaapanaBaseOperator):
    def __init__(self, dag, name="faulty", execution_timeout=timedelta(seconds=15), *args, **kwargs):
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/faulty:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            execution_timeout=execution_timeout,
            ram_mem_mb=50,
            ram_mem_mb_lmt=80,
            *args,
            **kwargs,
        )
