"""Client of Airflow's web server: the platform's API and the harness's own (runtime 9)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from urllib.parse import quote

from harness.platform.http import Endpoint, RefusalError
from harness.wire import airflow_routes, names
from harness.wire.fields import Json
from harness.wire.records import RunEnd, RunRecord, TaskChange, change_from_json

_API = "/flow/kaapana/api"
# a hanging DAG file is given up by Airflow after 50 s (runtime 2.3)
_PARSE_S = 120.0


@dataclasses.dataclass(frozen=True)
class DagBag:
    """What Airflow made of the DAG folder.

    Attributes:
        dags: DAG id to ``{"fileloc", "is_paused"}``.
        import_errors: path relative to the DAG folder to the traceback.
    """

    dags: dict[str, Json]
    import_errors: dict[str, str]


@dataclasses.dataclass(frozen=True)
class InstalledFiles:
    """What is in Airflow's folders.

    Attributes:
        digests: path, e.g. ``dags/dag_x.py``, to the beginning of its SHA-256.
        complete: False when there are more files than a list takes.
    """

    digests: dict[str, str]
    complete: bool


class AirflowClient:
    """All requests of the test process to Airflow.

    Args:
        address: host and port as reachable from here.
        token: bearer token of the harness's own routes.
    """

    def __init__(self, address: tuple[str, int], *, token: str) -> None:
        self._endpoint = Endpoint(
            "Airflow", address, host=names.dns_name(names.AIRFLOW), headers={"Authorization": f"Bearer {token}"}
        )

    def __repr__(self) -> str:
        return f"AirflowClient({self._endpoint.base})"

    def close(self) -> None:
        """Close all connections."""
        self._endpoint.close()

    def check_health(self) -> None:
        """Check that the scheduler and the database work; raise an error otherwise."""
        self._endpoint.request("GET", airflow_routes.HEALTH, timeout_s=10)

    def refresh(self) -> DagBag:
        """Parse the DAG folder now, drop DAGs without files, and return the present ones."""
        answer = self._endpoint.json("POST", airflow_routes.REFRESH, body={}, timeout_s=_PARSE_S)
        return DagBag(dict(answer["dags"]), dict(answer["import_errors"]))

    def files(self) -> InstalledFiles:
        """Return all files in the folders of DAGs and plugins."""
        answer = self._endpoint.json("GET", airflow_routes.FILES, timeout_s=_PARSE_S)
        return InstalledFiles(dict(answer["files"]), bool(answer["complete"]))

    def dags(self) -> dict[str, Json]:
        """Return every active DAG with its ``ui_*`` arguments and tags (``getdags``)."""
        found: dict[str, Json] = self._endpoint.json(
            "GET", f"{_API}/getdags", params={"active_only": "true"}, timeout_s=_PARSE_S
        )
        return found

    def trigger(self, dag_id: str, conf: Json) -> str:
        """Start a run without the backend; returns its run id."""
        answer = self._endpoint.json("POST", f"{_API}/trigger/{quote(dag_id)}", body={"conf": conf})
        return str(answer["message"][1]["run_id"])

    def abort(self, dag_id: str, run_id: str) -> None:
        """Fail the run; running tasks are killed with their pods."""
        path = f"{_API}/abort/{quote(dag_id)}/{quote(run_id, safe='')}"
        self._endpoint.request("POST", path, body={})

    def run(self, dag_id: str, run_id: str) -> RunRecord:
        """Return the state of a run and of all its tasks, with what each task's pod ended in."""
        path = airflow_routes.run(quote(dag_id), quote(run_id, safe=""))
        return RunRecord.from_json(self._endpoint.json("GET", path))

    def events(self, dag_id: str, run_id: str) -> Iterator[TaskChange | RunEnd]:
        """Yield every change of a task's state as it happens, at last the end of the run.

        Raises:
            PlatformError: the stream broke.
        """
        path = airflow_routes.run_events(quote(dag_id), quote(run_id, safe=""))
        with self._endpoint.lines(path) as lines:
            for line in lines:
                if line.strip():
                    yield change_from_json(json.loads(line))

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> str | None:
        """Return the log of one attempt of a task; ``None`` if it has none because the scheduler itself ended it."""
        path = airflow_routes.log(quote(dag_id), quote(run_id, safe=""), quote(task_id), str(try_number))
        try:
            return str(self._endpoint.request("GET", path).text)
        except RefusalError as refused:
            if refused.status == 404:
                return None
            raise
