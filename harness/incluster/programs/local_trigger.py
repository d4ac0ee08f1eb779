"""Other workflows, started from one (operators 6.19): by the platform's own interface (services 13)."""

from __future__ import annotations

import copy
import json
from typing import Any
from urllib.parse import quote

import urllib3

from harness.incluster.programs.common import ProgramError, RunFolder, say
from harness.incluster.programs.platform_client import service
from harness.wire import names
from harness.wire.polling import Polling

_SECONDS = 60.0


def merge(conf: dict[str, Any], extra: dict[str, Any]) -> None:
    """Put ``extra`` into ``conf``, level by level; ``conf`` itself changes."""
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(conf.get(key), dict):
            merge(conf[key], value)
        else:
            conf[key] = value


def split_conf(run: RunFolder, source: str, conf: dict[str, Any], *, single: bool) -> list[dict[str, Any]]:
    """Return one conf for each series of the elements, or one for all.

    Raises:
        ValueError: no element has a ``*.dcm``.
    """
    import pydicom

    inputs = []
    for element in run.elements():
        files = sorted(run.inside(run.batch, element.name, source).glob("*.dcm"))
        if files:
            dataset = pydicom.dcmread(files[0], stop_before_pixels=True)
            uids = {"study-uid": str(dataset.StudyInstanceUID), "series-uid": str(dataset.SeriesInstanceUID)}
            inputs.append({"dcm-uid": {**uids, "modality": str(dataset.get("Modality", ""))}})
    if not inputs:
        raise ValueError(f"no *.dcm in {source} of any element")
    own = {key: value for key, value in conf.items() if key != "inputs"}
    groups = [[entry] for entry in inputs] if single else [inputs]
    return [{**copy.deepcopy(own), "inputs": group} for group in groups]


def _request(method: str, path: str, body: Any = None) -> Any:
    host, port = service(names.AIRFLOW)
    url = f"http://{host}:{port}/flow/kaapana/api/{path}"
    http = urllib3.PoolManager(retries=urllib3.Retry(3, backoff_factor=0.2), timeout=_SECONDS)
    data = None if body is None else json.dumps(body).encode()
    try:
        answer = http.request(method, url, body=data, headers={"Content-Type": "application/json"})
        content = json.loads(answer.data)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise ProgramError(f"Airflow does not answer at {url}: {error}") from error
    if answer.status != 200:
        raise ProgramError(f"{method} {url} answers {answer.status}: {content}")
    return content


def start(dag_id: str, conf: dict[str, Any]) -> str:
    """Start a run; its id."""
    answer = _request("POST", f"trigger/{quote(dag_id, safe='')}", {"conf": conf})
    run_id = str(answer["message"][1]["run_id"])
    say(f"started {run_id}")
    return run_id


def wait(dag_id: str, runs: list[str], delay_s: float) -> None:
    """Wait until all runs have succeeded; only the task's own timeout limits the wait.

    Raises:
        ValueError: a run failed. The platform takes ``queued`` for a failure too; here it is waited for.
    """
    left = list(runs)
    polling = Polling(pause_s=max(0.1, delay_s))
    while left:
        for run_id in list(left):
            state = str(_request("GET", f"dagdetails/{quote(dag_id, safe='')}/{quote(run_id, safe='')}")["state"])
            if state == "success":
                left.remove(run_id)
                say(f"{run_id} succeeded")
            elif state not in ("queued", "running"):
                raise ValueError(f"the run {run_id} ended with the state {state}")
        if left:
            polling.again()
