from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class OtsusNotebookOperator(KaapanaBaseOperator):
    """Runs the notebook of the image otsus-method.

    The image's own command reads OTSUS_STEP: since release 0.6.0 Kaapana ignores `cmds` and `arguments` of operators.
    """

    def __init__(
        self,
        dag,
        name="otsus-notebook",
        execution_timeout=timedelta(minutes=20),
        **kwargs,
    ):
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/otsus-method:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            execution_timeout=execution_timeout,
            env_vars={"OTSUS_STEP": "report"},
            ram_mem_mb=1000,
            ram_mem_mb_lmt=3000,
            **kwargs,
        )
