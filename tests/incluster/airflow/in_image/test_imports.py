"""What Airflow's processes leave out when they start, and that nothing is missing for it."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from typing import Any

from airflow.cli.cli_parser import get_parser
from airflow.models.taskinstance import TaskInstance

from harness.incluster.airflow import imports

LEFT_OUT = ("kubernetes", "connexion", "flask_appbuilder")


def run_alone(code: str) -> Any:
    """Run code in a fresh interpreter; what it prints as JSON on its last line."""
    before = "from harness.incluster.airflow import config\nconfig.apply()\n"
    done = subprocess.run(
        [sys.executable, "-c", before + code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_scheduler_loads_neither_kubernetes_nor_the_web_application() -> None:
    loaded = run_alone(
        "import json, sys\n"
        "from harness.incluster.airflow import scheduler\n"
        "from airflow.utils.log.secrets_masker import redact\n"
        "scheduler.load()\n"
        "redact({'words': 'of a task'})\n"
        f"print(json.dumps([name for name in {LEFT_OUT!r} if name in sys.modules]))\n"
    )
    assert loaded == []


def test_a_secret_variable_of_a_pod_is_masked_where_its_code_has_imported_kubernetes() -> None:
    masked = run_alone(
        "import json\n"
        "from harness.incluster.airflow import imports\n"
        "from airflow.utils.log.secrets_masker import redact\n"
        "imports.skip_kubernetes()\n"
        "redact('before')\n"
        "from kubernetes.client import V1EnvVar\n"
        "given = [V1EnvVar(name='PASSWORD', value='hidden'), V1EnvVar(name='PLACE', value='shown')]\n"
        "print(json.dumps([variable['value'] for variable in redact(given)]))\n"
    )
    assert masked == ["***", "shown"]


def test_the_connections_that_airflow_knows_do_not_depend_on_their_forms() -> None:
    code = (
        "import json\n"
        "from airflow.providers_manager import ProvidersManager\n"
        "print(json.dumps(sorted(ProvidersManager().hooks)))\n"
    )
    skipping = "from harness.incluster.airflow import imports\nimports.skip_connection_forms()\n"
    assert run_alone(skipping + code) == run_alone(code)


def test_a_task_command_is_parsed_as_airflow_parses_it() -> None:
    command = TaskInstance.generate_command(
        "a-dag", "a-task", "a run", local=True, mark_success=True, file_path="DAGS_FOLDER/a.py", map_index=2, pool="p"
    )
    ours, airflows = vars(imports.parse_task_command(command)), vars(get_parser().parse_args(command[1:]))
    assert ours.pop("func").__name__ == airflows.pop("func").__name__
    assert ours.pop("shut_down_logging") is False
    # where a subcommand was found in the tree of all commands
    airflows.pop("subcommand")
    airflows.pop("shut_down_logging", None)
    assert ours == airflows


def test_collections_go_on_after_the_imports() -> None:
    with imports.importing():
        assert not gc.isenabled()
        kept = [object() for _ in range(10)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(kept)
    gc.unfreeze()
