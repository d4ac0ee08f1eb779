"""All kinds of requests to the page of an environment: 403 without the cookie, and never an unexpected error."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import RunError
from harness.page.access import TOKEN, Access
from harness.page.app import Pages, make_app
from harness.page.evidence import EvidenceFolder
from harness.page.observer import Hub, Observer
from harness.page.pictures import PictureMaker
from harness.page.source import Source
from harness.page.starter import Starter
from harness.page.views import Views
from tests.attacks.asgi import Caller
from tests.attacks.services_fuzz import UNKEEPABLE, bounded
from tests.page.fake_environment import DAG, RUN, FakeEnvironment, receipt

HOST = "test"

# the stream of changes has no end; who may read it is tried without a session
_ROUTES = ["/", "/parts/runs", "/parts/received", "/run", "/log", "/thumbnail", "/series", "/result", "/start"]
_ROUTES += ["/evidence/run-1/report.html", "/forms", "/runs", "/assets/page.js", "/assets/json-editor/jsoneditor.js"]
_PATHS = st.one_of(
    st.sampled_from(_ROUTES),
    st.lists(st.sampled_from(["parts", "evidence", "assets", "..", "%2e%2e", "%00", "é", "%ff", "a b", "", "x" * 5000]))
    .map("/".join)
    .map(lambda path: f"/{path}"),
)
_TEXTS = st.one_of(
    st.sampled_from(["", DAG, RUN, "t1", "1.2", "-1", "1", "9" * 50, "../../etc/passwd", "\0", "\ud7ff", "<script>"]),
    st.text(st.characters(exclude_characters="/"), max_size=40),
)
_QUERIES = st.dictionaries(
    st.sampled_from(["dag", "run", "task", "attempt", "project", "uid", "key", "part", TOKEN, "x"]), _TEXTS, max_size=5
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_BODIES = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"dag_id": st.just(DAG) | _VALUES, "form": _VALUES, "sample": _VALUES, "folder": _VALUES}
    ).map(lambda body: json.dumps(body).encode()),
    st.binary(max_size=60),
    st.sampled_from(list(UNKEEPABLE.values())),
)
_METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "X"])
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "host": st.sampled_from(["evil.example", "test:80", "TEST", "127.0.0.1", "test@evil.example", " test"]),
        "origin": st.sampled_from(["null", "http://evil.example", "https://test", "http://test:80", "file://"]),
        "sec-fetch-site": st.sampled_from(["cross-site", "same-site", "same-origin", "none", "x"]),
        "cookie": st.sampled_from(["a=b", "kaapana_page=x", "=;;", "\xff", 'a="', "kaapana_page_00000000=1"]),
    },
)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Access, FakeEnvironment]]:
    folder = tmp_path_factory.mktemp("attacked")
    environment: Any = FakeEnvironment(folder)
    environment.services.received = [receipt(1, b"no DICOM")]
    environment.services.files["r1"] = b"no DICOM"
    environment.services.pages = {"staticwebsiteresults/x.html": b"<p>x</p>"}
    source, evidence, hub = Source(environment), EvidenceFolder(folder / "evidence"), Hub()
    starter = Starter(environment, source.extensions, evidence.root)
    views = Views(source, evidence, starter.failures)
    pictures = PictureMaker(source.receipt_file, starter.sources, environment.scratch)
    pages = Pages(source, views, Observer(source, views.reads, hub), hub, pictures, evidence, starter)
    environment.services.refusal = RunError("the platform refuses to start it")
    with pytest.MonkeyPatch.context() as patch:
        # folders are named by texts at random
        (folder / "empty").mkdir()
        patch.chdir(folder / "empty")
        yield Access(make_app(pages), [HOST]), environment


def _address(path: str, query: dict[str, str]) -> str:
    asked = urllib.parse.urlencode(query, errors="surrogatepass")
    return f"{path}?{asked}" if asked else path


def _ask(door: Access, method: str, address: str, headers: dict[str, str], content: bytes = b"") -> httpx.Response:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    return Caller(door).request(method, address, headers=encoded, content=content)


@bounded
@given(_METHODS, _PATHS | st.just("/events"), _QUERIES, _HEADERS)
def test_a_request_without_a_session_always_gets_403(
    attacked: tuple[Access, FakeEnvironment], method: str, path: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    answer = _ask(attacked[0], method, _address(path, query), headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert attacked[0].token


@pytest.fixture(scope="module")
def session(attacked: tuple[Access, FakeEnvironment]) -> dict[str, str]:
    entered = _ask(attacked[0], "GET", f"/?{TOKEN}={attacked[0].token}", {})
    return {"cookie": entered.headers["set-cookie"].partition(";")[0], "origin": f"http://{HOST}"}


@bounded
@given(st.sampled_from(["GET", "HEAD", "POST"]), _PATHS, _QUERIES, _BODIES)
def test_no_request_of_the_browser_ends_in_an_unexpected_error(
    attacked: tuple[Access, FakeEnvironment],
    session: dict[str, str],
    method: str,
    path: str,
    query: dict[str, str],
    body: bytes,
) -> None:
    answer = _ask(attacked[0], method, _address(path, query), session, body)
    assert answer.status_code in {200, 201, 403, 404, 405, 422, 503}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" in answer.headers
    assert "unexpected" not in answer.text
    if "text/html" in answer.headers.get("content-type", "") and path != "/result":
        assert "<script>" not in answer.text
