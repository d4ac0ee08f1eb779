"""Test what a CI job has built with its own commands (`docker build`, `docker save`, a packaged chart), unchanged.

The names of the images are those of the platform, which its "About" page shows: here `kaapana.platform_registry` and
`kaapana.platform_version`.
"""

from __future__ import annotations

import dataclasses
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness import images
from harness.settings import Settings

HERE = Path(__file__).parent
SOURCE = HERE.parent / "otsus-method" / "extension"
CHART = "otsus-method-workflow"


@dataclasses.dataclass(frozen=True)
class Built:
    """What the job leaves."""

    chart: Path
    archive: Path
    digests: set[str]


def docker(*words: str) -> str:
    """Run the engine's own command."""
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def packaged(folder: Path, source: Path, charts: dict[str, bytes]) -> bytes:
    """Pack a chart as `helm package` does, without it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                archive.add(path, f"{folder}/{path.relative_to(source)}")
        for name, content in charts.items():
            member = tarfile.TarInfo(f"{folder}/charts/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture(scope="module")
def bases():
    """The images that the guide has authors build once: local-only/base-python-cpu and local-only/base-installer."""
    images.ensure_all(["base-python-cpu", "base-installer"], settings=Settings.load())


@pytest.fixture
def built(kaapana, bases, tmp_path):
    """The job's own commands, for the platform that it wants to test on."""
    registry, version = kaapana.platform_registry, kaapana.platform_version
    # the DAG image gets the version of the installer chart as its tag, as the package will ask for it
    names = {
        f"{registry}/dag-otsus-method:0.0.0": SOURCE / "extension" / "docker",
        f"{registry}/otsus-method:{version}": SOURCE / "processing-containers" / "otsus-method",
    }
    for name, folder in names.items():
        # the label makes it another image than the same folder built elsewhere, which the registry may have
        docker("build", "--quiet", "--label", "job=built-elsewhere", "--tag", name, str(folder))
    digests = {docker("image", "inspect", "--format", "{{.Id}}", name) for name in names}
    archive = tmp_path / "images.tar"
    docker("save", "--output", str(archive), *names)
    docker("image", "rm", *names)
    installer = packaged(Path("dag-installer-chart"), HERE / "clone" / "dag-installer-chart", {})
    chart = tmp_path / f"{CHART}-0.1.0.tgz"
    source = SOURCE / "extension" / CHART
    chart.write_bytes(packaged(Path(CHART), source, {"dag-installer-chart-0.0.0.tgz": installer}))
    return Built(chart, archive, digests)


# 0.6.1 asks the registry for every image, so what only an archive brought does not run there
@pytest.mark.finds("always-pulled")
def test_the_very_images_of_the_archive_segment_the_brain(kaapana, built, brain_mr):
    otsus = kaapana.install_built(chart=built.chart, images=built.archive)
    run = otsus.run(dataset=brain_mr)
    assert run.succeeded
    assert run.sent.segmentation().dice("brain", brain_mr.truth["brain"]) > 0.96
    assert {image.config_digest for image in run.images} == built.digests
    assert {image.origin for image in run.images} == {"images.tar"}


def test_the_installer_chart_of_the_package_is_the_one_that_is_rendered(kaapana, built):
    kaapana.install_built(chart=built.chart, images=built.archive)
    job = kaapana.environment.cluster.api.get("Job", "services", "dag-otsus-method")
    assert job["metadata"]["annotations"]["scenario"] == "built-elsewhere"


def test_the_engine_looks_afterwards_as_if_nothing_had_been_there(kaapana, built):
    before = set(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines())
    kaapana.install_built(chart=built.chart, images=built.archive).uninstall()
    after = set(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines())
    assert {name for name in after - before if not name.startswith(("kaapana-harness/", "kh-"))} == set()
    assert before - after == set()
