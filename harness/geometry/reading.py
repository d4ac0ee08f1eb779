"""Judge the files of one series, as the programs in the images need it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

from harness.geometry.facts import KEYWORDS, facts_of
from harness.geometry.judgement import Judgement, judge


def judge_files(files: Iterable[Path | str]) -> Judgement | None:
    """Judge the files of one series; ``None`` if one of them is not a DICOM image or there is no file.

    Readers of such a file report its problem themselves.
    """
    import pydicom

    images = []
    for path in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS))
                images.append(facts_of(dataset, Path(path).name))
        except Exception:  # a parser on foreign bytes raises nearly anything
            return None
    return judge(images) if images else None
