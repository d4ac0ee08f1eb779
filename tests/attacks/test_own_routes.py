"""The harness's own routes, wherever they are served, are for the harness alone."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from harness.incluster.controlplane.accounts import Account, Accounts
from harness.incluster.controlplane.app import make_app
from harness.incluster.controlplane.config import API_HOST
from harness.incluster.controlplane.store import Store
from harness.incluster.services.control.routes import Control
from harness.wire import airflow_routes
from harness.wire.names import API_PORT, LABEL_TYPE, LABEL_TYPE_PROCESSING, SERVICES_NAMESPACE
from tests.attacks.asgi import Caller
from tests.cluster.objects import Objects
from tests.incluster.services.conftest import platform  # noqa: F401
from tests.incluster.services.running_services import TOKEN, RunningServices

_WRONG = ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]
# of Airflow's web server; tests/incluster/airflow/in_image/test_stack.py tries all that there are
_OF_AIRFLOW = [
    ("GET", "health"), ("POST", "refresh"), ("GET", "files"), ("GET", "dags.tar"), ("GET", "runs/a/b"),
    ("GET", "runs/a/b/events"), ("GET", "logs/a/b/c/1"),
]  # fmt: skip

_ASK = """
import json, os, socket, ssl, urllib.error, urllib.request

def ask(method, url):
    request = urllib.request.Request(url, data=b"{}" if method == "POST" else None, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5, context=ssl._create_unverified_context()) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error).__name__

print(json.dumps([ask(method, url) for method, url in json.loads(os.environ["ASKED"])]))
"""


def _asked(routes: list[Any]) -> list[tuple[str, str]]:
    """Methods and paths of routes, with something in the place of each parameter."""
    found = [route for route in routes if isinstance(route, Route)]
    return [(method, re.sub("{[^}]*}", "x", route.path)) for route in found for method in sorted(route.methods or ())]


def _of_the_control_port() -> list[tuple[str, str]]:
    routes = Control(SimpleNamespace(), dict).routes()  # type: ignore[arg-type]
    return [(method, path) for method, path in _asked(list(routes)) if path != "/health"]


def _of_the_control_plane(app: Any) -> list[tuple[str, str]]:
    inner = app._app
    assert isinstance(inner, Starlette)
    return _asked(list(inner.routes))


@pytest.mark.parametrize("authorization", _WRONG)
def test_every_route_of_the_control_port_needs_the_token(
    platform: RunningServices,  # noqa: F811
    authorization: str,
) -> None:
    asked = _of_the_control_port()
    assert len(asked) > 8
    for method, path in asked:
        answer = platform.control.request(method, path, headers={"Authorization": authorization})
        assert answer.status_code == 401, f"{method} {path}"
    answer = platform.control.get("/health", headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()) == (200, {"ready": True})


def test_every_route_of_the_control_plane_needs_a_token_and_those_of_the_harness_its_owners() -> None:
    store = Store()
    for namespace in ("services", "project-1"):
        store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        metadata = {"name": "kaapana-kube-admin", "namespace": namespace}
        store.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    accounts = Accounts(store, "secret")
    # nothing else of the plane may be touched before the caller is known
    plane: Any = SimpleNamespace(
        config=SimpleNamespace(token=TOKEN), accounts=accounts, store=store, networks=None, removal=None
    )
    app = make_app(plane)
    client = Caller(app)
    asked = _of_the_control_plane(app)
    own = [(method, path) for method, path in asked if path.startswith("/harness/")]
    assert len(own) > 5
    for method, path in asked:
        for authorization in _WRONG:
            answer = client.request(method, path, headers={"Authorization": authorization})
            assert answer.status_code == 401, f"{method} {path} {authorization}"
    for namespace in ("services", "project-1"):
        headers = {"Authorization": f"Bearer {accounts.token(Account(namespace, 'kaapana-kube-admin'))}"}
        for method, path in own:
            for way in (path, path.replace("harness", "%68arness"), f"{path}?token={TOKEN}"):
                assert client.request(method, way, headers=headers).status_code == 403, f"{method} {way}"


def test_a_pod_of_a_project_is_refused_at_every_route_of_the_harness(kaapana: Any) -> None:
    cluster, namespace = kaapana.environment.cluster, kaapana.project.namespace
    objects = Objects(cluster.api, namespace, labels={LABEL_TYPE: LABEL_TYPE_PROCESSING})
    pods = cluster.api.list("Pod", SERVICES_NAMESPACE)
    # jobs of other tests have no such label
    of = {pod["metadata"]["labels"].get("app.kubernetes.io/name"): pod for pod in pods}
    services, registry = of["harness-services"], of["harness-registry"]
    airflow = "http://airflow-webserver-service.services.svc:8080"
    asked = [(method, f"{airflow}{airflow_routes.PREFIX}/{path}") for method, path in _OF_AIRFLOW]
    refused = len(asked) - 1
    for host in ("harness-services.services.svc", services["status"]["podIP"]):
        asked += [(method, f"http://{host}:8090{path}") for method, path in _of_the_control_port()]
    for host in ("harness-registry.services.svc", registry["status"]["podIP"]):
        asked += [("GET", f"http://{host}:{port}/v2/") for port in (5000, 5001)]
    api = f"http://{API_HOST}:{API_PORT}" if cluster.name == "docker" else "https://kubernetes.default.svc"
    asked += [("POST", f"{api}/harness/{path}") for path in ("keep", "shutdown", "registry", "node-images")]
    container = {
        "name": "main",
        "image": services["spec"]["containers"][0]["image"],
        "command": ["python", "-c", _ASK],
        "env": [{"name": "ASKED", "value": json.dumps(asked)}],
    }
    try:
        statuses = json.loads(objects.output(container))
    finally:
        objects.remove()
    answers = dict(zip((url for _, url in asked), statuses, strict=True))
    # a missing route is missing for every caller; a network without a route is as good as a refusal
    assert statuses[0] == 404
    assert set(statuses[1 : refused + 1]) == {401}, answers
    assert {status for status in statuses if isinstance(status, int)} <= {401, 403, 404}, answers
