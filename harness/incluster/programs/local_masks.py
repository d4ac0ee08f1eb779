"""What LocalFilterMasksOperator and LocalModifySegLabelNamesOperator do in the run's folder (operators 5.5, 5.6)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from harness.incluster.programs import mask_names
from harness.incluster.programs.common import ProgramError, RunFolder, comma_list, read_json, say
from harness.incluster.programs.mask_names import normalise


def _labels(value: Any) -> list[str]:
    return [label for label in (normalise(text) for text in comma_list(str(value or ""))) if label]


def _json_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*.json*") if path.is_file())
    if not found:
        raise ProgramError(f"no *.json in {folder}")
    return found


def filter_masks(run: RunFolder, source: str, output: str, label_filter: Any) -> None:
    """Copy the masks that ``Keep: a,b`` or ``Ignore: a,b`` leaves, and their segments in the JSON document.

    The whole normalised path of a mask is searched, with the names of the folders in it.

    Raises:
        ProgramError: the filter has no colon or another word before it, or an element has no JSON document.
    """
    text = str(label_filter or "")
    for element in run.elements():
        folder, target = run.inside(run.batch, element.name, source), run.inside(run.batch, element.name, output)
        if not text:
            if target.exists():
                raise ProgramError(f"{run.relative(target)} exists already: nothing can be copied there")
            shutil.copytree(folder, target)
            say(f"{element.name}: no filter, everything is copied")
            continue
        word, colon, labels = text.partition(":")
        mode, wanted = normalise(word), _labels(labels)
        if not colon or mode not in ("keep", "ignore"):
            raise ProgramError(f"the filter {text!r} must be 'Keep: label,label' or 'Ignore: label,label'")
        _filter_element(folder, target, wanted, keep=mode == "keep")


def _filter_element(folder: Path, target: Path, wanted: list[str], *, keep: bool) -> None:
    masks = sorted(folder.rglob("*.nii.gz"))
    found = mask_names.select_containing(masks, wanted)
    chosen = [mask for mask in masks if (mask in found) == keep]
    for mask in chosen:
        place = target / mask.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(mask, place)
    documents = _json_files(folder)
    meta = read_json(documents[-1])
    mask_names.segments_of(meta, documents[-1])  # it reports the problem
    groups = meta["segmentAttributes"]
    dumped = [normalise(json.dumps(group)) for group in groups]
    if keep:  # in the order of the filter, and twice when two of its labels fit
        kept = [group for label in wanted for group, text in zip(groups, dumped, strict=True) if label in text]
    else:
        kept = [group for group, text in zip(groups, dumped, strict=True) if not any(w in text for w in wanted)]
    meta["segmentAttributes"] = kept
    place = target / documents[0].relative_to(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(meta, indent=4, sort_keys=True), "utf-8")
    say(f"{folder.parent.name}: {len(chosen)} of {len(masks)} mask(s), {len(kept)} of {len(groups)} segment(s) stay")


def rename_labels(
    run: RunFolder,
    source: str,
    output: str,
    *,
    name: str,
    metainfo: str,
    form: dict[str, Any],
    write_seg_info: bool,
    write_metainfo: bool,
    into_source: bool,
) -> int:
    """Rename labels in ``seg_info.json``, in dcmqi's metadata and in the names of the masks; the number of renames.

    Args:
        name: of the operator; names the metadata document.
        metainfo: folder of the operator that wrote ``*-meta.json``.
        form: ``old_labels`` and ``new_labels`` are comma lists of the same length.
        into_source: also write ``seg_info.json`` and ``<name>.json`` into the input folder.

    Raises:
        ProgramError: the lists differ in length, or a document is missing.
    """
    old, new = _labels(form.get("old_labels")), _labels(form.get("new_labels"))
    if len(old) != len(new):
        raise ProgramError(f"old_labels has {len(old)} label(s), new_labels {len(new)}: they must be as many")
    renames, done = dict(zip(old, new, strict=True)), 0
    for element in run.elements():
        folder, target = run.inside(run.batch, element.name, source), run.inside(run.batch, element.name, output)
        target.mkdir(parents=True, exist_ok=True)
        info_path = _json_files(folder)[-1]
        metas = sorted(run.inside(run.batch, element.name, metainfo).rglob("*-meta.json*"))
        if not metas:
            raise ProgramError(f"{element.name}: no *-meta.json in {metainfo}")
        entries = mask_names.entries_of(read_json(info_path), info_path)
        meta = read_json(metas[-1])
        known = {normalise(entry["label_name"]) for entry in entries}
        segments = []
        for segment in mask_names.segments_of(meta, metas[-1]):
            label = str(segment.get("SegmentLabel", ""))
            if normalise(label) not in known:
                continue
            if normalise(label) in renames:
                segment = json.loads(json.dumps(segment).replace(json.dumps(label)[1:-1], renames[normalise(label)]))
                done += 1
            segments.append(segment)
        meta["segmentAttributes"] = [segments]
        entries = [
            {**entry, "label_name": renames.get(normalise(entry["label_name"]), entry["label_name"])}
            for entry in entries
        ]
        if write_seg_info:
            _write(target / "seg_info.json", {"seg_info": entries})
        if write_metainfo:
            _write(target / f"{name}-meta.json", meta)
        if into_source:
            _write(folder / "seg_info.json", {"seg_info": entries})
            _write(folder / f"{name}.json", meta)
        for mask in sorted(folder.rglob("*.nii.gz")):
            shutil.copy2(mask, target / _rename(mask, renames))
        say(f"{element.name}: {', '.join(entry['label_name'] for entry in entries)}")
    return done


def _rename(mask: Path, renames: dict[str, str]) -> str:
    for old, new in renames.items():
        if old in normalise(str(mask)):
            parts = mask.name.split("--")
            if len(parts) < 2:
                raise ProgramError(f"{mask.name} cannot be renamed: its name is not <prefix>--<number>--<label>.nii.gz")
            return f"{parts[0]}--{parts[1]}--{new}.nii.gz"
    return mask.name


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=4), "utf-8")
