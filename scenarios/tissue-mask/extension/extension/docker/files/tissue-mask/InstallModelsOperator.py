from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class InstallModelsOperator(KaapanaBaseOperator):
    """Unpacks models below `/models` of the project.

    The image is the one with which the chart installs models for the whole platform; since release 0.6.0 each project
    has a volume for models of its own.
    """

    def __init__(
        self,
        dag,
        name="install-models",
        execution_timeout=timedelta(minutes=10),
        **kwargs,
    ):
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/tissue-mask-models:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            execution_timeout=execution_timeout,
            env_vars={"MODEL_DIR": "/models"},
            ram_mem_mb=100,
            ram_mem_mb_lmt=500,
            **kwargs,
        )
