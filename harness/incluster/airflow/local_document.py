"""The metadata document of a DICOM file for LocalDcm2JsonOperator (operators 6.7): that of the ingestion."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from harness.incluster.services.search.document import read, series_document


def document_of(path: Path, project: str) -> dict[str, Any]:
    """Return the document; dataset and project are the texts after ``kp-`` in the file, or time and ``project``.

    Raises:
        DocumentError: the file cannot be read, or has no modality.
    """
    dataset = read(path)
    now = datetime.datetime.now(datetime.timezone.utc)
    texts = {}
    for name, otherwise in (
        ("ClinicalTrialSponsorName", f"{now:%y-%m-%d-%H:%M:%S%f}"),
        ("ClinicalTrialProtocolID", project),
    ):
        value = str(dataset.get(name, "") or "")
        texts[name] = value.partition("kp-")[2] if "kp-" in value else otherwise
    document = series_document(
        dataset, dataset_name=texts["ClinicalTrialSponsorName"], project=texts["ClinicalTrialProtocolID"], now=now
    )
    # the index has another name for it, which Json2Meta gives it (operators 6.8)
    document["predicted_bodypart_string"] = document.pop("00000000 PredictedBodypart_keyword")
    return document
