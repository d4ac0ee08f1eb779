"""The platform's settings of Airflow, except those that only cost time on one machine.

Values are set as environment variables *before* Airflow is imported and only where the container does not
say otherwise, so that a chart or a test can override each of them.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Final

from harness.incluster.airflow import profile
from harness.wire import names

DATABASE_DSN: Final = "postgresql+psycopg2://root:root@{host}:{port}/airflow"
"""User and database of the platform's Airflow (services 2.5)."""

_PLATFORM: Final = {  # runtime 2.3, services 13
    "CORE__DAGS_FOLDER": names.DAGS_DIR,
    "CORE__PLUGINS_FOLDER": names.PLUGINS_DIR,
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__MAX_ACTIVE_TASKS_PER_DAG": "20",
    "CORE__MAX_ACTIVE_RUNS_PER_DAG": "20",
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "CORE__DEFAULT_TIMEZONE": "Europe/Berlin",
    "CORE__DAG_RUN_CONF_OVERRIDES_PARAMS": "True",
    "CORE__DAG_DISCOVERY_SAFE_MODE": "True",
    "CORE__DAGBAG_IMPORT_TIMEOUT": "30",
    "CORE__KILLED_TASK_CLEANUP_TIME": "30",
    "CORE__DEFAULT_TASK_RETRIES": "0",
    "OPERATORS__ALLOW_ILLEGAL_ARGUMENTS": "False",
    "SCHEDULER__CATCHUP_BY_DEFAULT": "True",
    "LOGGING__BASE_LOG_FOLDER": names.LOGS_DIR,
    "LOGGING__LOGGING_LEVEL": "INFO",
}

_HERE: Final = {
    # one fork per task instead of a standing herd of workers: nothing idles, and the pools throttle
    "CORE__EXECUTOR": "harness.incluster.airflow.executor.ForkExecutor",
    "CORE__PARALLELISM": "50",
    # the platform starts a new interpreter per task (1 s); a fork of the warmed scheduler shares its imports
    "CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER": "False",
    # urgent events wake the scheduler (harness.incluster.airflow.wakeup); this is for scheduled work
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    # DAG files are parsed by harness.incluster.airflow.parsing, on demand and when they change
    "SCHEDULER__STANDALONE_DAG_PROCESSOR": "True",
    # ... which does not touch unchanged files: nothing may count as stale because it was not parsed lately
    "SCHEDULER__DAG_STALE_NOT_SEEN_DURATION": "315360000",
    "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    # how soon a task notices that its run was aborted
    "SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
    "CORE__MIN_SERIALIZED_DAG_FETCH_INTERVAL": "0",
    # a reverse lookup of the host name takes seconds where no DNS answers
    "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
    "CORE__LAZY_LOAD_PLUGINS": "True",
    # a separate key in each container would make values unreadable for the others
    "CORE__FERNET_KEY": "",
    "USAGE_DATA_COLLECTION__ENABLED": "False",
    "LOGGING__DELETE_LOCAL_LOGS": "False",
    # the last frames alone may all be ours; the author's file must be among them
    "CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH": "50",
    "DATABASE__SQL_ALCHEMY_POOL_SIZE": "3",
    "DATABASE__SQL_ALCHEMY_MAX_OVERFLOW": "20",
}


def database_dsn(environ: MutableMapping[str, str]) -> str:
    """Return the DSN given by the container (``SQL_ALCHEMY_CONN``, runtime 2.5), otherwise the database Service's."""
    given = environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") or environ.get("SQL_ALCHEMY_CONN")
    if given:
        return given
    return DATABASE_DSN.format(host=names.dns_name(names.AIRFLOW_DATABASE), port=names.AIRFLOW_DATABASE[2])


def apply(environ: MutableMapping[str, str] | None = None) -> None:
    """Fill in Airflow's settings; has no effect on values that are set already."""
    environ = os.environ if environ is None else environ
    environ.setdefault("AIRFLOW_HOME", names.WORKFLOWS_HOME)
    environ.setdefault("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", database_dsn(environ))
    release = profile.from_environment(environ)
    of_release = {} if release.parallelism is None else {"CORE__PARALLELISM": str(release.parallelism)}
    for name, value in {**_PLATFORM, **_HERE, **of_release}.items():
        environ.setdefault(f"AIRFLOW__{name}", value)
