"""Masks of single labels into one mask, or several labels into one (operators 5.1): MergeMasksOperator."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from harness.incluster.programs import mask_names
from harness.incluster.programs.common import (
    ProgramError,
    RunFolder,
    SkipTaskError,
    comma_list,
    read_json,
    require,
    say,
)

nib: Any = nibabel  # its functions are untyped


def _values(mask: Path) -> tuple[Any, Any]:
    """Return a mask as nibabel has it, and its voxels as int32."""
    image = nib.load(mask)
    return image, np.asarray(image.dataobj).astype(np.int32)


def _write_new(path: Path, content: Any) -> None:
    if path.exists():
        raise ProgramError(f"{path} exists already: the output of an earlier attempt has to go first")
    path.write_text(json.dumps(content, indent=4), "utf-8")


class MergedMask:
    """The mask that grows label by label."""

    def __init__(self) -> None:
        self.base: Any = None
        self.voxels: Any = None
        self.used: list[dict[str, Any]] = []

    def add(self, mask: Path, entry: dict[str, Any]) -> None:
        """Add one label, unless it overlaps or is empty: then print a message."""
        name, value = entry["label_name"], int(entry["label_int"])
        image, voxels = _values(mask)
        voxels[voxels == 1] = value  # masks of dcmqi carry their segment's number already
        if not voxels.any():
            say(f"{mask.name}: empty, label {name!r} is left out")
            return
        if self.base is None:
            self.base, self.voxels = image, voxels
        else:
            if voxels.shape != self.voxels.shape:
                raise ProgramError(f"{mask.name} has {voxels.shape} voxels, the masks before it {self.voxels.shape}")
            # a mask of dcmqi may carry the numbers of other segments beside its own
            if twice := sorted(set(np.unique(voxels[voxels != 0]).tolist()) & set(np.unique(self.voxels).tolist())):
                raise ProgramError(
                    f"{mask.name}: the value {twice[0]} of label {name!r} is in the combined mask already"
                )
            if overlap := int(np.count_nonzero((voxels != 0) & (self.voxels != 0))):
                say(f"error: {mask.name}: {overlap} voxel(s) overlap other labels, label {name!r} is left out")
                return
            self.voxels = np.maximum(self.voxels, voxels)
        self.used.append({**entry, "file_found": True})


def combine(folder: Path, output: Path, masks: list[Path]) -> str:
    """Combine the masks of one element; the order of the label list decides, a file is used once."""
    entries, _ = mask_names.label_list(folder)
    merged, left = MergedMask(), list(masks)
    for entry in entries:
        name = entry["label_name"]
        wanted = [mask_names.normalise(f"{entry['label_int']}{name}.nii.gz")]
        wanted.append(mask_names.normalise(f"{name}.nii.gz"))
        found = mask_names.select_containing(left, wanted)
        if len(found) != 1:
            which = ", ".join(mask.name for mask in found) or "no mask"
            say(f"warning: label {name!r} is left out: {which} fits, there must be exactly one")
            continue
        left.remove(found[0])
        merged.add(found[0], entry)
    if merged.base is None:
        raise ProgramError(f"{folder.parent.name}: none of the {len(entries)} label(s) has a usable mask")
    _write_new(output / "seg_info.json", {"seg_info": merged.used})
    # the header of the first mask decides about the type of the values on the disk
    nib.save(nib.Nifti1Image(merged.voxels, merged.base.affine, merged.base.header), output / "combined_masks.nii.gz")
    (output / "left_over_niftis.txt").write_text("".join(f"{mask.name}\n" for mask in left), "utf-8")
    largest = max(int(entry["label_int"]) for entry in merged.used)
    if largest > 255 and merged.base.get_data_dtype() == np.uint8:
        say(f"warning: label {largest} does not fit the type uint8 of the first mask, the values are stored scaled")
    return ", ".join(str(entry["label_name"]) for entry in merged.used)


def fuse(folder: Path, output: Path, masks: list[Path], wanted: list[str], new_name: str) -> str:
    """Make one label of several; all other masks are copied."""
    if mask_names.find_only_json(folder, "seg_info"):
        raise ProgramError("fusing needs the *-meta.json of the masks; with a seg_info file the platform's crashes")
    entries, meta_path = mask_names.label_list(folder)
    collected: list[tuple[Path, dict[str, Any]]] = []
    for label in wanted:
        found = mask_names.select_containing(masks, [f"{label}.nii.gz"])
        entry = next((e for e in entries if mask_names.normalise(e["label_name"]) == label), None)
        if not found or entry is None:
            say(f"warning: {'no mask' if not found else 'no entry'} for the label {label!r}, it and what follows stay")
            break
        collected.append((found[0], entry))
    fused_files = {mask for mask, _ in collected}
    for mask in masks:
        if mask not in fused_files:
            shutil.copy2(mask, output / mask.name)
    if not collected:
        return ""
    number = min(int(entry["label_int"]) for _, entry in collected)
    base, total = _values(collected[0][0])
    total = total != 0
    for mask, _ in collected[1:]:
        voxels = _values(mask)[1]
        if voxels.shape != total.shape:
            raise ProgramError(f"{mask.name} has {voxels.shape} voxels, the masks before it {total.shape}")
        total |= voxels != 0
    prefix = collected[0][0].name.partition("--")[0]
    values = np.where(total, number, 0).astype(np.int32)
    name = mask_names.mask_name(prefix, number, new_name, "nii.gz")
    nib.save(nib.Nifti1Image(values, base.affine, base.header), output / name)
    _describe(meta_path, folder, output, entries, wanted, number, new_name)
    return f"{', '.join(entry['label_name'] for _, entry in collected)} -> {new_name} ({number})"


def _describe(
    meta_path: Path,
    folder: Path,
    output: Path,
    entries: list[dict[str, Any]],
    wanted: list[str],
    number: int,
    name: str,
) -> None:
    """Write the two documents of the fused masks: dcmqi's with one segment for all, and the bare list of labels."""
    meta = read_json(meta_path)
    segments = mask_names.segments_of(meta, meta_path)
    gone = [s for s in segments if mask_names.normalise(str(s.get("SegmentLabel", ""))) in wanted]
    fused = copy.deepcopy(gone[0])
    fused["labelID"], fused["SegmentLabel"] = number, name
    for value in fused.values():
        if isinstance(value, dict) and "CodeMeaning" in value:
            value["CodeMeaning"] = name
    meta["segmentAttributes"] = [[s] for s in segments if not any(s is other for other in gone)] + [[fused]]
    first = sorted(folder.glob("*.json"))[0]
    (output / first.name).write_text(json.dumps(meta, indent=4), "utf-8")
    rest = [entry for entry in entries if mask_names.normalise(entry["label_name"]) not in wanted]
    _write_new(output / "seg_info.json", [*rest, {"label_name": name, "label_int": number}])


def main() -> None:
    """Combine or fuse element by element, by ``MODE``."""
    run = RunFolder.from_environment()
    mode = os.environ.get("MODE") or "combine"
    if mode not in ("combine", "fuse"):
        raise ProgramError(f"MODE is {mode!r}, expected combine or fuse")
    labels = os.environ.get(os.environ.get("FUSE_LABELS_KEY", ""), "")
    new_name = mask_names.normalise(os.environ.get(os.environ.get("FUSED_LABEL_NAME_KEY", ""), ""))
    wanted = [mask_names.normalise(label) for label in comma_list(labels)]
    done = processed = 0
    for element, folder, output in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        masks = sorted(folder.glob("*.nii.gz"))
        if not masks:
            raise ProgramError(f"{element.name}: no *.nii.gz in {run.relative(folder)}")
        processed += 1
        if mode == "fuse" and not (wanted and new_name):
            shutil.copytree(folder, output, dirs_exist_ok=True)
            continue
        result = fuse(folder, output, masks, wanted, new_name) if mode == "fuse" else combine(folder, output, masks)
        done += bool(result)
        say(f"{element.name}: {len(masks)} mask(s) -> {run.relative(output)}: {result or 'nothing'}")
    if mode == "fuse" and processed and not (wanted and new_name):
        keys = f"{os.environ.get('FUSE_LABELS_KEY')} and {os.environ.get('FUSED_LABEL_NAME_KEY')}"
        raise SkipTaskError(f"{keys} are not both given: everything is copied, nothing fused")
    if not done:
        raise ProgramError("no files processed: no element has labels that could be merged")
