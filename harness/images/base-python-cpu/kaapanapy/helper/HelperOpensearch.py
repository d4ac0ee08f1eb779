# ruff: noqa: N999  (the platform names its modules after their classes)
"""Queries on the metadata of series (services 4.2, 11; operators 2.5)."""

from kaapanapy.helper import get_opensearch_client

_PAGE = 10000


class DicomTags:
    """Field names of the index."""

    study_uid_tag = "0020000D StudyInstanceUID_keyword"
    series_uid_tag = "0020000E SeriesInstanceUID_keyword"
    SOPInstanceUID_tag = "00080018 SOPInstanceUID_keyword"
    modality_tag = "00080060 Modality_keyword"
    curated_modality_tag = "00000000 CuratedModality_keyword"
    dcmweb_endpoint_tag = "00020026 SourcePresentationAddress_keyword"
    custom_tag = "00000000 Tags_keyword"
    protocol_name = "00181030 ProtocolName_keyword"
    clinical_trial_protocol_id_tag = "00120020 ClinicalTrialProtocolID_keyword"
    is_series_complete_tag = "00000000 IsSeriesComplete_boolean"
    min_instance_number_tag = "00000000 MinInstanceNumber_integer"
    max_instance_number_tag = "00000000 MaxInstanceNumber_integer"
    missing_instance_numbers_tag = "00000000 MissingInstanceNumbers_integer"
    thumbnail_instance_uid_tag = "00000000 ThumbnailInstanceUID_keyword"


class HelperOpensearch:
    """Searches with the rights of the project's user; ``os_client`` is the client itself."""

    def __init__(self):
        self.os_client = get_opensearch_client()

    def execute_opensearch_query(self, index, query=None, source=None, sort=None, scroll=False):
        """Return all hits of a query, page by page, by descending SeriesInstanceUID unless ``sort`` is given."""
        sort = sort or [{f"{DicomTags.series_uid_tag}.keyword": "desc"}]
        body = {"query": query or {"match_all": {}}, "size": _PAGE, "sort": sort}
        if source is not None and source != {}:
            body["_source"] = source
        hits = []
        while True:
            page = self.os_client.search(index=index, body=body)["hits"]["hits"]
            hits += page
            if len(page) < _PAGE:
                return hits
            body["search_after"] = page[-1]["sort"]

    def get_query_dataset(self, query, index, only_uids=False, include_custom_tag="", exclude_custom_tag=""):
        """Return the hits of a query, or with ``only_uids`` their ids, cut to series with and without a user's tag."""
        must, must_not = [query], []
        if include_custom_tag:
            must.append({"term": {f"{DicomTags.custom_tag}.keyword": include_custom_tag}})
        if exclude_custom_tag:
            must_not.append({"term": {f"{DicomTags.custom_tag}.keyword": exclude_custom_tag}})
        fields = [
            DicomTags.study_uid_tag,
            DicomTags.series_uid_tag,
            DicomTags.SOPInstanceUID_tag,
            DicomTags.modality_tag,
            DicomTags.curated_modality_tag,
            DicomTags.dcmweb_endpoint_tag,
            DicomTags.protocol_name,
        ]
        hits = self.execute_opensearch_query(
            index,
            {"bool": {"must": must, "must_not": must_not}},
            False if only_uids else {"includes": fields},
        )
        return [hit["_id"] for hit in hits] if only_uids else hits

    def get_dcm_uid_objects(self, index, series_instance_uids, include_custom_tag="", exclude_custom_tag=""):
        """Return study, series and modality of known series, without ids that the index does not have.

        Raises:
            KeyError: a document lacks study, series, modality or curated modality.
        """
        hits = self.get_query_dataset(
            {"ids": {"values": series_instance_uids}},
            index,
            include_custom_tag=include_custom_tag,
            exclude_custom_tag=exclude_custom_tag,
        )
        return [
            {
                "dcm-uid": {
                    "study-uid": hit["_source"][DicomTags.study_uid_tag],
                    "series-uid": hit["_source"][DicomTags.series_uid_tag],
                    "modality": hit["_source"][DicomTags.modality_tag],
                    "curated_modality": hit["_source"][DicomTags.curated_modality_tag],
                    "source_presentation_address": hit["_source"].get(DicomTags.dcmweb_endpoint_tag),
                }
            }
            for hit in hits
        ]
