"""OpenSearch as far as containers use it: documents of series, searched with a bearer token (services 11)."""

from __future__ import annotations

import re
import uuid
import zlib
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.incluster.services.access.directory import Directory
from harness.incluster.services.identity.jwt import TokenError
from harness.incluster.services.identity.routes import Identity, bearer
from harness.incluster.services.search.indices import Indices, StoredDocument
from harness.incluster.services.search.requests import SHARDS, SearchError, find_matching, number, search, update_source
from harness.incluster.services.web import read_body
from harness.incluster.services.wildcard import WildcardError
from harness.kube import jsontext

_INDEX_NAME = re.compile(r"[a-z0-9.][a-z0-9._-]{0,254}")


class Metadata:
    """Routes of the search service. Index templates and mappings are accepted and ignored."""

    def __init__(self, identity: Identity, directory: Directory, indices: Indices, limit: int) -> None:
        self._identity = identity
        self._directory = directory
        self._indices = indices
        self._limit = limit

    # --- rights (services 11.1)

    def _roles(self, request: Request) -> tuple[str, set[str]]:
        token = bearer(request)
        if token is None:
            raise SearchError(401, "security_exception", "Unauthorized: no bearer token")
        try:
            claims = self._identity.verify(token)
        except TokenError as problem:
            raise SearchError(401, "security_exception", f"Unauthorized: {problem}") from None
        return str(claims.get("preferred_username")), set(claims.get("opensearch") or ())

    def _rights_of(self, request: Request) -> tuple[str, Callable[[str], bool]]:
        user, roles = self._roles(request)
        if "admin" in roles:
            return user, lambda index: True
        projects = self._directory.projects()
        own = {project.index for project in projects if f"admin_project_{project.id}" in roles}
        return user, lambda index: index in own

    def _index(self, request: Request, action: str) -> str:
        """Return the one index of a document operation."""
        index = request.path_params["index"]
        user, allowed = self._rights_of(request)
        if not allowed(index):
            raise SearchError(
                403, "security_exception", f"no permissions for [indices:data/{action}] and User [name={user}]"
            )
        return str(index)

    def _indices_to_search(self, request: Request) -> list[str]:
        """Return the indices of a search: forbidden ones drop out of a wildcard, a named one is refused."""
        pattern = request.path_params["index"]
        user, allowed = self._rights_of(request)
        found = self._indices.names(pattern)
        named = [part for part in pattern.split(",") if "*" not in part and part != "_all"]
        permitted = [index for index in found if allowed(index)]
        if not permitted and (found or any(not allowed(part) for part in named)):
            raise SearchError(
                403, "security_exception", f"no permissions for [indices:data/read/search] and User [name={user}]"
            )
        for part in named:
            if part not in found:
                raise _no_index(part)
        return permitted

    # --- documents

    async def info(self, request: Request) -> Response:
        """GET /."""
        self._roles(request)
        version = {"distribution": "opensearch", "number": "2.19.4", "minimum_wire_compatibility_version": "7.10.0"}
        return JSONResponse({"name": "kaapana-harness", "cluster_name": "kaapana", "version": version})

    async def index_document(self, request: Request) -> Response:
        """PUT or POST /{index}/_doc[/{id}], /{index}/_create/{id}."""
        index = self._index(request, "write/index")
        if not self._indices.names(index) and not _INDEX_NAME.fullmatch(index):
            raise SearchError(400, "invalid_index_name_exception", f"Invalid index name [{index}]")
        body = await self._body(request)
        doc_id = request.path_params.get("id") or uuid.uuid4().hex
        if "/_create/" in request.scope["path"] and self._indices.get(index, doc_id):
            raise SearchError(409, "version_conflict_engine_exception", f"[{doc_id}]: document already exists")
        stored, created = self._indices.put(index, doc_id, body)
        return _answer_write(index, stored, "created" if created else "updated", 201 if created else 200)

    async def get_document(self, request: Request) -> Response:
        """GET or HEAD /{index}/_doc/{id}: 404 when missing."""
        index, doc_id = self._index(request, "read/get"), request.path_params["id"]
        if not self._indices.names(index):
            raise _no_index(index)
        stored = self._indices.get(index, doc_id)
        if stored is None:
            return JSONResponse({"_index": index, "_id": doc_id, "found": False}, 404)
        return JSONResponse({**_head(index, stored), "found": True, "_source": stored.source})

    async def get_source(self, request: Request) -> Response:
        """GET /{index}/_source/{id}."""
        index, doc_id = self._index(request, "read/get"), request.path_params["id"]
        stored = self._indices.get(index, doc_id)
        if stored is None:
            raise SearchError(404, "resource_not_found_exception", f"Document not found [{index}]/[{doc_id}]")
        return JSONResponse(stored.source)

    async def delete_document(self, request: Request) -> Response:
        """DELETE /{index}/_doc/{id}."""
        index, doc_id = self._index(request, "write/delete"), request.path_params["id"]
        stored = self._indices.get(index, doc_id)
        if stored is None:
            return JSONResponse({"_index": index, "_id": doc_id, "result": "not_found"}, 404)
        self._indices.delete(index, doc_id)
        return _answer_write(index, stored, "deleted", 200)

    async def update(self, request: Request) -> Response:
        """POST /{index}/_update/{id} with ``doc`` or a script that removes one field."""
        index, doc_id = self._index(request, "write/update"), request.path_params["id"]
        body = await self._body(request)
        stored = self._indices.get(index, doc_id)
        if stored is None:
            upsert = body.get("doc") if body.get("doc_as_upsert") else body.get("upsert")
            if isinstance(upsert, dict):
                new, _ = self._indices.put(index, doc_id, upsert)
                return _answer_write(index, new, "created", 201)
            raise SearchError(404, "document_missing_exception", f"[{doc_id}]: document missing")
        changed = update_source(stored.source, body)
        if changed == stored.source:
            return _answer_write(index, stored, "noop", 200)
        new, _ = self._indices.put(index, doc_id, changed)
        return _answer_write(index, new, "updated", 200)

    # --- search

    async def search(self, request: Request) -> Response:
        """GET or POST /{index}/_search."""
        indices = self._indices_to_search(request)
        body = await self._body(request)
        for name in ("size", "from"):
            if name in request.query_params and name not in body:
                body[name] = number(request.query_params[name], name)
        if "scroll" in request.query_params:
            raise SearchError(400, "parsing_exception", "the harness does not emulate [scroll] in a search")
        return JSONResponse(await run_in_threadpool(search, self._indices, indices, body))

    async def count(self, request: Request) -> Response:
        """GET or POST /{index}/_count."""
        indices = self._indices_to_search(request)
        query = (await self._body(request)).get("query", {})
        found = await run_in_threadpool(find_matching, self._indices, indices, query)
        return JSONResponse({"count": len(found), "_shards": SHARDS})

    async def delete_by_query(self, request: Request) -> Response:
        """POST /{index}/_delete_by_query."""
        indices = self._indices_to_search(request)
        body = await self._body(request)
        if "query" not in body:
            raise SearchError(400, "action_request_validation_exception", "query is missing")
        found = await run_in_threadpool(find_matching, self._indices, indices, body["query"])
        for index, stored in found:
            self._indices.delete(index, stored.id)
        return JSONResponse({"took": 0, "timed_out": False, "total": len(found), "deleted": len(found), "failures": []})

    # --- indices

    async def index_exists(self, request: Request) -> Response:
        """HEAD /{index}."""
        _, allowed = self._rights_of(request)
        index = request.path_params["index"]
        return Response(status_code=200 if allowed(index) and self._indices.names(index) else 404)

    async def create_index(self, request: Request) -> Response:
        """PUT /{index}; settings and mappings are ignored."""
        index = self._index(request, "admin/create")
        if not _INDEX_NAME.fullmatch(index):
            raise SearchError(400, "invalid_index_name_exception", f"Invalid index name [{index}]")
        await self._body(request)
        if not self._indices.create(index):
            raise SearchError(400, "resource_already_exists_exception", f"index [{index}] already exists")
        return JSONResponse({"acknowledged": True, "shards_acknowledged": True, "index": index})

    async def delete_index(self, request: Request) -> Response:
        """DELETE /{index}."""
        index = self._index(request, "admin/delete")
        if not self._indices.drop(index):
            raise _no_index(index)
        return JSONResponse({"acknowledged": True})

    async def refresh(self, request: Request) -> Response:
        """POST /{index}/_refresh: every write is visible at once."""
        self._indices_to_search(request)
        return JSONResponse({"_shards": SHARDS})

    async def acknowledge(self, request: Request) -> Response:
        """PUT of templates, settings and mappings: acknowledged, without effect."""
        self._roles(request)
        await self._body(request)
        return JSONResponse({"acknowledged": True})

    async def _body(self, request: Request) -> dict[str, Any]:
        data = await read_body(request, self._limit)
        encoding = request.headers.get("content-encoding", "identity")
        if encoding == "gzip":
            data = _gunzip(data, self._limit)
        elif encoding != "identity":
            raise SearchError(415, "illegal_argument_exception", f"content encoding {encoding!r} is not supported")
        if not data.strip():
            return {}
        try:
            body = jsontext.parse(data)
        except jsontext.JsonError as problem:
            raise SearchError(400, "parse_exception", f"the body is not JSON: {problem}") from None
        if not isinstance(body, dict):
            raise SearchError(400, "parse_exception", "the body must be a JSON object")
        return body

    def routes(self) -> list[Route]:
        """Return all paths."""
        write = ["PUT", "POST"]
        read = ["GET", "POST"]
        named: list[tuple[str, Callable[[Request], Any], list[str]]] = [
            ("/", self.info, ["GET"]),
            ("/_index_template/{name}", self.acknowledge, write),
            ("/_template/{name}", self.acknowledge, write),
            ("/{index}/_doc", self.index_document, ["POST"]),
            ("/{index}/_doc/{id:path}", self.index_document, write),
            ("/{index}/_create/{id:path}", self.index_document, write),
            ("/{index}/_doc/{id:path}", self.get_document, ["GET"]),
            ("/{index}/_doc/{id:path}", self.delete_document, ["DELETE"]),
            ("/{index}/_source/{id:path}", self.get_source, ["GET"]),
            ("/{index}/_update/{id:path}", self.update, ["POST"]),
            ("/{index}/_search", self.search, read),
            ("/{index}/_count", self.count, read),
            ("/{index}/_delete_by_query", self.delete_by_query, ["POST"]),
            ("/{index}/_refresh", self.refresh, read),
            ("/{index}/_mapping", self.acknowledge, write),
            ("/{index}/_settings", self.acknowledge, write),
            ("/{index}", self.index_exists, ["HEAD"]),
            ("/{index}", self.create_index, ["PUT"]),
            ("/{index}", self.delete_index, ["DELETE"]),
        ]
        return [Route(path, _wrap(handler), methods=methods) for path, handler, methods in named]


def _wrap(handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            response = await handler(request)
        except WildcardError as problem:
            return JSONResponse(SearchError(400, "invalid_index_name_exception", str(problem)).body, 400)
        except SearchError as problem:
            headers = {"WWW-Authenticate": 'Bearer realm="kaapana"'} if problem.status == 401 else None
            return JSONResponse(problem.body, problem.status, headers=headers)
        assert isinstance(response, Response)
        return response

    return answer


def _gunzip(data: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(data, limit)
    except zlib.error as problem:
        raise SearchError(400, "parse_exception", f"the body is not gzip: {problem}") from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise SearchError(413, "content_too_long_exception", f"the body is cut, or longer than {limit} bytes")
    return body


def _no_index(index: str) -> SearchError:
    return SearchError(404, "index_not_found_exception", f"no such index [{index}]")


def _head(index: str, stored: StoredDocument) -> dict[str, Any]:
    return {
        "_index": index,
        "_id": stored.id,
        "_version": stored.version,
        "_seq_no": stored.sequence,
        "_primary_term": 1,
    }


def _answer_write(index: str, stored: StoredDocument, result: str, status: int) -> Response:
    return JSONResponse({**_head(index, stored), "result": result, "_shards": SHARDS}, status)
