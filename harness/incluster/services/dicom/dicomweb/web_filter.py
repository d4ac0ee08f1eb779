"""The routes of the filter, in the order of matching."""

from __future__ import annotations

from starlette.routing import Route

from harness.incluster.services.access.directory import Directory
from harness.incluster.services.config import ServicesConfig
from harness.incluster.services.dicom.archive import Archive
from harness.incluster.services.dicom.dicomweb.caller import Callers
from harness.incluster.services.dicom.dicomweb.mapping import MappingRoutes
from harness.incluster.services.dicom.dicomweb.retrieve import RetrieveRoutes
from harness.incluster.services.dicom.dicomweb.store import StoreRoutes
from harness.incluster.services.dicom.mappings import Mappings
from harness.incluster.services.identity.routes import Identity


class DicomWebFilter:
    """Routes of the filter."""

    def __init__(
        self,
        config: ServicesConfig,
        identity: Identity,
        directory: Directory,
        archive: Archive,
        mappings: Mappings,
        base_url: str,
    ) -> None:
        callers = Callers(identity, mappings, as_documented=config.as_documented)
        self._retrieval = RetrieveRoutes(callers, archive, base_url)
        self._storing = StoreRoutes(config, callers, directory, archive, mappings)
        self._mapping = MappingRoutes(callers, archive, mappings)

    def routes(self) -> list[Route]:
        """Return all paths, without the prefix ``/dicom-web-filter``; the catch-alls come last."""
        retrieval, storing, mapping = self._retrieval, self._storing, self._mapping
        series = "/studies/{study}/series/{series}"
        return [
            Route("/studies", retrieval.search_studies, methods=["GET"]),
            Route("/studies", storing.store, methods=["POST"]),
            Route("/series", retrieval.slim_series),
            Route("/wado-uri/wado", retrieval.wado_uri),
            Route("/data/overview", mapping.overview),
            Route("/data/{series}", mapping.put_series, methods=["PUT"]),
            Route("/data/{series}/projects", mapping.series_projects),
            Route("/projects/{project}/data", mapping.project_series),
            Route("/projects/{project}/data/{series}", mapping.map_series, methods=["PUT"]),
            Route("/projects/{project}/data/{series}", mapping.unmap_series, methods=["DELETE"]),
            Route("/projects/{project}/studies/{study}", mapping.delete_study, methods=["DELETE"]),
            Route("/projects/{project}/studies/{study}/series/{series}", mapping.delete_series, methods=["DELETE"]),
            Route("/studies/{study}/series", retrieval.search_series),
            Route(f"{series}/instances", retrieval.search_instances),
            Route(series, retrieval.retrieve_series),
            Route(f"{series}/{{suffix:path}}", retrieval.retrieve_series),
            Route("/studies/{study}", retrieval.retrieve_study, methods=["GET"]),
            Route("/studies/{study}", storing.store, methods=["POST"]),
            Route("/studies/{study}/metadata", retrieval.study_metadata),
            Route("/studies/{study}/{suffix:path}", retrieval.retrieve_study),
        ]
