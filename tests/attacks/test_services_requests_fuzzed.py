"""Requests of all kinds to all routes of the emulated services: none ends with an unexpected error."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.incluster.services.control.routes import Control
from tests.attacks.services_fuzz import UNKEEPABLE, bounded
from tests.incluster.services.running_services import RunningServices, bearer, project_header


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServices]:
    running = RunningServices(tmp_path_factory.mktemp("attacked"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def search(platform: RunningServices) -> Iterator[httpx.Client]:
    with platform.open_search(platform.system_token()) as client:
        yield client


# fmt: off
_NAMES = [
    "query", "size", "from", "sort", "_source", "search_after", "bool", "must", "filter", "should", "must_not", "match",
    "term", "terms", "range", "exists", "wildcard", "prefix", "ids", "values", "query_string", "field", "value", "gte",
    "order", "doc", "script", "source", "params", "upsert", "doc_as_upsert", "fields", "name", "minimum_should_match",
    "description", "identifiers", "action", "dag_id", "workflow_name", "conf_data", "data_form", "workflow_form",
    "topic", "dataset_name", "single_execution", "username", "instance_names", "workflow_status", "status", "job_id",
    "run_id", "workflow_id", "federated", "receivers", "title", "icon", "link", "installed_models", "timeout_s",
    "docker_registry_url", "docker_image", "docker_version", "software_uuid", "includes", "excludes", "default_field",
    "operator", "match_phrase", "relation", "limit", "dataset_limit", "kind_of_dags", "only_dag_names",
]
_PATH_PARTS = [
    "x", "admin", "1.2.3", "project_admin", "*", "_all", "a,b", "%C3%A9", "%00", "..%2f..", "1", "-1", "metadata",
    "instances", "%ff", "a%0ab", "poison", "scientist",
]
_PARAMETER_NAMES = [
    "limit", "offset", "includefield", "name", "project", "since", "dataset", "role_name", "job_id", "run_id",
    "workflow_name", "status", "pattern", "object_name", "release_name", "study_uid", "clinical_trial_protocol_info",
    "StudyInstanceUID", "PatientName", "StudyDate", "00080018", "size", "from", "search", "requestType", "seriesUID",
    "objectUID", "instance_name", "contentType",
]
_PARAMETER_VALUES = [
    "", "1", "-1", "NaN", "1e400", "9" * 30, "9" * 5000, "*", "*a" * 500, "[", "[b-a]", "all", "é", "\0", "admin",
    "20200101-", "-", "2020-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "+", "WADO", "{}", "[]", "FFFEE000",
    '{"1.2": {"study_instance_uid": "1.3"}}', '{"1.2": 1}', "7FE00010", "../../etc/passwd",
]
_SCALARS = st.sampled_from([
    None, True, False, 0, 1, -1, 1.5, 1e308, 10**299, "", "a", "*", "é", "\0", "../x", "x" * 300, "1", "admin", "asc",
    "_id", "now-1d", "a:b AND (c OR", "\\", "[", "ctx._source.remove(params.x)", "scheduled", "ADD", "dataset",
])
# fmt: on
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=12,
)
_BODIES = st.one_of(
    st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=6).map(lambda value: json.dumps(value).encode()),
    _VALUES.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([*UNKEEPABLE.values(), b"", b"PK\3\4", b"--x\r\n\r\nabc\r\n--x--\r\n", b"\x1f\x8b\x08"]),
    st.binary(max_size=40),
)
_PARAMETERS = st.lists(st.tuples(st.sampled_from(_PARAMETER_NAMES), st.sampled_from(_PARAMETER_VALUES)), max_size=3)
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Project": st.sampled_from(['{"name":"admin"}', "{}", "[]", "1", "null", "x", '{"id":{}}', '{"name":NaN}']),
        "x-forwarded-preferred-username": st.just("kaapana"),
        "x-forwarded-user": st.just("x"),
        "x-forwarded-access-token": st.just("a.b.c"),
        "Content-Encoding": st.sampled_from(["gzip", "br"]),
        "Content-Type": st.sampled_from(
            ["multipart/related; boundary=x", 'multipart/related; boundary=""', "text/plain", "application/zip"]
        ),
        "Accept": st.sampled_from(["a/b", "multipart/related; type=application/dicom", "*/*"]),
        "Range": st.sampled_from(["bytes=0-", "bytes=9-1", "x", "bytes=-9999999999999999999"]),
    },
)


@pytest.fixture(scope="module")
def routes(platform: RunningServices, search: httpx.Client) -> list[tuple[httpx.Client, str, str]]:
    """Client, method and path of everything that is answered, but for what waits or forgets a project."""
    by_host = {"opensearch-service": search, "ctp-internal-service": platform.stow}
    for client in (platform.keycloak, platform.notification, platform.aii, platform.filter, platform.backend):
        by_host[client.headers["Host"].split(".")[0]] = client
    by_host[platform.kube_helm.headers["Host"].split(".")[0]] = platform.kube_helm
    found: list[tuple[httpx.Client, str, str]] = []
    for table in platform.services.hosts().values():
        for host, app in table.items():
            inner: Any = getattr(app, "app", app)
            found += [(by_host[host], method, route.path) for route in inner.routes for method in route.methods]
    for route in Control(platform.services, dict).routes():
        found += [(platform.control, method, route.path) for method in route.methods or () if method != "DELETE"]
    return [entry for entry in found if "settle" not in entry[2]]


@pytest.fixture
def _answers_afterwards(platform: RunningServices, search: httpx.Client) -> Iterator[None]:
    yield
    assert platform.control.get("/health").status_code == 200
    assert search.post("/_all/_search", json={"size": 1000}).status_code == 200
    assert platform.backend.get("/client/datasets", headers=project_header({"name": "admin"})).status_code == 200
    assert platform.filter.get("/studies", headers=bearer(platform.system_token())).status_code in {200, 204}


@pytest.mark.usefixtures("_answers_afterwards")
@given(data=st.data())
@bounded
def test_no_request_ends_in_an_unhandled_error(
    platform: RunningServices, routes: list[tuple[httpx.Client, str, str]], data: st.DataObject
) -> None:
    client, method, path = data.draw(st.sampled_from(routes))
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + data.draw(st.sampled_from(_PATH_PARTS)) + rest.partition("}")[2]
    parameters = urllib.parse.urlencode(data.draw(_PARAMETERS))
    body = data.draw(_BODIES) if method in {"POST", "PUT", "DELETE"} else None
    token = data.draw(st.sampled_from(["system", "none", "wrong"]))
    headers = data.draw(_HEADERS)
    if client is not platform.control and token != "none":
        headers |= bearer(platform.system_token() if token == "system" else "a.b.c")
    answer = client.request(method, f"{path}?{parameters}" if parameters else path, headers=headers, content=body)
    assert "error in the harness's services" not in answer.text
    assert answer.text != "Internal Server Error"
