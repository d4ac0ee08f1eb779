# mypy: disable-error-code="import-not-found"
"""The scheduler role: Airflow's own scheduler, warmed so that the fork of a task costs no imports."""

from __future__ import annotations

import importlib
import os
from typing import Final

from harness.incluster.airflow import database_readiness, imports, warmup

_WARM: Final = (
    # what every task needs: parsed DAG, task runner, command line parser of "tasks run", XCom, callbacks
    "airflow.cli.commands.task_command",
    "harness.incluster.airflow.executor",
    "airflow.jobs.local_task_job_runner",
    "airflow.models.dagbag",
    "airflow.models.xcom",
    "airflow.datasets.metadata",
    "airflow.decorators.sensor",
    "airflow.decorators.task_group",
    "airflow.operators.python",
    "airflow.sensors.python",
    "jinja2.ext",
    "airflow.operators.empty",
    "airflow.operators.bash",
    "airflow.providers_manager",
    "airflow.sentry",
    "airflow.task.task_runner.standard_task_runner",
    "airflow.utils.log.file_task_handler",
    "airflow.utils.email",
    "psutil",
    # imports of the operators of an extension
    "kaapana.blueprints.json_schema_templates",
    "kaapana.blueprints.kaapana_global_variables",
    "kaapana.blueprints.kaapana_utils",
    "kaapana.operators.DcmConverterOperator",
    "kaapana.operators.DcmSendOperator",
    "kaapana.operators.GetInputOperator",
    "kaapana.operators.Itk2DcmSegOperator",
    "kaapana.operators.KaapanaBranchPythonBaseOperator",
    "kaapana.operators.LocalWorkflowCleanerOperator",
    "kaapana.operators.MinioOperator",
    "harness.kube",
    "harness.incluster.airflow.podtask",
)


def forget_connections_in_children() -> None:
    """Make forked processes forget the parent's database connections without closing them.

    The worker of Airflow's LocalExecutor closes what it inherits, and that ends the session of the scheduler on
    the server, which fails when it happens to use that connection at that moment.
    """

    def forget() -> None:
        from airflow import settings

        if settings.engine is not None:
            settings.engine.dispose(close=False)

    os.register_at_fork(after_in_child=forget)


def share_database_engine() -> None:
    """Make tasks use the database engine that they inherit.

    "airflow tasks run" makes a new one without a pool, so that every query of a task connects again and is compiled
    again. The inherited one has compiled them already, and its pool is empty after the fork.
    """
    from airflow import settings

    settings.reconfigure_orm = lambda *_args, **_kwargs: None


def load() -> None:
    """Import what tasks will need; asks no database."""
    for module in _WARM:
        importlib.import_module(module)
    imports.skip_kubernetes()
    imports.skip_connection_forms()
    from airflow.providers_manager import ProvidersManager

    # "airflow tasks run" asks for it in every task: cached, it comes with the fork
    ProvidersManager().initialize_providers_configuration()


def run() -> None:
    """Run the scheduler until SIGTERM.

    Raises:
        Exception: what Airflow raises; the container ends and is started again.
    """
    dsn = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    with imports.importing():
        from airflow.executors.executor_loader import ExecutorLoader
        from airflow.jobs.job import Job, run_job
        from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

        from harness.incluster.airflow import wakeup
        from harness.incluster.airflow.database import ensure_pools

        forget_connections_in_children()
        share_database_engine()
        # the database may still be starting
        load()
        database_readiness.wait_for_database(dsn)
        ensure_pools()
        warmup.warm_up()
    runner = SchedulerJobRunner(job=Job(), subdir=os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    wakeup.install(dsn)
    ExecutorLoader.validate_database_executor_compatibility(runner.job.executor.__class__)
    try:
        run_job(job=runner.job, execute_callable=runner._execute)
    except RuntimeError as error:
        # stopped in the middle of a turn, in which Airflow forbids commits, so it cannot record its own end
        if not isinstance(error.__context__, SystemExit):
            raise
