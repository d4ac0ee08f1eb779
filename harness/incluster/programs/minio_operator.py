"""Move files between the run's folder and the object store (operators 4.5). The program of MinioOperator."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

from harness.incluster.programs.common import ProgramError, RunFolder, comma_list, notice, require, say, section


@dataclass(frozen=True)
class Transfer:
    """Order of a transfer: the environment, overridden by truthy top-level keys of the configuration."""

    bucket: str
    prefix: str
    whitelist: list[str]
    source_files: list[str]
    zip_files: bool

    @classmethod
    def read(cls, conf: dict[str, Any]) -> Transfer:
        def read_list(key: str, variable: str) -> list[str]:
            value = conf.get(key) or comma_list(os.environ.get(variable, ""))
            return [str(entry) for entry in value] if isinstance(value, list) else comma_list(str(value))

        bucket = str(conf.get("bucket_name") or os.environ.get("BUCKET_NAME", ""))
        if bucket in ("", "None"):
            bucket = str(section(conf, "project_form").get("s3_bucket") or "")
        zipped = conf.get("zip_files") or os.environ.get("ZIP_FILES") or "False"
        if str(zipped) not in ("True", "False"):
            raise ProgramError(f"ZIP_FILES is {zipped!r}, expected True or False")
        return cls(
            bucket=bucket,
            prefix=str(conf.get("minio_prefix") or os.environ.get("MINIO_PREFIX", "")),
            whitelist=read_list("whitelisted_file_extensions", "WHITELISTED_FILE_EXTENSIONS"),
            source_files=read_list("action_files", "SOURCE_FILES"),
            zip_files=str(zipped) == "True",
        )

    def object_name(self, relative: str) -> str:
        """Return the object's key: the prefix joined with a path relative to the run's folder."""
        return str(PurePosixPath(self.prefix.lstrip("/")) / relative)


def is_whitelisted(name: str, whitelist: list[str]) -> bool:
    """Return whether a file may be uploaded.

    For every entry as many trailing suffixes as it has dots are joined and looked up in the whole list, so
    ``.gz`` also passes ``x.nii.gz``, and an entry without a leading dot never matches.
    """
    suffixes = PurePosixPath(name).suffixes
    return any("".join(suffixes[-entry.count(".") :]) in whitelist for entry in whitelist if "." in entry)


def _walk(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def check(order: Transfer) -> None:
    """Report entries of the whitelist that are likely mistakes."""
    entries = [entry for entry in order.whitelist if entry]
    if len(entries) > 1 and all(len(entry) == 1 for entry in entries):
        text = f"whitelisted_file_extensions was the text {''.join(entries)!r}: it fell into its characters"
        notice("whitelist-is-text", f"{text}, none of which matches a file")
    elif undotted := [entry for entry in entries if not entry.startswith(".")]:
        notice("whitelist-without-dot", f"{', '.join(undotted)} of the whitelist has no leading dot and never matches")
    if order.zip_files and entries == [".zip"]:
        notice("whitelist-only-zip", "the whitelist chooses what goes into the archive, and has only .zip itself")


def collect(run: RunFolder, order: Transfer) -> list[Path]:
    """Return the files to upload, in the order batch folders, run folders, single files, which need not exist."""
    folders = [
        element / name for name in comma_list(os.environ.get("BATCH_INPUT_OPERATORS", "")) for element in run.elements()
    ]
    folders += [run.root / name for name in comma_list(os.environ.get("NONE_BATCH_INPUT_OPERATORS", ""))]
    candidates: list[Path] = []
    for folder in folders:
        run.inside(run.relative(folder))
        if folder.is_dir():
            candidates += _walk(folder)
        else:
            say(f"warning: {run.relative(folder)} does not exist")
    for name in order.source_files:
        run.inside(name)
        candidates.append(run.root / name)
    chosen: list[Path] = []
    for path in dict.fromkeys(candidates):
        if not path.resolve().is_relative_to(run.root):
            say(f"warning: {run.relative(path)} is a link that leads out of the run's folder, left out")
        elif is_whitelisted(path.name, order.whitelist):
            chosen.append(path)
        else:
            say(f"{run.relative(path)}: left out, the whitelist is {','.join(order.whitelist) or 'empty'}")
    if not chosen:
        raise ProgramError(
            f"no file to upload: {len(candidates)} file(s) found in {len(folders)} folder(s), "
            f"none passes the whitelist {','.join(order.whitelist) or '(empty)'}"
        )
    return chosen


def _client() -> Any:
    """Return an S3 client with the keys that the object store gives the project's user (services 5.1)."""
    import minio

    from harness.incluster.programs.platform_client import PlatformClient, service
    from harness.wire import names

    keys = PlatformClient().object_store_keys()
    host, port = service(names.MINIO)
    return minio.Minio(f"{host}:{port}", *keys[:2], session_token=keys[2], secure=False)


def _transfer(move: Callable[[str, str, str], Any], bucket: str, name: str, path: Path) -> None:
    from minio.error import MinioException

    try:
        move(bucket, name, str(path))
    except MinioException as error:
        raise ProgramError(f"{bucket}/{name}: {error}") from error


def _check_there(run: RunFolder, path: Path) -> None:
    if not path.is_file():
        raise ProgramError(f"{run.relative(path)} of source_files does not exist: what comes after it is not uploaded")


def _put(run: RunFolder, order: Transfer) -> None:
    check(order)
    files = collect(run, order)
    client = _client()
    if not order.zip_files:
        for path in files:
            _check_there(run, path)
            name = order.object_name(run.relative(path))
            _transfer(client.fput_object, order.bucket, name, path)
            say(f"{run.relative(path)} -> {order.bucket}/{name} ({path.stat().st_size} bytes)")
        return
    now = datetime.now(ZoneInfo(os.environ.get("TZ") or "Europe/Berlin"))
    name = order.object_name(f"{require('RUN_ID')}_{now:%y-%m-%d-%H:%M:%S%f}.zip")
    with tempfile.NamedTemporaryFile(dir=run.root, prefix=".minio-operator-", suffix=".zip") as archive:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
            for path in files:
                _check_there(run, path)
                content.write(path, run.relative(path))
        archive.flush()
        _transfer(client.fput_object, order.bucket, name, Path(archive.name))
        say(f"{len(files)} file(s) zipped -> {order.bucket}/{name}")


def _get(run: RunFolder, order: Transfer) -> None:
    if not order.source_files:
        raise ProgramError("ACTION get needs SOURCE_FILES")
    targets = [(name, run.inside(require("OPERATOR_OUT_DIR"), name)) for name in order.source_files]
    client = _client()
    for name, target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        _transfer(client.fget_object, order.bucket, order.object_name(name), target)
        say(f"{order.bucket}/{order.object_name(name)} -> {run.relative(target)}")


def main() -> None:
    """Upload or download by ``ACTION``."""
    action = (os.environ.get("ACTION") or "put").lower()
    if action not in ("get", "put"):  # the platform's program succeeds without doing anything (operators 2.2)
        say(f"warning: ACTION is {action!r}, neither get nor put: nothing is done")
        say("A form value named action overrides the operator's own: rename the form's key.")
        return
    run = RunFolder.from_environment()
    order = Transfer.read(run.conf())
    if not order.bucket:
        raise ProgramError("there is no bucket: BUCKET_NAME is empty and the project_form has no s3_bucket")
    if action == "put":
        _put(run, order)
    else:
        _get(run, order)
