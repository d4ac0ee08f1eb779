"""An enhanced MR image: all slices in one file, their places in functional groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage

from tests.incluster.programs.program_runs import SERIES, slice_file


def write_enhanced(path: Path, places: Sequence[float], *, uid: str = SERIES) -> None:
    """Write frames at these positions along z, in this order; the value of a frame is its place."""
    values = np.stack([np.full((16, 20), round(place)) for place in places]).astype(np.int16)
    slice_file(path, values[0], 0.0, uid=uid)
    dataset = pydicom.dcmread(path)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(dataset, name)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    dataset.NumberOfFrames, dataset.PixelData = len(places), values.tobytes()
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1.0, 1.5], 3
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for place in places:
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [-10, -20, place]
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.save_as(path)
