"""Answers of foreign registries, and their reports: servers in memory that are not proper registries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import httpx
import pytest

from harness.errors import HarnessError, PlatformError
from harness.images import RegistryClient, manifests
from harness.images.derivation import derive_image
from harness.images.registry import parse_address

Answer = Callable[[httpx.Request], httpx.Response]
DIGEST = "sha256:" + "a" * 64


def client(monkeypatch: pytest.MonkeyPatch, answer: Answer, address: str = "registry.site/team") -> RegistryClient:
    """A client whose requests are answered by a function."""
    made = httpx.Client
    monkeypatch.setattr(
        httpx, "Client", lambda **options: made(**{**options, "transport": httpx.MockTransport(answer)})
    )
    return RegistryClient(address)


def always(response: Callable[[], httpx.Response]) -> Answer:
    return lambda request: response()


CALLS: dict[str, Callable[[RegistryClient], object]] = {
    "catalog": lambda registry: registry.catalog(),
    "tags": lambda registry: registry.tags("tool"),
    "digest": lambda registry: registry.digest("tool", "1"),
    "has": lambda registry: registry.has("tool", "1", DIGEST),
    "manifest": lambda registry: registry.manifest("tool", "1"),
    "blob": lambda registry: registry.blob("tool", DIGEST),
}


@pytest.mark.parametrize("text", ["<html>log in to the network</html>", "null", "[]", '"text"', "[" * 100_000])
@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_is_not_the_apis_is_an_error_with_registry_and_request(
    monkeypatch: pytest.MonkeyPatch, call: str, text: str
) -> None:
    registry = client(monkeypatch, always(lambda: httpx.Response(200, text=text)))
    with pytest.raises(PlatformError, match=r"the registry registry\.site/team answers GET /v2/") as caught:
        CALLS[call](registry)
    assert caught.value.last_seen == text[:500]
    assert "JSON" in caught.value.cause


@pytest.mark.parametrize("names", ["text", 5, {"a": 1}, [1, "a"], [None]])
def test_a_malformed_list_of_tags_is_an_error_that_names_the_field(
    monkeypatch: pytest.MonkeyPatch, names: object
) -> None:
    registry = client(monkeypatch, always(lambda: httpx.Response(200, json={"tags": names})))
    with pytest.raises(PlatformError, match=r"/v2/team/tool/tags/list.*tags is not a list of names"):
        registry.tags("tool")


def test_a_digest_without_a_header_is_computed_from_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps({"config": {"digest": DIGEST}}).encode()
    body = {"HEAD": b"", "GET": content}
    with client(monkeypatch, lambda request: httpx.Response(200, content=body[request.method])) as registry:
        assert registry.digest("tool", "1") == f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize(
    "failure",
    [httpx.TooManyRedirects("x"), httpx.DecodingError("x"), httpx.InvalidURL("x"), httpx.ConnectError("x")],
    ids=lambda failure: type(failure).__name__,
)
def test_a_request_that_fails_in_whatever_way_is_a_registry_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise failure

    registry = client(monkeypatch, answer)
    with pytest.raises(PlatformError, match=r"registry\.site/team does not answer") as caught:
        registry.tags("tool")
    assert "GET /v2/team/tool/tags/list" in caught.value.last_seen


@pytest.mark.parametrize(
    "reference",
    [
        "registry.site:port/x:1",
        "registry.site:99999999/x:1",
        "[::1/x:1",
        "a..b/x:1",
        "a.b:1:2/x:1",
        "a.b?c/x:1",
        "_.b/x:1",
    ],
)
def test_a_reference_whose_host_cannot_be_one_is_an_error_that_names_it(reference: str) -> None:
    with pytest.raises(PlatformError) as caught:
        manifests.exists(reference)
    assert reference.partition("/")[0] in caught.value.cause


def test_pages_are_read_to_their_end_and_on_this_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        page = request.url.params.get("page", "1")
        link = {"1": "https://elsewhere.site/v2/team/tool/tags/list?page=2", "2": "/v2/team/tool/tags/list?page=2"}
        return httpx.Response(200, json={"tags": [page]}, headers={"link": f'<{link[page]}>; rel="next"'})

    with client(monkeypatch, answer) as registry:
        assert registry.tags("tool") == ["1", "2"]
    first = "https://registry.site/v2/team/tool/tags/list"
    assert asked == [first, f"{first}?page=2"]


DERIVED = derive_image({"config": {"digest": DIGEST}, "layers": []}, {"os": "linux"}, ["tool"])


@pytest.mark.parametrize(
    "location",
    ["/v2/team/tool/blobs/uploads/7?state=x%3D", "http://elsewhere.site/v2/team/tool/blobs/uploads/7?state=x%3D"],
)
def test_documents_of_an_image_are_put_on_this_server_only(monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    asked: list[tuple[str, str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, str(request.url), request.content))
        return httpx.Response(202 if request.method == "POST" else 201, headers={"location": location})

    with client(monkeypatch, answer) as registry:
        registry.put("tool:own", DERIVED)
    server = "https://registry.site/v2/team/tool"
    blob = f"{server}/blobs/uploads/7?state=x%3D&digest={DERIVED.configuration.digest.replace(':', '%3A')}"
    assert asked == [
        ("POST", f"{server}/blobs/uploads/", b""),
        ("PUT", blob, DERIVED.configuration.content),
        ("PUT", f"{server}/manifests/own", DERIVED.manifest.content),
    ]


@pytest.mark.parametrize("refused", ["POST", "PUT"])
def test_a_registry_that_takes_no_document_is_named_with_what_it_says(
    monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        place = {"location": "/v2/team/tool/blobs/uploads/7"}
        return (
            httpx.Response(403, text="read only") if request.method == refused else httpx.Response(202, headers=place)
        )

    with client(monkeypatch, answer) as registry, pytest.raises(PlatformError, match="answers 403 to") as caught:
        registry.put("tool:own", DERIVED)
    assert caught.value.last_seen == "read only"


def test_an_upload_without_a_proper_address_is_an_error_with_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = always(lambda: httpx.Response(202, headers={"location": "http://elsewhere.site:port/"}))
    with client(monkeypatch, begun) as registry, pytest.raises(PlatformError, match="its upload has no address"):
        registry.put("tool:own", DERIVED)


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_tags_that_are_not_listed_to_this_login_are_none_for_a_hint(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with client(monkeypatch, always(lambda: httpx.Response(status))) as registry:
        assert registry.tags_if_listed("tool") == []


@pytest.mark.parametrize("document", [{"manifests": ["x", None, {"platform": []}]}, {"manifests": 3}])
def test_an_index_without_a_proper_entry_is_for_no_platform(
    monkeypatch: pytest.MonkeyPatch, document: dict[str, object]
) -> None:
    with client(monkeypatch, always(lambda: httpx.Response(200, json=document))) as registry:
        found = manifests.resolve(registry, "tool", "1", "amd64")
    assert found is not None
    assert (found.platforms, found.platform_fits) == ((), False)


@pytest.mark.parametrize("config", [None, [], "text", {"digest": 5}, {}])
def test_a_manifest_without_a_configuration_is_not_an_image(monkeypatch: pytest.MonkeyPatch, config: object) -> None:
    registry = client(monkeypatch, always(lambda: httpx.Response(200, json={"config": config})))
    with pytest.raises(HarnessError, match=r"registry\.site/team/tool:1 is not an image that an engine takes"):
        manifests.resolve(registry, "tool", "1", "amd64")


@pytest.mark.parametrize("content", [{"rootfs": []}, {"rootfs": {"diff_ids": "text"}}, {"os": {}, "architecture": []}])
def test_a_configuration_of_another_shape_fits_no_engine(
    monkeypatch: pytest.MonkeyPatch, content: dict[str, object]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        wanted = {"config": {"digest": DIGEST}} if "manifests" in request.url.path else content
        return httpx.Response(200, json=wanted)

    with client(monkeypatch, answer) as registry:
        found = manifests.resolve(registry, "tool", "1", "amd64")
    assert found is not None
    assert not found.platform_fits


@pytest.mark.parametrize(
    ("address", "repository", "path"),
    [
        ("docker.io/team", "tool", "/v2/team/tool/manifests/1"),
        ("docker.io", "team/tool", "/v2/team/tool/manifests/1"),
        ("docker.io", "tool", "/v2/library/tool/manifests/1"),
        ("index.docker.io/team", "tool", "/v2/team/tool/manifests/1"),
    ],
)
def test_dockers_own_registry_is_asked_at_the_host_of_its_api(
    monkeypatch: pytest.MonkeyPatch, address: str, repository: str, path: str
) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.host, request.url.path))
        return httpx.Response(200, headers={"docker-content-digest": DIGEST})

    with client(monkeypatch, answer, address) as registry:
        assert registry.digest(repository, "1") == DIGEST
    assert asked == [("registry-1.docker.io", path)]
    assert parse_address(address)[0] == "https://registry-1.docker.io"
