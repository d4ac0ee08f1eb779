"""Which series belong to which project: the filter's mapping routes, and deletion (services 7)."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from harness.incluster.services.dicom.archive import Archive
from harness.incluster.services.dicom.dicomfile import is_uid
from harness.incluster.services.dicom.dicomweb.caller import Callers
from harness.incluster.services.dicom.mappings import Mappings
from harness.incluster.services.web import error


class MappingRoutes:
    """Maps, unmaps, lists and deletes series."""

    def __init__(self, callers: Callers, archive: Archive, mappings: Mappings) -> None:
        self._callers = callers
        self._archive = archive
        self._mappings = mappings

    async def put_series(self, request: Request) -> Response:
        """PUT /data/{r}?study_uid=&description=."""
        self._callers.identify(request)
        series, params = request.path_params["series"], request.query_params
        study = params.get("study_uid")
        if not is_uid(series) or not is_uid(study):
            raise error(422, "series and study_uid must be UIDs")
        row = self._mappings.add_series(series, str(study), params.get("description"))
        return JSONResponse(row) if row else Response("Series already exists", media_type="text/plain")

    async def map_series(self, request: Request) -> Response:
        """PUT /projects/{pid}/data/{r}: 200 in any case, as a missing row is the same integrity error."""
        self._callers.identify(request)
        series, project = request.path_params["series"], request.path_params["project"]
        if not self._mappings.map(series, project):
            return Response("Mapping already exists", media_type="text/plain")
        return JSONResponse({"series_instance_uid": series, "project_id": project})

    async def unmap_series(self, request: Request) -> Response:
        """DELETE /projects/{pid}/data/{r}: 200 null; an unknown mapping is a 500."""
        self._callers.identify(request)
        series, project = request.path_params["series"], request.path_params["project"]
        if not self._mappings.unmap(series, project):
            raise error(500, f"series {series} is not mapped to project {project}")
        return JSONResponse(None)

    async def project_series(self, request: Request) -> Response:
        """GET /projects/{pid}/data."""
        self._callers.identify(request)
        return JSONResponse(self._mappings.rows(request.path_params["project"]))

    async def series_projects(self, request: Request) -> Response:
        """GET /data/{r}/projects."""
        self._callers.identify(request)
        return JSONResponse(self._mappings.projects(request.path_params["series"]))

    async def overview(self, request: Request) -> Response:
        """GET /data/overview."""
        self._callers.identify(request)
        return JSONResponse(self._mappings.overview())

    async def delete_study(self, request: Request) -> Response:
        """DELETE /projects/{pid}/studies/{s}: unmap; series without a project leave the archive."""
        caller, project = self._callers.identify(request), request.path_params["project"]
        if project not in caller.projects:
            return Response(status_code=403)
        for series in self._archive.series_uids(request.path_params["study"]):
            if project in self._mappings.projects(series):
                await run_in_threadpool(self._drop, series, project)
        return JSONResponse(None)

    async def delete_series(self, request: Request) -> Response:
        """DELETE /projects/{pid}/studies/{s}/series/{r}: 403 if not mapped."""
        caller, project = self._callers.identify(request), request.path_params["project"]
        series = request.path_params["series"]
        if project not in caller.projects or project not in self._mappings.projects(series):
            return Response(status_code=403)
        await run_in_threadpool(self._drop, series, project)
        return JSONResponse(None)

    def _drop(self, series: str, project: str) -> None:
        self._mappings.unmap(series, project)
        if not self._mappings.projects(series):
            self._archive.remove([series])
