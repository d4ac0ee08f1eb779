from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class ObservedOperator(KaapanaBaseOperator):
    def __init__(self, dag, name, image="observed", execution_timeout=timedelta(seconds=60), **kwargs):
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/{image}:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            execution_timeout=execution_timeout,
            ram_mem_mb=60,
            env_vars={"PROGRAM": name},
            **kwargs,
        )
