"""The dicom-web-filter: DICOMweb with project filtering, and the mapping routes (services 7)."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from harness.services import archive as archive_module
from harness.services import multipart
from harness.services.archive import Archive, Attributes, Instance
from harness.services.config import Config
from harness.services.dicomfile import DicomError, identifiers, is_uid, scan
from harness.services.identity import Identity, bearer
from harness.services.jwt import TokenError
from harness.services.mappings import Mappings
from harness.services.qido import Finder, Query, QueryError
from harness.services.state import Directory
from harness.services.web import error

_JSON = "application/dicom+json"
_NOT_EMULATED = frozenset({"rendered", "thumbnail", "frames", "bulkdata", "pixeldata"})


class Caller:
    """Who asks: the token's projects, and whether a realm admin (who sees everything)."""

    def __init__(self, claims: dict[str, Any], mappings: Mappings) -> None:
        self.admin = "admin" in claims.get("realm_access", {}).get("roles", [])
        projects = claims.get("projects")
        if projects is None:
            raise error(500, "the token has no claim 'projects'")
        self.projects = [str(project["id"]) for project in projects]
        self._mappings = mappings

    def mapped(self) -> set[str]:
        """Series of the caller's projects."""
        return self._mappings.visible(self.projects)

    def visible(self) -> set[str] | None:
        """Series that the caller may see, None for all."""
        return None if self.admin else self.mapped()


class DicomWebFilter:
    """Routes of the filter."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        directory: Directory,
        archive: Archive,
        mappings: Mappings,
        base_url: str,
    ) -> None:
        self._config = config
        self._identity = identity
        self._directory = directory
        self._archive = archive
        self._mappings = mappings
        self._finder = Finder(archive, base_url)
        # as built, raising inside the middleware turns the intended 403 into a 500
        self._no_token_status = 403 if config.as_documented else 500

    def _caller(self, request: Request) -> Caller:
        token = bearer(request, forwarded=True)
        if token is None:
            raise error(self._no_token_status, "neither Authorization: Bearer nor x-forwarded-access-token was sent")
        try:
            claims = self._identity.verify(token)
        except TokenError as problem:
            raise error(self._no_token_status, str(problem)) from None
        return Caller(claims, self._mappings)

    # --- QIDO

    async def search_studies(self, request: Request) -> Response:
        """GET /studies: 204 when nothing is found."""
        caller, query = self._caller(request), _query(request)
        return _found(await run_in_threadpool(self._finder.studies, query, caller.visible()))

    async def search_series(self, request: Request) -> Response:
        """GET /studies/{s}/series."""
        caller, query = self._caller(request), _query(request)
        study = request.path_params["study"]
        return _found(await run_in_threadpool(self._finder.series, study, query, caller.visible()))

    async def slim_series(self, request: Request) -> Response:
        """GET /series?StudyInstanceUID=: always filtered by project, even for admins."""
        caller, query = self._caller(request), _query(request)
        study = request.query_params.get("StudyInstanceUID")
        if not study:
            return JSONResponse({"error": "StudyInstanceUID parameter is required"}, 400)
        return _found(await run_in_threadpool(self._finder.series, study, query, caller.mapped()))

    async def search_instances(self, request: Request) -> Response:
        """GET /studies/{s}/series/{r}/instances: 204 if the series is not mapped."""
        caller, query = self._caller(request), _query(request)
        study, series = request.path_params["study"], request.path_params["series"]
        visible = caller.visible()
        if visible is not None and series not in visible:
            return Response(status_code=204)
        return _found(await run_in_threadpool(self._finder.instances, study, series, query))

    # --- WADO

    async def retrieve_series(self, request: Request) -> Response:
        """GET /studies/{s}/series/{r} with any suffix: 403 with an empty body if not mapped."""
        caller = self._caller(request)
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

    async def retrieve_study(self, request: Request) -> Response:
        """GET /studies/{s} with any suffix: the mapped series of the study only."""
        caller = self._caller(request)
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
            return _found(documents)
        return await self._retrieve(request, items, suffix)

    async def _retrieve(self, request: Request, items: list[Instance], suffix: list[str]) -> Response:
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
        caller = self._caller(request)
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

    # --- STOW

    async def store(self, request: Request) -> Response:
        """POST /studies: archives, and maps the series to the admin project only."""
        self._caller(request)
        given = request.query_params.get("clinical_trial_protocol_info")
        if given is None:
            raise error(422, "the query parameter clinical_trial_protocol_info is required")
        try:
            info = json.loads(given)
            studies = {str(series): str(entry["study_instance_uid"]) for series, entry in info.items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise error(500, "clinical_trial_protocol_info must map series UIDs to {study_instance_uid}") from None
        if not all(is_uid(uid) for pair in studies.items() for uid in pair):
            raise error(500, "clinical_trial_protocol_info holds something that is not a UID")
        folder = Path(tempfile.mkdtemp(dir=self._config.data_dir, prefix="stow-"))
        try:
            paths = await multipart.receive_parts(request, folder, self._config.limits)
            await run_in_threadpool(self._archive_all, paths, request.path_params.get("study"))
        finally:
            await run_in_threadpool(shutil.rmtree, folder, True)
        for series, study in studies.items():
            self._mappings.add_series(series, study)
            self._mappings.map(series, self._directory.admin.id)
        return Response(status_code=200)

    def _archive_all(self, paths: list[Path], study: str | None) -> None:
        for number, path in enumerate(paths, 1):
            try:
                if study is not None and identifiers(path, scan(path)).study != study:
                    raise DicomError(f"the object is not of study {study}")
                self._archive.store(path)
            except DicomError as problem:
                raise error(500, f"the archive refuses part {number} of {len(paths)} (409): {problem}") from None

    # --- mapping

    async def put_series(self, request: Request) -> Response:
        """PUT /data/{r}?study_uid=&description=."""
        self._caller(request)
        series, params = request.path_params["series"], request.query_params
        study = params.get("study_uid")
        if not is_uid(series) or not is_uid(study):
            raise error(422, "series and study_uid must be UIDs")
        row = self._mappings.add_series(series, str(study), params.get("description"))
        return JSONResponse(row) if row else Response("Series already exists", media_type="text/plain")

    async def map_series(self, request: Request) -> Response:
        """PUT /projects/{pid}/data/{r}: 200 in any case, as a missing row is the same integrity error."""
        self._caller(request)
        series, project = request.path_params["series"], request.path_params["project"]
        if not self._mappings.map(series, project):
            return Response("Mapping already exists", media_type="text/plain")
        return JSONResponse({"series_instance_uid": series, "project_id": project})

    async def unmap_series(self, request: Request) -> Response:
        """DELETE /projects/{pid}/data/{r}: 200 null; an unknown mapping is a 500."""
        self._caller(request)
        series, project = request.path_params["series"], request.path_params["project"]
        if not self._mappings.unmap(series, project):
            raise error(500, f"series {series} is not mapped to project {project}")
        return JSONResponse(None)

    async def project_series(self, request: Request) -> Response:
        """GET /projects/{pid}/data."""
        self._caller(request)
        return JSONResponse(self._mappings.rows(request.path_params["project"]))

    async def series_projects(self, request: Request) -> Response:
        """GET /data/{r}/projects."""
        self._caller(request)
        return JSONResponse(self._mappings.projects(request.path_params["series"]))

    async def overview(self, request: Request) -> Response:
        """GET /data/overview."""
        self._caller(request)
        return JSONResponse(self._mappings.overview())

    # --- deletion

    async def delete_study(self, request: Request) -> Response:
        """DELETE /projects/{pid}/studies/{s}: unmap; what has no project left leaves the archive."""
        caller, project = self._caller(request), request.path_params["project"]
        if project not in caller.projects:
            return Response(status_code=403)
        for series in self._archive.series_uids(request.path_params["study"]):
            if project in self._mappings.projects(series):
                await run_in_threadpool(self._drop, series, project)
        return JSONResponse(None)

    async def delete_series(self, request: Request) -> Response:
        """DELETE /projects/{pid}/studies/{s}/series/{r}: 403 if not mapped."""
        caller, project = self._caller(request), request.path_params["project"]
        series = request.path_params["series"]
        if project not in caller.projects or project not in self._mappings.projects(series):
            return Response(status_code=403)
        await run_in_threadpool(self._drop, series, project)
        return JSONResponse(None)

    def _drop(self, series: str, project: str) -> None:
        self._mappings.unmap(series, project)
        if not self._mappings.projects(series):
            self._archive.remove([series])

    def routes(self) -> list[Route]:
        """All paths, without the prefix ``/dicom-web-filter``; the catch-alls come last."""
        series = "/studies/{study}/series/{series}"
        return [
            Route("/studies", self.search_studies, methods=["GET"]),
            Route("/studies", self.store, methods=["POST"]),
            Route("/series", self.slim_series),
            Route("/wado-uri/wado", self.wado_uri),
            Route("/data/overview", self.overview),
            Route("/data/{series}", self.put_series, methods=["PUT"]),
            Route("/data/{series}/projects", self.series_projects),
            Route("/projects/{project}/data", self.project_series),
            Route("/projects/{project}/data/{series}", self.map_series, methods=["PUT"]),
            Route("/projects/{project}/data/{series}", self.unmap_series, methods=["DELETE"]),
            Route("/projects/{project}/studies/{study}", self.delete_study, methods=["DELETE"]),
            Route("/projects/{project}/studies/{study}/series/{series}", self.delete_series, methods=["DELETE"]),
            Route("/studies/{study}/series", self.search_series),
            Route(f"{series}/instances", self.search_instances),
            Route(series, self.retrieve_series),
            Route(f"{series}/{{suffix:path}}", self.retrieve_series),
            Route("/studies/{study}", self.retrieve_study, methods=["GET"]),
            Route("/studies/{study}", self.store, methods=["POST"]),
            Route("/studies/{study}/{suffix:path}", self.retrieve_study),
        ]


def _query(request: Request) -> Query:
    try:
        return Query(request.query_params.multi_items())
    except QueryError as problem:
        raise error(500, f"the archive refuses the query (400): {problem}") from None


def _found(documents: list[Attributes]) -> Response:
    if not documents:
        return Response(status_code=204)
    return Response(json.dumps(documents), media_type=_JSON)


def _metadata(item: Instance) -> Attributes:
    import pydicom

    dataset = pydicom.dcmread(item.path, defer_size=1 << 16, stop_before_pixels=True)
    return archive_module.to_json(dataset, inline_limit=1 << 16)


def _accepts_dicom(accept: str) -> bool:
    ranges = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    dicom = "application/dicom" in accept or "type=" not in accept
    return any(item in {"*/*", "multipart/*"} or (item == "multipart/related" and dicom) for item in ranges)
