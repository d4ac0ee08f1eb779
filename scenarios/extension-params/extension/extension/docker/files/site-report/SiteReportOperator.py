from datetime import timedelta

from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from site_report import installed


class SiteReportOperator(KaapanaBaseOperator):
    """Writes `site-report.html` in the words of the site, which were chosen when the extension was installed."""

    def __init__(
        self,
        dag,
        name="site-report",
        execution_timeout=timedelta(minutes=5),
        **kwargs,
    ):
        # read whenever the platform imports the DAG, so a reinstallation with other parameters shows in the next run
        settings = installed.settings()
        env_vars = {
            "REPORT_SITE": settings["site"],
            "REPORT_LANGUAGE": settings["language"],
            "REPORT_MODELS": ",".join(installed.models()) if settings["list_models"] else "",
        }
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/site-report:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=["registry-secret"],
            execution_timeout=execution_timeout,
            env_vars=env_vars,
            ram_mem_mb=100,
            ram_mem_mb_lmt=500,
            **kwargs,
        )
