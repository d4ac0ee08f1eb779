"""Measure the time and size of a run's report: ``python -m benchmarks.reports RUN_DIR`` writes one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from PIL import Image
from pydicom.sr.codedict import codes

from benchmarks.figures import Figure
from harness.data import Series, brain_mr, read_input
from harness.run import course, evidence
from harness.run.course import TaskCourse
from harness.run.outputs import SentObject, SentObjects
from harness.run.results import Run, TaskResult
from harness.wire.dicom import SEGMENTATION_STORAGE

TASKS, SLICES, SIDE = 20, 100, 512
# of 255 grey levels, as in images of a clinic
_NOISE = 4.0


def report(folder: Path, rounds: int) -> list[Figure]:
    """The report of 20 tasks, and the same with a SEG on 100 slices of 512 x 512, each by a process of its own."""
    plain, pictured = folder / "plain", folder / "pictured"
    _make_run(plain, None, [])
    series = _source(folder / "source")
    _make_run(pictured, _segmentation(series, folder / "seg.dcm"), [series])
    sizes = []
    with_pictures = []
    for _ in range(rounds):
        with_pictures.append(_timed(pictured))
        sizes.append((pictured / "report.html").stat().st_size / 1e6)
    return [
        Figure("report of 20 tasks without pictures", [_timed(plain) for _ in range(rounds)], "s", "<= 1 s"),
        Figure("the same with a SEG on 100 slices of 512 x 512", with_pictures, "s", "<= 3 s"),
        Figure("size of that report", sizes, "MB", "<= 5 MB"),
    ]


def _timed(run: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.reports", str(run)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _make_run(folder: Path, segmentation: Path | None, sources: list[Series]) -> None:
    (folder / "logs").mkdir(parents=True)
    tasks, went = [], []
    for number in range(TASKS):
        name = f"task-{number}"
        (folder / "logs" / f"{name}.log").write_text("".join(f"line {line} of {name}\n" for line in range(500)))
        log = f"logs/{name}.log"
        tasks.append(TaskResult(name, "KaapanaBaseOperator", "success", seconds=3.0, log_path=log, directory=folder))
        moments = [f"2026-11-24T20:{number:02}:{second:02}+00:00" for second in (0, 1, 3, 30, 31)]
        went.append(TaskCourse(name, (f"task-{number - 1}",) if number else (), *moments))
    sent = []
    if segmentation is not None:
        (folder / "sent").mkdir()
        (folder / "sent/1.dcm").write_bytes(segmentation.read_bytes())
        sent.append(SentObject("sent/1.dcm", SEGMENTATION_STORAGE, "1.2.1", "1.2", "bench", "bench", folder))
    run = Run(
        dag_id="bench",
        run_id="bench-1",
        state="success",
        platform="documented",
        cluster="docker",
        form={},
        started=went[0].queued or "",
        seconds=1200.0,
        tasks=tuple(tasks),
        sent=SentObjects(sent),
        objects=(),
        findings=(),
        cause=None,
        directory=folder,
    )
    evidence.write(run)
    course.write(folder, course.Course(tuple(went), course.make_course([], sources, None, {}).input))


def _source(folder: Path) -> Series:
    """Write the brain as 100 slices of 512 x 512 with noise."""
    folder.mkdir()
    brain, rng = brain_mr(), np.random.default_rng(1)
    for index in range(SLICES):
        dataset = pydicom.dcmread(brain.files[index * len(brain.files) // SLICES])
        pixels = _enlarged(dataset.pixel_array.astype(np.float32)) + rng.normal(0, _NOISE, (SIDE, SIDE))
        dataset.PixelData = np.clip(pixels, 0, 4095).astype(np.uint16).tobytes()
        dataset.Rows = dataset.Columns = SIDE
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{index + 1}"
        dataset.SeriesInstanceUID, dataset.InstanceNumber = "1.2.3.4", index + 1
        dataset.PixelSpacing = [0.5, 0.5]
        dataset.ImagePositionPatient = [-128.0, -128.0, 2.0 * index]
        dataset.save_as(folder / f"{index}.dcm")
    return read_input(folder)[0]


def _segmentation(series: Series, path: Path) -> Path:
    images = [pydicom.dcmread(file) for file in series.files]
    volume = np.stack([image.pixel_array for image in images])
    algorithm = hd.AlgorithmIdentificationSequence("bench", codes.DCM.ArtificialIntelligence, "1")
    automatic = hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC
    segments = [
        hd.seg.SegmentDescription(number, label, codes.SCT.Organ, codes.SCT.Brain, automatic, algorithm)
        for number, label in enumerate(("dark", "bright"), 1)
    ]
    masks: Any = np.stack([(volume > 40) & (volume <= 150), volume > 150], axis=-1).astype(np.uint8)
    binary = hd.seg.SegmentationTypeValues.BINARY
    dataset = hd.seg.Segmentation(images, masks, binary, segments, "1.2.5", 300, "1.2.5.1", 1, "h", "b", "1", "0")
    dataset.save_as(path)
    return path


def _enlarged(pixels: Any) -> Any:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _write(directory: Path) -> float:
    """Return the seconds of a report, what it has to import included."""
    run = evidence.read(directory)
    clock = time.monotonic()
    from harness.report import write

    write(run)
    return time.monotonic() - clock


if __name__ == "__main__":
    print(_write(Path(sys.argv[1])))
