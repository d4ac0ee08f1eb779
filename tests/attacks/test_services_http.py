"""Requests that attack the emulated services: they are refused with a reason, and other clients get their answers."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from harness.incluster.services.config import Limits
from tests.attacks.services_fuzz import UNKEEPABLE
from tests.incluster.services import dicom_samples
from tests.incluster.services.running_services import TOKEN, RunningServices, bearer, project_header

SILENT_S = 2.0
CONNECTIONS = 1200


@pytest.fixture(scope="module", autouse=True)
def _descriptors() -> Iterator[None]:
    """Room for both ends of all connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 8192), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServices]:
    limits = Limits(header_s=SILENT_S, stalled_peer_s=SILENT_S)
    running = RunningServices(tmp_path_factory.mktemp("attacked"), limits=limits)
    yield running
    running.close()


@pytest.fixture(scope="module")
def search(platform: RunningServices) -> Iterator[httpx.Client]:
    with platform.open_search(platform.system_token()) as client:
        yield client


# -- connections that are never done -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "begin"),
    [
        ("web", b"GET / HTTP/1.1\r\nHost: x\r\n"),
        ("control", b""),
        ("search", b"\x16\x03\x01"),
        ("backend", b"POST /client/workflow HTTP/1.1\r\nHost: kaapana-backend-service\r\nContent-Length: 99\r\n\r\n{"),
    ],
    ids=["half a head", "nothing", "half a handshake", "half a body"],
)
def test_a_thousand_incomplete_requests_do_not_block_other_clients(
    port: str, begin: bytes, platform: RunningServices, search: httpx.Client
) -> None:
    address = ("127.0.0.1", getattr(platform.ports, port))
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            peer = stack.enter_context(socket.create_connection(address, timeout=30))
            with contextlib.suppress(ConnectionError):
                peer.sendall(begin)
        for client, path in (
            (platform.aii, "/projects"),
            (platform.control, "/health"),
            (platform.keycloak, "/auth/realms/kaapana/.well-known/openid-configuration"),
            (platform.backend, "/health-check"),
            (search, "/"),
        ):
            with httpx.Client(
                base_url=client.base_url, headers=client.headers, verify=False, trust_env=False, timeout=30
            ) as fresh:
                assert fresh.get(path).status_code == 200


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /projects HTTP/1.1\r\nHost: aii-service\r\n",
        b"POST /projects HTTP/1.1\r\nHost: aii-service\r\nContent-Length: 100\r\n\r\n{",
        b"GET /projects HTTP/1.1\r\nHost: aii-service\r\n\r\nGET /projects HTTP/1.1\r\nHo",
    ],
    ids=["in the head", "in the body", "in the second request"],
)
def test_a_peer_that_falls_silent_is_cut_off(begin: bytes, platform: RunningServices) -> None:
    with socket.create_connection(("127.0.0.1", platform.ports.apps), timeout=30) as peer:
        peer.sendall(begin)
        with contextlib.suppress(ConnectionError):
            while peer.recv(4096):
                pass


def test_a_head_that_comes_byte_by_byte_is_cut_off(platform: RunningServices) -> None:
    with socket.create_connection(("127.0.0.1", platform.ports.apps), timeout=30) as peer:
        peer.sendall(b"GET /projects HTTP/1.1\r\nHost: aii-service\r\nX: ")
        sent = 0
        with contextlib.suppress(ConnectionError):
            # far longer than any head has
            for sent in range(600):  # noqa: B007
                peer.sendall(b"x")
                time.sleep(0.1)
        assert sent < 599


def test_a_peer_that_does_not_read_its_answer_is_cut_off(platform: RunningServices) -> None:
    dataset = dicom_samples.image("1.2.3", "1.2.4", PixelData=bytes(64 << 20))
    answer = platform.send_series({"name": "admin"}, "large", [dicom_samples.encoded(dataset)])
    assert answer.status_code == 200, answer.text
    path = "/studies/1.2.4/series/1.2.3"
    token = platform.system_token()
    with socket.create_connection(("127.0.0.1", platform.ports.apps), timeout=60) as peer:
        head = f"GET {path} HTTP/1.1\r\nHost: dicom-web-filter-service\r\nAuthorization: Bearer {token}\r\n\r\n"
        peer.sendall(head.encode("ascii"))
        time.sleep(SILENT_S + 3)
        received = 0
        with contextlib.suppress(ConnectionError):
            while chunk := peer.recv(1 << 20):
                received += len(chunk)
        assert received < 64 << 20


# -- what cannot be kept ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", UNKEEPABLE)
def test_json_that_cannot_be_answered_again_is_refused(
    kind: str, platform: RunningServices, search: httpx.Client
) -> None:
    body = UNKEEPABLE[kind]
    headers = {"x-forwarded-preferred-username": "kaapana"}
    project = project_header(platform.aii.get("/projects/admin").json())
    answers = [
        search.put("/project_admin/_doc/poison", content=body),
        search.post("/project_admin/_search", content=body),
        platform.backend.put("/settings/workflows/poison", content=body, headers=headers),
        platform.backend.post("/client/dataset", content=body, headers=project),
        platform.aii.post("/projects", content=body),
        platform.notification.post("/v1/", content=body),
    ]
    assert {answer.status_code for answer in answers} == {400}
    found = search.post("/project_admin/_search", json={"query": {"match_all": {}}, "size": 1000})
    assert found.status_code == 200
    assert "poison" not in found.text


def test_a_document_without_an_id_replaces_no_other(search: httpx.Client) -> None:
    search.put("/documents")
    ids = set()
    for number in range(100):
        answer = search.post("/documents/_doc", json={"number": number})
        assert answer.status_code == 201
        ids.add(answer.json()["_id"])
        if number % 2:
            search.delete(f"/documents/_doc/{answer.json()['_id']}")
    assert len(ids) == 100
    assert search.get("/documents/_count").json()["count"] == 50


def test_one_document_that_cannot_be_compared_hides_no_other(search: httpx.Client) -> None:
    search.put("/mixed")
    values = [1, "x", True, [1, [2]], {"a": 1}, None, 10**300, [], {}, 1.5, "2024-01-01"]
    for value in values:
        assert search.post("/mixed/_doc", json={"field": value}).status_code == 201
    for query in (
        {"range": {"field": {"gte": 1}}},
        {"range": {"field": {"gte": [1]}}},
        {"range": {"field": {"gte": 10**300}}},
        {"term": {"field": 10**300}},
        {"exists": {"field": 5}},
        {"wildcard": {"field": "*"}},
        {"match": {"field": {"query": {"a": 1}}}},
    ):
        answer = search.post("/mixed/_search", json={"query": query, "sort": ["field"]})
        assert answer.status_code == 200, answer.text
    assert search.post("/mixed/_search", json={"query": {"term": {"field": 1}}}).json()["hits"]["total"]["value"] == 2


def test_a_conf_of_the_wrong_shape_does_not_break_the_list_of_workflows(platform: RunningServices) -> None:
    platform.airflow.dags["my-dag"] = {}
    project = platform.new_project()
    headers = project_header(project)
    platform.aii.post(f"/projects/{project['id']}/software-mappings", json=[{"software_uuid": "my-dag"}])
    for form in ("x", 5, [], [{}], {"identifiers": 5}, None):
        body = {"dag_id": "my-dag", "workflow_name": "w", "conf_data": {"data_form": form, "workflow_form": form}}
        assert platform.backend.post("/client/workflow", json=body, headers=headers).status_code == 200
    answer = platform.backend.get("/client/workflows", headers=headers)
    assert answer.status_code == 200
    assert answer.json()[1] == 6


@pytest.mark.parametrize("query", ["!" * 5000 + "x", "a:" * 4000 + "x", "(" * 5000, "*a" * 3000, "a" * 20_000])
def test_a_query_string_that_goes_on_and_on_is_refused(query: str, search: httpx.Client) -> None:
    answer = search.post("/project_admin/_search", json={"query": {"query_string": {"query": query}}})
    assert answer.status_code == 400


@pytest.mark.parametrize("host", ["aii-service.[", "aii-service.[::1", "aii-service.]x", "aii-service.a:99999999"])
def test_an_invalid_host_header_gets_an_answer(host: str, platform: RunningServices) -> None:
    assert platform.aii.get("/nowhere", headers={"Host": host}).status_code in {400, 404}


# -- who may what -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, bearer("wrong")], ids=["none", "wrong"])
def test_only_the_harness_sets_the_password_of_an_existing_project(
    headers: dict[str, str], platform: RunningServices
) -> None:
    project = platform.new_project()
    for name in (project["name"], "admin"):
        body = {"name": name, "description": "", "harness": {"project_user_password": "attacker's"}}
        assert platform.aii.post("/projects", json=body, headers=headers).status_code == 403
        assert platform.grant(f"project-{name}-system-user", "attacker's").status_code == 401
    assert platform.project_token(project)
    body["name"] = project["name"]
    assert platform.aii.post("/projects", json=body, headers=bearer(TOKEN)).status_code == 200
    assert platform.grant(f"project-{project['name']}-system-user", "attacker's").status_code == 200


def test_a_token_of_a_project_does_not_set_the_password_of_another(platform: RunningServices) -> None:
    mine, other = platform.new_project(), platform.new_project()
    body = {"name": other["name"], "description": "", "harness": {"project_user_password": "mine now"}}
    assert platform.aii.post("/projects", json=body, headers=bearer(platform.project_token(mine))).status_code == 403
    assert platform.project_token(other)
