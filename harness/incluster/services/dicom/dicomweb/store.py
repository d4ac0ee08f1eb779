"""STOW through the filter (services 7)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from harness.incluster.services.access.directory import Directory
from harness.incluster.services.config import ServicesConfig
from harness.incluster.services.dicom.archive import Archive
from harness.incluster.services.dicom.dicomfile import DicomError, identifiers, is_uid, scan
from harness.incluster.services.dicom.dicomweb import multipart
from harness.incluster.services.dicom.dicomweb.caller import Callers
from harness.incluster.services.dicom.mappings import Mappings
from harness.incluster.services.web import error
from harness.kube import jsontext


class StoreRoutes:
    """Takes objects in; they belong to the admin project."""

    def __init__(
        self, config: ServicesConfig, callers: Callers, directory: Directory, archive: Archive, mappings: Mappings
    ) -> None:
        self._config = config
        self._callers = callers
        self._directory = directory
        self._archive = archive
        self._mappings = mappings

    async def store(self, request: Request) -> Response:
        """POST /studies: archives, and maps the series to the admin project only."""
        self._callers.identify(request)
        given = request.query_params.get("clinical_trial_protocol_info")
        if given is None:
            raise error(422, "the query parameter clinical_trial_protocol_info is required")
        try:
            info = jsontext.parse(given)
            studies = {str(series): str(entry["study_instance_uid"]) for series, entry in info.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise error(500, "clinical_trial_protocol_info must map series UIDs to {study_instance_uid}") from None
        if not all(is_uid(uid) for pair in studies.items() for uid in pair):
            raise error(500, "clinical_trial_protocol_info holds something that is not a UID")
        folder = Path(tempfile.mkdtemp(dir=self._config.scratch, prefix="stow-"))
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
