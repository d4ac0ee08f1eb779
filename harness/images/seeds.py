"""Make the lowest images when nothing can be pulled, from the distribution's packages and a Python interpreter."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness import engine
from harness.common.progress import OnProgress
from harness.common.references import split_reference
from harness.common.scratch import folder_among_others, scratch_folder
from harness.errors import ImageError
from harness.images.context import ContextEntry
from harness.images.running import run_program
from harness.images.site import SiteSettings
from harness.settings.variables import image_variable

if TYPE_CHECKING:
    from harness.settings.builds import BuildSettings


# the system, its packages and its archive
_ROOM = 1_000_000_000
SUITE = "bookworm"
PACKAGES = (
    # for Python 3.12
    "ca-certificates",
    "libbz2-1.0",
    "libexpat1",
    "libffi8",
    "liblzma5",
    "libncursesw6",
    "libreadline8",
    "libsqlite3-0",
    "libuuid1",
    "zlib1g",
    "netbase",
    "tzdata",
    # for wheels with OpenMP or C++ in them
    "libgomp1",
    "libstdc++6",
    # small tools of the platform's base image (build 5)
    "procps",
    "unzip",
    "zip",
)
_APT_OPTIONS = ('APT::Install-Recommends "false"', 'Acquire::Languages "none"')
_DPKG_OPTIONS = (
    "force-unsafe-io",
    *(f"path-exclude=/usr/share/{folder}/*" for folder in ("man", "doc", "locale", "info", "lintian")),
)
DEBIAN_INPUTS = "|".join((SUITE, *PACKAGES, *_APT_OPTIONS, *_DPKG_OPTIONS))


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """A Python as a Maven repository has it.

    Attributes:
        image: of the catalogue, that it is for.
        python: its version, of two numbers.
        version: of the artefact.
        sha256: of its file.
        libraries: files beside the folders that belong into ``lib``.
    """

    image: str
    python: str
    version: str
    sha256: str
    libraries: tuple[str, ...]

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"{_ARTEFACT}-{self.version}-{_CLASSIFIER}.jar"

    @property
    def left_out(self) -> tuple[str, ...]:
        """Beginnings of the names that no image needs."""
        library = f"lib/python{self.python}"
        folders = ("test", "idlelib", "lib2to3", "tkinter", "turtledemo", "site-packages")
        return (
            *(f"{library}/{folder}/" for folder in folders),
            f"{library}/config-{self.python}-x86_64-linux-gnu/",
            f"{library}/lib-dynload/_test",
            f"{library}/lib-dynload/nis.",
            "share/",
        )


_GROUP, _ARTEFACT, _CLASSIFIER = "org.bytedeco", "cpython", "linux-x86_64"
PYTHON_3_12 = Interpreter(
    "python",
    "3.12",
    "3.12.1-1.5.10",
    "a135fcf4dc01adebf7ea439252276fc3196db80f7e0dd3da0b61f1ec489b68bd",
    ("libpython3.12.so.1.0", "libffi.so.7"),
)
PYTHON_3_10 = Interpreter(
    "python-3.10",
    "3.10",
    "3.10.8-1.5.8",
    "2f101b1aa06effdbda3c318c1728b13f22b571707c7b7704abaf5d19a33aa981",
    ("libpython3.10.so.1.0", "libffi.so.6"),
)
INTERPRETERS = {known.image: known for known in (PYTHON_3_12, PYTHON_3_10)}
"""What is fetched where no image with it can be pulled, by the image that it is for."""


def make_debian(tag: str, *, timeout_s: float, site: SiteSettings, on_line: OnProgress) -> None:
    """Make a base system from the distribution's packages and import it under ``tag``.

    ``mmdebstrap`` uses the distribution's own mirrors unless the site names one. Users other than root need
    unprivileged user namespaces; it chooses that mode itself.

    Raises:
        ImageError: there is no ``mmdebstrap``, or it fails.
    """
    import docker
    import requests

    program = shutil.which("mmdebstrap")
    if program is None:
        raise ImageError(
            "the base system can neither be pulled nor made: mmdebstrap is not installed",
            fix="install it (Debian, Ubuntu: apt install mmdebstrap), or name an image that can be pulled in "
            f"{image_variable('debian').name}",
        )
    command = [program, "--variant=minbase", "--include=" + ",".join(PACKAGES)]
    command += [f"--aptopt={option}" for option in _APT_OPTIONS]
    command += [f"--dpkgopt={option}" for option in _DPKG_OPTIONS]
    place = _find_place()
    # the lock of the image keeps other processes of this user away
    with folder_among_others(place, "kaapana-harness-rootfs-") as folder:
        # the program makes its own folders here, some of them as another user
        folder.chmod(0o711)
        archive = folder / "rootfs.tar"
        if site.apt_mirror_of_images != site.apt_mirror:
            # the program writes the given address into the base system
            line = shlex.quote(f"deb {site.apt_mirror_of_images} {SUITE} main")
            command.append(f'--customize-hook=echo {line} > "$1/etc/apt/sources.list"')
        command += [SUITE, str(archive), *([site.apt_mirror] if site.apt_mirror else [])]
        on_line(f"mmdebstrap {SUITE}")
        cause = "the base system cannot be made from packages"
        run_program(command, timeout_s, on_line, cause, {"TMPDIR": str(folder)}, _find_own_namespaces())
        api = engine.connect_api(timeout_s=timeout_s)
        try:
            repository, version = split_reference(tag)
            answer: object = api.import_image_from_file(
                str(archive),
                repository=repository,
                tag=version,
                changes=[f"LABEL {engine.LABEL_NAME}=debian"],
            )
            if trouble := engine.find_error_in_text(str(answer)):
                raise ImageError("the engine does not import the base system", last_seen=trouble)
        except (docker.errors.APIError, requests.RequestException) as error:
            raise ImageError(
                "the engine does not import the base system", last_seen=engine.read_message(error)
            ) from None
        finally:
            api.close()


def _find_own_namespaces() -> list[str]:
    """Return what starts a program that ends with its owner, and with it all of its processes and mounts.

    As root, mmdebstrap mounts folders of this machine below the base system, and leaves them there if it is killed, or
    if nobody reads its output any more. Empty for other users, and where there is no right to mount.
    """
    through = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
    through += ["--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() or not all(map(shutil.which, ("setpriv", "unshare"))):
        return []
    tried = subprocess.run([*through, "true"], capture_output=True, check=False)
    return [] if tried.returncode else through


def _find_place() -> Path:
    """Return a folder that has room for a base system, and where its programs can run.

    Users of other ids must reach it, so it is not a folder of this user.

    Raises:
        ImageError: each folder lacks something.
    """
    lacks = []
    for folder in dict.fromkeys((tempfile.gettempdir(), "/var/tmp")):
        try:
            state = os.statvfs(folder)
        except OSError as error:
            lacks.append(f"{folder}: {error.strerror}")
            continue
        free = state.f_bavail * state.f_frsize
        if state.f_flag & os.ST_NOEXEC:
            lacks.append(f"{folder} is mounted noexec")
        elif free < _ROOM:
            lacks.append(f"{folder} has {free / 1e9:.1f} GB, {_ROOM / 1e9:g} GB are needed")
        else:
            return Path(folder)
    raise ImageError(
        f"the base system cannot be made from packages: {'; '.join(lacks)}", fix="name another folder in TMPDIR"
    )


def fetch_python(interpreter: Interpreter, settings: BuildSettings, on_line: OnProgress) -> Path:
    """Return the archive with a Python, from the cache or from the Maven repository that this site uses.

    Raises:
        ImageError: it cannot be obtained, is not the one that is expected, or does not exist for this processor.
    """
    if platform.machine() not in {"x86_64", "AMD64"}:
        raise ImageError(
            f"there is no Python {interpreter.python} to build from for {platform.machine()}",
            fix=f"make an image with it pullable and name it in {image_variable(interpreter.image).name}",
        )
    target = settings.cache / "downloads" / interpreter.file
    if target.is_file() and _sha256(target) == interpreter.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    with scratch_folder(settings.scratch) as folder:
        for way in (_fetch_with_maven, _fetch_with_package):
            try:
                on_line(f"fetch {_GROUP}:{_ARTEFACT}:{interpreter.version}")
                found = way(interpreter, folder, settings.build_timeout, on_line)
            except ImageError as error:
                reasons.append(f"{error.cause}: {error.last_seen or error.fix}")
                continue
            if (digest := _sha256(found)) != interpreter.sha256:
                reasons.append(f"{found.name} is not the expected file: SHA-256 {digest}")
                continue
            found.replace(target)
            return target
    raise ImageError(
        f"Python {interpreter.python} for the images can neither be pulled nor fetched",
        last_seen="\n".join(reasons),
        fix=f"put {target.name} (SHA-256 {interpreter.sha256}) into {target.parent}, or name an image with Python "
        f"{interpreter.python} that can be pulled in {image_variable(interpreter.image).name}",
    )


def make_python_entries(interpreter: Interpreter, archive: Path) -> list[ContextEntry]:
    """Return the files of ``/opt/python``, without tests and windows, below ``python/`` in the context.

    The archive knows no modes and has the shared libraries beside the folders; the interpreter looks for them in
    ``lib``, its extension modules in their own folder.
    """
    root = "org/bytedeco/cpython/linux-x86_64/"
    library = f"lib/python{interpreter.python}"
    entries = []
    with zipfile.ZipFile(archive) as file:
        for item in file.infolist():
            name = item.filename.removeprefix(root)
            if name == item.filename or item.is_dir():
                continue
            targets = []
            if name in interpreter.libraries:
                targets.append(f"lib/{name}")
                if name.startswith("libffi"):
                    targets.append(f"{library}/lib-dynload/{name}")
            elif name == f"bin/python{interpreter.python}" or name.startswith(("include/", f"{library}/")):
                targets.append(name)
            if targets and not name.startswith(interpreter.left_out):
                content = file.read(item)
                runs = PurePosixPath(name).parent.name == "bin" or ".so" in name
                entries += [
                    ContextEntry(f"python/{target}", content=content, mode=0o755 if runs else 0o644)
                    for target in targets
                ]
    return entries


def _fetch_with_maven(interpreter: Interpreter, folder: Path, timeout_s: float, on_line: OnProgress) -> Path:
    program = shutil.which("mvn")
    if program is None:
        raise ImageError("no mvn on PATH")
    output = folder / "maven"
    coordinates = f"-Dartifact={_GROUP}:{_ARTEFACT}:{interpreter.version}:jar:{_CLASSIFIER}"
    command = [program, "-q", "-B", "dependency:copy", coordinates, f"-DoutputDirectory={output}"]
    run_program(command, timeout_s, on_line, "mvn cannot fetch it")
    return output / interpreter.file


def _fetch_with_package(interpreter: Interpreter, folder: Path, timeout_s: float, on_line: OnProgress) -> Path:
    package, target = folder / "package", folder / interpreter.file
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(package), "maven-artifact"]
    run_program(install, timeout_s, on_line, "the Python package maven-artifact cannot be installed")
    coordinates = f"{_GROUP}:{_ARTEFACT}:jar:{_CLASSIFIER}:{interpreter.version}"
    fetch = [sys.executable, "-m", "maven_artifact.main", coordinates, str(target)]
    environment = {"PYTHONPATH": str(package)}
    run_program(fetch, timeout_s, on_line, "maven-artifact cannot fetch it", environment)
    return target


def _sha256(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()
