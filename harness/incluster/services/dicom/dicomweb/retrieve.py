"""QIDO and WADO through the filter (services 7)."""

from __future__ import annotations

import json

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from harness.incluster.services.dicom import archive as archive_module
from harness.incluster.services.dicom.archive import Archive, Attributes, StoredInstance
from harness.incluster.services.dicom.dicomfile import read_header
from harness.incluster.services.dicom.dicomweb import multipart
from harness.incluster.services.dicom.dicomweb.caller import Callers
from harness.incluster.services.dicom.dicomweb.qido import Finder, Query, QueryError
from harness.incluster.services.web import error

_JSON = "application/dicom+json"
_NOT_EMULATED = frozenset({"rendered", "thumbnail", "frames", "bulkdata", "pixeldata"})


class RetrieveRoutes:
    """Answers from the archive, with the caller's series only."""

    def __init__(self, callers: Callers, archive: Archive, base_url: str) -> None:
        self._callers = callers
        self._archive = archive
        self._finder = Finder(archive, base_url)

    # --- QIDO

    async def search_studies(self, request: Request) -> Response:
        """GET /studies: 204 when nothing is found."""
        caller, query = self._callers.identify(request), _query(request)
        return _answer_with(await run_in_threadpool(self._finder.studies, query, caller.visible()))

    async def search_series(self, request: Request) -> Response:
        """GET /studies/{s}/series."""
        caller, query = self._callers.identify(request), _query(request)
        study = request.path_params["study"]
        return _answer_with(await run_in_threadpool(self._finder.series, study, query, caller.visible()))

    async def slim_series(self, request: Request) -> Response:
        """GET /series?StudyInstanceUID=: always filtered by project, even for admins."""
        caller, query = self._callers.identify(request), _query(request)
        study = request.query_params.get("StudyInstanceUID")
        if not study:
            return JSONResponse({"error": "StudyInstanceUID parameter is required"}, 400)
        return _answer_with(await run_in_threadpool(self._finder.series, study, query, caller.list_mapped()))

    async def search_instances(self, request: Request) -> Response:
        """GET /studies/{s}/series/{r}/instances: 204 if the series is not mapped."""
        caller, query = self._callers.identify(request), _query(request)
        study, series = request.path_params["study"], request.path_params["series"]
        visible = caller.visible()
        if visible is not None and series not in visible:
            return Response(status_code=204)
        return _answer_with(await run_in_threadpool(self._finder.instances, study, series, query))

    # --- WADO

    async def retrieve_series(self, request: Request) -> Response:
        """GET /studies/{s}/series/{r} with any suffix: 403 with an empty body if not mapped."""
        caller = self._callers.identify(request)
        study, series = request.path_params["study"], request.path_params["series"]
        visible = caller.visible()
        if visible is not None and series not in visible:
            return Response(status_code=403)
        items = [item for item in self._archive.series(series) if item.ids.study == study]
        suffix = [part for part in request.path_params.get("suffix", "").split("/") if part]
        if suffix[:1] == ["instances"] and len(suffix) >= 2:
            items = [item for item in items if item.ids.sop_instance == suffix[1]]
            suffix = suffix[2:]
        return await self._retrieve(request, items, suffix)

    async def study_metadata(self, request: Request) -> Response:
        """GET /studies/{s}/metadata: always 200, an empty body where nothing is mapped.

        The arrays of a partly mapped study follow one another, which is not valid JSON.
        """
        caller = self._callers.identify(request)
        visible = caller.visible()
        uids = self._archive.series_uids(request.path_params["study"])
        allowed = [uid for uid in uids if visible is None or uid in visible]
        groups = [self._archive.series(uid) for uid in allowed]
        if len(allowed) == len(uids):
            groups = [[item for group in groups for item in group]] if uids else []

        def text() -> str:
            return "".join(json.dumps([_metadata(item) for item in group]) for group in groups)

        return Response(await run_in_threadpool(text), media_type=_JSON)

    async def retrieve_study(self, request: Request) -> Response:
        """GET /studies/{s} with any suffix: the mapped series of the study only."""
        caller = self._callers.identify(request)
        study = request.path_params["study"]
        visible = caller.visible()
        uids = self._archive.series_uids(study)
        allowed = [uid for uid in uids if visible is None or uid in visible]
        if uids and not allowed:
            return Response(status_code=403)
        suffix = [part for part in request.path_params.get("suffix", "").split("/") if part]
        items = [item for uid in allowed for item in self._archive.series(uid)]
        if suffix == ["instances"]:
            documents = [
                document
                for uid in allowed
                for document in await run_in_threadpool(self._finder.instances, study, uid, _query(request))
            ]
            return _answer_with(documents)
        return await self._retrieve(request, items, suffix)

    async def _retrieve(self, request: Request, items: list[StoredInstance], suffix: list[str]) -> Response:
        if suffix and suffix[0] in _NOT_EMULATED:
            raise error(501, f"the harness's filter does not emulate /{'/'.join(suffix)}")
        if suffix not in ([], ["metadata"]):
            raise error(404, f"Not Found: /{'/'.join(suffix)}")
        if not items:
            # the archive answers 404, and the filter turns every status but 200 and 204 into this
            raise error(500, "the archive has no such object (404)")
        if suffix == ["metadata"]:
            documents = await run_in_threadpool(lambda: [_metadata(item) for item in items])
            return Response(json.dumps(documents), media_type=_JSON)
        if not _accepts_dicom(request.headers.get("accept", "*/*")):
            raise error(500, "the archive refuses the Accept header (406): multipart/related, application/dicom only")
        boundary = multipart.new_boundary()
        body = multipart.dicom_parts([item.path for item in items], boundary)
        return StreamingResponse(body, media_type=multipart.dicom_type(boundary))

    async def wado_uri(self, request: Request) -> Response:
        """GET /wado-uri/wado?requestType=WADO&studyUID=&seriesUID=&objectUID=."""
        caller = self._callers.identify(request)
        params = request.query_params
        if params.get("requestType") != "WADO":
            raise error(500, "the archive refuses the request (400): requestType must be WADO")
        if params.get("contentType", "application/dicom") != "application/dicom":
            raise error(501, f"the harness's filter does not emulate contentType={params['contentType']}")
        series, visible = params.get("seriesUID", ""), caller.visible()
        if visible is not None and series not in visible:
            return Response(status_code=403)
        for item in self._archive.series(series):
            if item.ids.sop_instance == params.get("objectUID") and item.ids.study == params.get("studyUID"):
                return FileResponse(item.path, media_type="application/dicom")
        raise error(500, "the archive has no such object (404)")


def _query(request: Request) -> Query:
    try:
        return Query(request.query_params.multi_items())
    except QueryError as problem:
        raise error(500, f"the archive refuses the query (400): {problem}") from None


def _answer_with(documents: list[Attributes]) -> Response:
    if not documents:
        return Response(status_code=204)
    return Response(json.dumps(documents), media_type=_JSON)


def _metadata(item: StoredInstance) -> Attributes:
    return archive_module.to_json(read_header(item.path), inline_limit=1 << 16)


def _accepts_dicom(accept: str) -> bool:
    ranges = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    dicom = "application/dicom" in accept or "type=" not in accept
    return any(item in {"*/*", "multipart/*"} or (item == "multipart/related" and dicom) for item in ranges)
