"""Files and the object store, the way of LocalMinioOperator (operators 6.13)."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import ProgramError, RunFolder, read_json, say
from harness.incluster.programs.local_metadata import PROJECT, project_of, timestamp
from harness.incluster.programs.platform_client import PlatformClient, service
from harness.wire import names

# two of them have no dot on the platform either
ENDINGS = (".json", ".mat", ".py", ".zip", ".txt", ".gz", ".csv", "pdf", "png", "jpg")


@dataclass(frozen=True)
class TransferParameters:
    """Parameters of the operator."""

    action: str
    dag_id: str
    root: str
    bucket: str
    metadata_dir: str
    dirs: list[str]
    files: list[str]
    endings: Sequence[str]
    zipped: bool
    prefix: str


def _override(order: TransferParameters, conf: dict[str, Any]) -> TransferParameters:
    """Return the order with the values of the configuration."""
    data, form = conf.get("data_form") or {}, conf.get("workflow_form") or {}
    if "zip_files" in form:
        order = replace(order, zipped=bool(form["zip_files"]))
    if data.get("bucket_name"):
        order = replace(order, bucket=str(data["bucket_name"]))
    if dirs := data.get("action_operator_dirs") or data.get("action_operators"):
        order = replace(order, dirs=[str(name) for name in dirs])
    if data.get("action_files"):
        order = replace(order, files=[str(name) for name in data["action_files"]])
    if key := conf.get("Key"):  # an event of the object store: bucket/name
        bucket, _, name = str(key).partition("/")
        order = replace(order, bucket=bucket, files=[name])
    return order


def _bucket(run: RunFolder, platform: PlatformClient, order: TransferParameters) -> str:
    if order.bucket:
        return order.bucket
    if order.metadata_dir:
        for element in run.elements():
            for path in sorted(run.inside(run.batch, element.name, order.metadata_dir).rglob("*.json")):
                return str(project_of(platform, str(read_json(path).get(PROJECT)))["s3_bucket"])
    return order.dag_id


def files_of(run: RunFolder, order: TransferParameters) -> list[Path]:
    """Return the files that are put: named ones, those of the folders, or without both the whole run's."""
    folders = [run.inside(name) for name in order.dirs]
    folders += [run.inside(run.batch, element.name, name) for element in run.elements() for name in order.dirs]
    if order.files:
        named = [run.inside(name) for name in order.files]
        named += [run.inside(run.relative(folder), name) for folder in folders for name in order.files]
        found = [path for path in named if path.is_file()]
    else:
        roots = folders if order.dirs else [run.root]
        found = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
    inside = [path for path in dict.fromkeys(found) if path.resolve().is_relative_to(run.root)]
    return [path for path in inside if path.name.lower().endswith(tuple(order.endings))]


def _put(client: Any, run: RunFolder, output: str, bucket: str, order: TransferParameters) -> None:
    root = Path(order.root.format(run_dir=run.root))
    files = files_of(run, order)
    if order.zipped:
        archive = run.inside(output, f"{order.dag_id}_{run.root.name}_{timestamp()}.zip")
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
            for path in files:
                content.write(path, run.relative(path))
        files, root = [archive], archive.parent
    prefix = f"{order.prefix.strip('/')}/" if order.prefix.strip("/") else ""
    for path in files:
        name = prefix + path.relative_to(root).as_posix()
        client.fput_object(bucket, name, str(path))
        say(f"{run.relative(path)} -> {bucket}/{name}")
    if not files:
        say("warning: no file to put, which is not an error here")


def _remove(client: Any, bucket: str, order: TransferParameters) -> None:
    if order.files:
        chosen = list(order.files)
    else:
        every = [item.object_name for item in client.list_objects(bucket, recursive=True)]
        parents = tuple(order.dirs)
        chosen = [name for name in every if not parents or name.rpartition("/")[0].startswith(parents)]
    for name in chosen:
        client.remove_object(bucket, name)
        say(f"{bucket}/{name} removed")


def execute(run: RunFolder, output: str, conf: dict[str, Any], order: TransferParameters) -> None:
    """Put or remove; ``get`` gets nothing, as on the platform.

    Raises:
        ProgramError: the object store refuses.
    """
    import minio
    from minio.error import MinioException

    order = _override(order, conf)
    if order.action == "get":
        say("warning: in this release the action get of LocalMinioOperator writes no file: take MinioOperator")
        return
    platform = PlatformClient()
    bucket = _bucket(run, platform, order)
    keys = platform.object_store_keys()
    host, port = service(names.MINIO)
    client = minio.Minio(f"{host}:{port}", *keys[:2], session_token=keys[2], secure=False)
    try:
        if order.action == "put":
            _put(client, run, output, bucket, order)
        else:
            _remove(client, bucket, order)
    except MinioException as error:
        raise ProgramError(f"{order.action} in the bucket {bucket}: {error}") from error
