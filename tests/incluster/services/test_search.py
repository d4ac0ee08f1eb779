from __future__ import annotations

import gzip
import warnings
from typing import Any

import httpx
import pytest
from opensearchpy import NotFoundError, OpenSearch, RequestError, TransportError

from tests.incluster.services.running_services import RunningServices

# the platform's certificate is self-signed and its clients do not verify it
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

STUDY = "0020000D StudyInstanceUID_keyword"
SERIES = "0020000E SeriesInstanceUID_keyword"
TAGS = "00000000 Tags_keyword"
MODALITY = "00080060 Modality_keyword"


def client(platform: RunningServices, token: str | None) -> OpenSearch:
    """As kaapanapy makes it: TLS without verification, gzip bodies, a bearer header."""
    headers = {"Host": "opensearch-service.services.svc:9200"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return OpenSearch(
            hosts=[{"host": "127.0.0.1", "port": platform.ports.search}],
            http_compress=True,
            use_ssl=True,
            verify_certs=False,
            ssl_show_warn=False,
            timeout=10,
            max_retries=0,
            headers=headers,
        )


class Filled:
    """A project's index with three documents."""

    def __init__(self, platform: RunningServices) -> None:
        self.platform = platform
        self.project, self.other = platform.new_project(), platform.new_project()
        self.index = self.project["opensearch_index"]
        self.search = client(platform, platform.project_token(self.project))
        documents: list[dict[str, Any]] = [
            {STUDY: "1.2.9", SERIES: "1.2.1", MODALITY: "CT", TAGS: ["good", "Big one"], "00280010 Rows_integer": 512},
            {STUDY: "1.2.9", SERIES: "1.2.2", MODALITY: "MR", "00080020 StudyDate_date": "2024-05-01"},
            {STUDY: "1.2.8", SERIES: "1.2.3", MODALITY: "CT", "00081030 StudyDescription_keyword": "Thorax native"},
        ]
        for document in documents:
            self.search.index(index=self.index, id=document[SERIES], body=document, params={"refresh": "true"})

    def ids(self, query: dict[str, Any], **body: Any) -> list[str]:
        sort = [{f"{SERIES}.keyword": {"order": "desc"}}]
        answer = self.search.search(index=self.index, body={"query": query, "sort": sort, "size": 10000, **body})
        assert answer["hits"]["total"]["value"] >= len(answer["hits"]["hits"])
        return [hit["_id"] for hit in answer["hits"]["hits"]]


@pytest.fixture(scope="module")
def filled(platform: RunningServices) -> Filled:
    return Filled(platform)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "321"),
        ({"match_all": {}}, "321"),
        ({"ids": {"values": ["1.2.1", "1.2.3", "9"]}}, "31"),
        ({"bool": {"must": [{"ids": {"values": ["1.2.1", "1.2.2"]}}, {"term": {f"{TAGS}.keyword": "good"}}]}}, "1"),
        ({"bool": {"must_not": [{"term": {f"{TAGS}.keyword": "good"}}]}}, "32"),
        ({"bool": {"should": [{"term": {MODALITY: "mr"}}, {"ids": {"values": ["1.2.1"]}}]}}, "21"),
        ({"bool": {"must": {"match": {MODALITY: "CT"}}, "should": [{"match_none": {}}]}}, "31"),
        ({"bool": {"filter": [{"term": {f"{MODALITY}.keyword": "CT"}}], "minimum_should_match": 0}}, "31"),
        ({"term": {STUDY: "1.2.9"}}, "21"),
        ({"term": {f"{STUDY}.keyword": {"value": "1.2.9"}}}, "21"),
        ({"term": {MODALITY: "CT"}}, ""),
        ({"terms": {"_id": ["1.2.2"]}}, "2"),
        ({"terms": {f"{SERIES}.keyword": ["1.2.2", "1.2.3"]}}, "32"),
        ({"term": {"00280010 Rows_integer": 512}}, "1"),
        ({"match": {"00081030 StudyDescription_keyword": "thorax other"}}, "3"),
        ({"match": {"00081030 StudyDescription_keyword": {"query": "thorax other", "operator": "and"}}}, ""),
        ({"match_phrase": {"00081030 StudyDescription_keyword": "thorax native"}}, "3"),
        ({"match_phrase": {"00081030 StudyDescription_keyword": "native thorax"}}, ""),
        ({"match_phrase": {f"{STUDY}.keyword": "1.2.8"}}, "3"),
        ({"exists": {"field": TAGS}}, "1"),
        ({"range": {"00280010 Rows_integer": {"gte": 512, "lt": 513}}}, "1"),
        ({"range": {"00080020 StudyDate_date": {"gt": "2024-05-01"}}}, ""),
        ({"wildcard": {f"{TAGS}.keyword": "Big*"}}, "1"),
        ({"prefix": {f"{TAGS}.keyword": "goo"}}, "1"),
        ({"query_string": {"query": "thorax"}}, "3"),
        ({"query_string": {"query": r"00080060\ Modality_keyword:(CT OR MR) AND NOT native"}}, "21"),
        ({"query_string": {"query": '"big one"'}}, "1"),
        ({"query_string": {"query": "*"}}, "321"),
    ],
)
def test_clauses_find_what_the_server_finds(filled: Filled, query: dict[str, Any], expected: str) -> None:
    assert filled.ids(query) == [f"1.2.{number}" for number in expected]


def test_pages_follow_each_other_by_search_after(filled: Filled) -> None:
    sort = [{f"{SERIES}.keyword": "desc"}]
    found: list[str] = []
    after: dict[str, Any] = {}
    while True:
        body = {"query": {}, "size": 2, "sort": sort, "_source": {}, **after}
        hits = filled.search.search(index=filled.index, body=body)["hits"]["hits"]
        if not hits:
            break
        found += [hit["_source"][SERIES] for hit in hits]
        after = {"search_after": hits[-1]["sort"]}
    assert found == ["1.2.3", "1.2.2", "1.2.1"]


def test_source_can_be_reduced_or_left_out(filled: Filled) -> None:
    def first(source: Any) -> dict[str, Any]:
        body = {"query": {"ids": {"values": ["1.2.1"]}}, "_source": source}
        return filled.search.search(index=filled.index, body=body)["hits"]["hits"][0]

    assert "_source" not in first(False)
    assert set(first([STUDY, "*Modality*"])["_source"]) == {STUDY, MODALITY}
    assert STUDY not in first({"excludes": [STUDY]})["_source"]


def test_documents_are_read_updated_and_deleted(platform: RunningServices) -> None:
    own = Filled(platform)
    search, index = own.search, own.index
    assert search.get(index=index, id="1.2.1")["_source"][MODALITY] == "CT"
    with pytest.raises(NotFoundError):
        search.get(index=index, id="9")
    assert search.update(index=index, id="1.2.1", body={"doc": {MODALITY: "PT"}})["result"] == "updated"
    assert search.update(index=index, id="1.2.1", body={"doc": {MODALITY: "PT"}})["result"] == "noop"
    script = {"script": {"source": f"ctx._source.remove('{TAGS}')", "lang": "painless"}}
    search.update(index=index, id="1.2.1", body=script)
    assert set(search.get(index=index, id="1.2.1")["_source"]) == {STUDY, SERIES, MODALITY, "00280010 Rows_integer"}
    with pytest.raises(RequestError, match="only remove one field"):
        search.update(index=index, id="1.2.1", body={"script": "ctx._source.x = 1"})
    answer = search.delete_by_query(index=index, body={"query": {"ids": {"values": ["1.2.1", "1.2.2"]}}})
    assert answer["deleted"] == 2
    assert own.ids({}) == ["1.2.3"]
    assert search.count(index=index)["count"] == 1


def test_a_project_user_cannot_touch_another_projects_index(filled: Filled) -> None:
    foreign = filled.other["opensearch_index"]
    for call in (
        lambda: filled.search.search(index=foreign, body={"query": {}}),
        lambda: filled.search.get(index=foreign, id="1"),
        lambda: filled.search.index(index=foreign, id="1", body={}),
        lambda: filled.search.search(index="project_admin", body={"query": {}}),
    ):
        with pytest.raises(TransportError) as caught:
            call()
        assert caught.value.status_code == 403
    assert filled.ids({}) == [hit["_id"] for hit in _hits(filled, "project_*")]
    admin = client(filled.platform, filled.platform.system_token())
    assert admin.search(index=filled.index, body={"query": {}})["hits"]["total"]["value"] == 3


def _hits(filled: Filled, index: str) -> list[dict[str, Any]]:
    body = {"query": {}, "sort": [{f"{SERIES}.keyword": "desc"}]}
    return filled.search.search(index=index, body=body)["hits"]["hits"]


@pytest.mark.parametrize("token", [None, "garbage"])
def test_a_bearer_token_is_required(platform: RunningServices, token: str | None) -> None:
    with pytest.raises(TransportError) as caught:
        client(platform, token).search(index="project_admin", body={})
    assert caught.value.status_code == 401


def test_indices_are_created_and_templates_ignored(platform: RunningServices) -> None:
    admin = client(platform, platform.system_token())
    assert not admin.indices.exists(index="project_new")
    admin.indices.create(index="project_new", body={"mappings": {}})
    assert admin.indices.exists(index="project_new")
    with pytest.raises(RequestError, match="already exists"):
        admin.indices.create(index="project_new")
    admin.indices.put_index_template(name="project_", body={"index_patterns": ["project_*"]})
    with pytest.raises(NotFoundError, match="no such index"):
        admin.search(index="project_nowhere", body={})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"query": {"fuzzy": {"a": "b"}}}, r"unknown query \[fuzzy\]"),
        ({"query": {"match_all": {}, "term": {}}}, "more than one clause"),
        ({"query": {"terms": {"a": "b"}}}, "requires an array"),
        ({"aggs": {}}, r"does not emulate \[aggs\]"),
        ({"size": 10001}, "Result window is too large"),
        ({"sort": [MODALITY]}, "Text fields are not optimised"),
        ({"query": {"query_string": {"query": "(a"}}}, "unbalanced parenthesis"),
        ({"query": {"bool": {"maybe": []}}}, r"does not support \[maybe\]"),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_with_its_reason(
    filled: Filled, body: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        filled.search.search(index=filled.index, body=body)


def raw(filled: Filled, content: bytes) -> httpx.Response:
    token = filled.platform.project_token(filled.project)
    with filled.platform.open_search(token) as client:
        return client.post(f"/{filled.index}/_search", headers={"Content-Encoding": "gzip"}, content=content)


def test_compressed_bombs_and_deep_queries_are_refused(filled: Filled) -> None:
    assert raw(filled, gzip.compress(b" " * (64 << 20))).status_code == 413
    assert raw(filled, b"no gzip").status_code == 400
    assert raw(filled, gzip.compress(b"[" * 200_000)).status_code == 400
    nested = '{"bool":{"must":' * 60 + '{"match_all":{}}' + "}}" * 60
    answer = raw(filled, gzip.compress(f'{{"query":{nested}}}'.encode()))
    assert answer.status_code == 400
    assert "nested deeper" in answer.text
