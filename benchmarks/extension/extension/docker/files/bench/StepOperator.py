from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class StepOperator(KaapanaBaseOperator):
    def __init__(self, dag, **kwargs):
        super().__init__(
            dag=dag,
            image=f"{DEFAULT_REGISTRY}/bench-step:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            ram_mem_mb=20,
            **kwargs,
        )
