"""Masks to DICOM SEG objects (operators 4.3). The program of Itk2DcmSegOperator; others of the image are called.

The conversion is dcmqi's ``itkimage2segimage``; this module writes the metadata document it reads and amends
its result as the platform's container does.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.geometry.reading import judge_files
from harness.incluster.programs import mask_findings, mask_problems
from harness.incluster.programs.common import ProgramError, RunFolder, flag, notice, require, say
from harness.incluster.programs.dcmqi_tools import cause_of, executable
from harness.incluster.programs.segment_metadata import (
    SegmentationMetadata,
    colour,
    colour_of,
    document,
    read_seg_info,
    segment,
    uses_custom_code,
)

_EXTENSIONS = (".nii", ".nii.gz", ".nrrd")
_COMMAND = "itkimage2segimage"
_OTHERS = {
    "segimage2itkimage": "harness.incluster.programs.dcmseg2itk",
    "tid1500writer": "harness.incluster.programs.json2dcmsr",
}


def _masks(folder: Path) -> list[Path]:
    """Return the mask files of a folder, not of folders below it: first ``.nii``, then ``.nii.gz``, then ``.nrrd``."""
    return [path for extension in _EXTENSIONS for path in sorted(folder.glob(f"*{extension}"))]


def _root_name(mask: Path) -> str:
    """Return the file name up to its extension."""
    for extension in (".nii.gz", ".nii", ".nrrd"):
        if mask.name.endswith(extension):
            return mask.name[: -len(extension)]
    return mask.name


class Converter:
    """One run of the program: its parameters, and what sticks from one element to the next."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.source = require("OPERATOR_IN_DIR")
        self.masks = require("OPERATOR_IMAGE_LIST_INPUT_DIR")
        self.output = require("OPERATOR_OUT_DIR")
        self.author = SegmentationMetadata.from_environment()
        self.multi = os.environ.get("INPUT_TYPE", "single_label_segs") == "multi_label_seg"
        if not self.multi and os.environ.get("INPUT_TYPE", "single_label_segs") != "single_label_segs":
            wrong = os.environ["INPUT_TYPE"]
            raise ProgramError(f"INPUT_TYPE is {wrong!r}, expected single_label_segs or multi_label_seg")
        self.single_label = os.environ.get("SINGLE_LABEL_SEG_INFO", "")
        if not self.multi and not self.single_label:
            raise ProgramError("SINGLE_LABEL_SEG_INFO is empty: give single_label_seg_info a name or from_file_name")
        self.combine = flag("CREATE_MULIT_LABEL_DCM_FROM_SINGLE_LABEL_SEGS")
        self.seg_info = os.environ.get("MULTI_LABEL_SEG_INFO_JSON") or "seg_info.json"
        # the platform's program uses it unchanged: blanks and umlauts work, a slash makes it a path
        self.multi_name = (os.environ.get("MULTI_LABEL_SEG_NAME") or "multi-label").lower()
        self.skip = "1" if flag("SKIP_EMPTY_SLICES") else "0"
        self.must_find = flag("FAIL_ON_NO_SEGMENTATION_FOUND", "True")
        self.body_part = ""
        self.program = executable(_COMMAND)

    def element(self, element: Path) -> bool:
        """Convert one element; False when it has no mask and that is allowed."""
        masks_folder = self.run.inside(self.run.batch, element.name, self.masks)
        output = self.run.inside(self.run.batch, element.name, self.output)
        source = self.run.inside(self.run.batch, element.name, self.source)
        output.mkdir(parents=True, exist_ok=True)
        masks = _masks(masks_folder)
        if not masks:
            text = f"{element.name}: no mask (*{', *'.join(_EXTENSIONS)}) in {self.run.relative(masks_folder)}"
            if self.must_find:
                raise ProgramError(text)
            say(f"{text}, skipped")
            return False
        if self.multi:
            self._multi_label(masks, masks_folder, source, output)
        else:
            self._single_labels(masks, masks_folder, source, output)
        return True

    def _single_labels(self, masks: list[Path], folder: Path, source: Path, output: Path) -> None:
        combined = []
        for mask in masks:
            root = _root_name(mask)
            label = (root if self.single_label == "from_file_name" else self.single_label).lower()
            attributes = [segment(self.author, 1, label, shown="", rgb=colour_of(label))]
            self._convert([mask], folder / f"{root}.json", [attributes], source, output / f"{root}.dcm")
            combined.append(attributes)
        if self.combine:
            notice("fails-on-platform", "this release of the platform fails after the first combined SEG")
            self._convert(masks, self._multi(folder, ".json"), combined, source, self._multi(output, ".dcm"))

    def _multi_label(self, masks: list[Path], folder: Path, source: Path, output: Path) -> None:
        info = self.run.inside(self.run.relative(folder), self.seg_info)
        labels, algorithm, body_part = read_seg_info(info)
        if algorithm:  # as on the platform, it then holds for all following elements
            description = f"{self.author.algorithm_name}-{algorithm}"
            self.author = replace(self.author, series_description=description)
        self.body_part = body_part or self.body_part
        of = max((place for _, _, place in labels), default=0) + 1
        attributes = [
            segment(self.author, value, name, shown=name, rgb=colour(place, of)) for value, name, place in labels
        ]
        self._convert(masks, self._multi(folder, ".json"), [attributes], source, self._multi(output, ".dcm"))

    def _multi(self, folder: Path, extension: str) -> Path:
        """Return the path of a file that is named by ``multi_label_seg_name``."""
        path = self.run.inside(self.run.relative(folder), f"{self.multi_name}{extension}")
        if not path.parent.is_dir():
            where = self.run.relative(path.parent)
            raise ProgramError(f"multi_label_seg_name {self.multi_name!r} is a path, and there is no folder {where}")
        return path

    def _convert(
        self, masks: list[Path], meta: Path, segments: list[list[dict[str, Any]]], source: Path, target: Path
    ) -> None:
        """Write the metadata document unless there is one of that name, run dcmqi, amend its result."""
        if meta.exists():
            text = f"{self.run.relative(meta)} exists already and is used unchanged as dcmqi's metadata"
            notice("old-metadata-used", text)
        else:
            text = json.dumps(document(self.author, segments, self.body_part), indent=2)
            meta.write_text(text, "utf-8")
        for entry in (entry for entries in segments for entry in entries):
            label = entry["SegmentedPropertyTypeCodeSequence"]["CodeMeaning"]
            if uses_custom_code(label):
                notice("custom-segment-code", f"{label!r} is not a term of the code table, its code is the custom one")
        start = time.monotonic()
        command = [self.program, "--skip", self.skip, "--inputImageList", ",".join(map(str, masks))]
        command += ["--inputMetadata", str(meta), "--outputDICOM", str(target)]
        command += ["--inputDICOMDirectory", str(source)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            import pydicom  # noqa: F401  (a second to import, while dcmqi works)

            output = process.communicate()[0].decode("utf-8", "replace")
        if process.returncode != 0 or not target.is_file():
            print(output, end="", flush=True)
            if cause := mask_problems.find_source_problem(source):
                raise ProgramError(f"dcmqi refuses the source series in {self.run.relative(source)}: {cause}")
            if "Invalid character" in output and (cause := mask_problems.find_label_problem(segments)):
                raise ProgramError(f"dcmqi refuses {', '.join(m.name for m in masks)}: {cause}")
            cause = mask_problems.find_mask_problem(masks, segments) or cause_of(output, process.returncode)
            raise ProgramError(f"dcmqi refuses {', '.join(m.name for m in masks)}: {cause}")
        judged = judge_files(sorted(source.glob("*.dcm*")))
        names = ", ".join(mask.name for mask in masks)
        described, beside = amend(target, source, self.body_part)
        if mask_findings.report(masks, segments, judged.grid if judged else None) and beside:
            notice("mask-beside-source", f"{names}: {beside}")
        seconds = time.monotonic() - start
        say(f"{target.parent.parent.name}: {names} -> {self.run.relative(target)}: {described} ({seconds:.1f} s)")


def amend(result: Path, source: Path, body_part: str) -> tuple[str, str]:
    """Set the tags of the result that the platform's container sets.

    Returns:
        The segments' labels as text, and the problem of the frames' positions, if any.

    ClinicalTrialProtocolID is that of the first source file, or ``internal``; BodyPartExamined is the task's
    or the source's.
    """
    import pydicom

    files = sorted(source.glob("*.dcm*"))
    if not files:
        raise ProgramError(f"no *.dcm file in the source series' folder {source}")
    wanted = ["ClinicalTrialProtocolID", "BodyPartExamined"]
    origin = pydicom.dcmread(files[0], stop_before_pixels=True, specific_tags=wanted)
    dataset = pydicom.dcmread(result)
    dataset.add_new(0x00120020, "LO", str(origin.get("ClinicalTrialProtocolID", "")) or "internal")
    if examined := body_part or str(origin.get("BodyPartExamined", "")):
        dataset.add_new(0x00180015, "LO", examined)
    dataset.save_as(result)
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    beside = [frame for frame in frames if not frame.get("DerivationImageSequence")]
    odd = ""
    if beside and len(beside) == len(frames):
        odd = "no slice of the mask is where a slice of the source series is"
    elif beside:
        where = ", ".join(f"{float(value):.4g}" for value in beside[0].PlanePositionSequence[0].ImagePositionPatient)
        odd = f"{len(beside)} of {len(frames)} frames lie where the source series has no slice, the first at ({where})"
    labels = [str(item.SegmentLabel) for item in dataset.SegmentSequence]
    return f"{len(labels)} segment(s): {', '.join(labels)}", odd


def main() -> None:
    """Convert element by element; the first that fails ends the program."""
    command = os.environ.get("DCMQI_COMMAND") or _COMMAND
    if command in _OTHERS:
        importlib.import_module(_OTHERS[command]).main()
        return
    if command != _COMMAND:
        raise ProgramError(f"DCMQI_COMMAND {command!r}: this image has {', '.join((_COMMAND, *_OTHERS))}")
    run = RunFolder.from_environment()
    converter = Converter(run)
    done = [element for element in run.elements() if converter.element(element)]
    if not done:
        raise ProgramError("no files processed: no element has a mask")
