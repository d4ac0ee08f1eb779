"""The backend's calls to Airflow's plugin API (runtime 9)."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import urllib3


class AirflowError(Exception):
    """Airflow does not answer, or refuses; ``status`` is 0 when there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Airflow:
    """Blocking calls; used from threads only."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        # a repeated trigger would start a second run, so nothing is repeated once it was sent
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=60),
            retries=urllib3.Retry(total=None, connect=2, read=0, redirect=0, status=0, other=0),
            maxsize=8,
        )

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = self._pool.request(
                method,
                f"{self._url}{path}",
                body=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
        except urllib3.exceptions.HTTPError as problem:
            raise AirflowError(0, f"Airflow does not answer at {self._url}: {problem}") from None
        text = answer.data.decode("utf-8", "replace")
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if answer.status != 200:
            named = document.get("error") if isinstance(document, dict) else None
            raise AirflowError(answer.status, f"Airflow answered {answer.status}: {named or text[:500]}")
        if document is None:
            raise AirflowError(answer.status, f"Airflow's answer to {path} is not JSON: {text[:200]!r}")
        return document

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run; returns its run id."""
        path = f"/kaapana/api/trigger/{urllib.parse.quote(dag_id, safe='')}"
        document = self._call("POST", path, {"conf": conf})
        try:
            return str(document["message"][1]["run_id"])
        except (KeyError, IndexError, TypeError):
            raise AirflowError(200, f"Airflow's answer names no run: {document!r}") from None

    def dags(self) -> dict[str, dict[str, Any]]:
        """Return DAG id -> columns and ``ui_`` arguments."""
        document = self._call("GET", "/kaapana/api/getdags")
        if not isinstance(document, dict):
            raise AirflowError(200, "Airflow's answer to getdags is not an object")
        return document

    def state(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of a run, ``None`` when Airflow does not know it."""
        dag, run = (urllib.parse.quote(part, safe="") for part in (dag_id, run_id))
        try:
            return str(self._call("GET", f"/kaapana/api/dagdetails/{dag}/{run}")["state"])
        except AirflowError as problem:
            if problem.status in {400, 404}:
                return None
            raise

    def abort(self, dag_id: str, run_id: str) -> None:
        """Mark a run failed."""
        dag, run = (urllib.parse.quote(part, safe="") for part in (dag_id, run_id))
        self._call("POST", f"/kaapana/api/abort/{dag}/{run}", {})

    def task_instances(self, dag_id: str, run_id: str) -> Any:
        """Return task id -> state and times."""
        dag, run = (urllib.parse.quote(part, safe="") for part in (dag_id, run_id))
        return self._call("POST", f"/kaapana/api/get_dagrun_tasks/{dag}/{run}", {})
