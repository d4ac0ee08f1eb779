"""The commands of the how-tos do what their pages say, on each kind of machine that they are about."""

from __future__ import annotations

import secrets
from pathlib import Path

import docker
import pytest

from harness.data import small_ct
from harness.engine import connect_api
from harness.images.site import SiteSettings
from harness.settings import Settings
from harness.settings.variables import image_variable
from tests.cluster.context import foreign
from tests.documents import proxy
from tests.documents.conftest import MakeReader
from tests.documents.pages import DOCS, NEEDS, blocks

PAGES = {path.stem: blocks(f"howto/{path.name}") for path in sorted((DOCS / "howto").glob("*.md"))}
_READS = 'bins = int(os.environ.get("THRESHOLD_BINS", BINS_DEFAULT))'


def _has_gpu() -> bool:
    found: docker.APIClient = connect_api(timeout_s=30)
    try:
        return "nvidia" in found.info()["Runtimes"]
    finally:
        found.close()


def _dicom() -> dict[str, str]:
    return {"folder/with/dicom": str(small_ct().path)}


@pytest.mark.usefixtures("usable_engine")
@pytest.mark.parametrize("page", ["existing-extension", "from-0.4-to-0.6", "nightly"])
def test_the_commands_of_a_page_run_on_this_machine(page: str, reader: MakeReader) -> None:
    assert reader(_dicom()).read(PAGES[page])


@pytest.mark.usefixtures("usable_engine")
def test_a_task_is_debugged_as_the_page_says(tmp_path: Path, reader: MakeReader) -> None:
    one = reader(_dicom(), having={"terminal"})
    program = tmp_path / "my-extension/processing-containers/otsus-method/files/otsus_method.py"
    text = program.read_text("utf-8")
    assert _READS in text
    program.write_text(text.replace(_READS, 'bins = int(os.environ["TRESHOLD_BINS"])'), "utf-8")
    assert any(block.needs for block in one.read(PAGES["debug-a-task"]))


@pytest.mark.usefixtures("usable_engine")
def test_the_page_about_gpus_holds_with_a_device_and_without(reader: MakeReader) -> None:
    need = "gpu" if _has_gpu() else "no-gpu"
    assert {frozenset({need})} == {block.needs for block in reader(_dicom(), having={need}).read(PAGES["gpu"])}


def test_the_variables_of_a_site_are_those_that_builds_take_over(reader: MakeReader) -> None:
    one = reader()
    one.read(PAGES["site"])
    _, printed = one.type("env")
    environ = dict(line.split("=", 1) for line in printed.splitlines() if line.startswith(("PIP_INDEX", "KAAPANA_")))
    bundle = Path(environ["KAAPANA_HARNESS_CA_BUNDLE"])
    site = SiteSettings.detect(environ={"HOME": "/nowhere", **environ}, ca_bundle=bundle, config_files=[])
    assert site.index == {"index-url": "https://pypi.hospital.example/simple"}
    assert site.apt_mirror == "https://debian.hospital.example"
    assert site.certificates.startswith(b"-----BEGIN CERTIFICATE-----")
    settings = Settings.load(environ={}, start=one.folder)
    assert ("https://weights.example/v2/", str(one.folder / "site/weights")) in settings.build_urls
    assert settings.base_images == (("base-mitk", "registry.hospital.example/kaapana/base-mitk:latest"),)
    assert environ[image_variable("python").name] == "registry.hospital.example/python:3.12"


@pytest.mark.usefixtures("usable_engine")
def test_builds_reach_the_package_index_by_the_proxy_of_a_site(tmp_path: Path, reader: MakeReader) -> None:
    dockerfile = tmp_path / "my-extension/processing-containers/otsus-method/Dockerfile"
    # a step that no earlier build has done
    step = (
        f"RUN echo {secrets.token_hex(8)} && python3 -m pip download --no-deps --no-cache-dir --dest /tmp packaging\n"
    )
    dockerfile.write_text(f"{dockerfile.read_text('utf-8')}{step}", "utf-8")
    with proxy.started() as (address, asked):
        one = reader({"http://proxy.hospital.example:3128": address}, having={"proxy"})
        done = one.read(PAGES["site"][:1])
        assert [block.needs for block in done] == [{"proxy"}]
        assert asked, one.printed


@pytest.mark.usefixtures("usable_engine")
def test_the_nightly_commands_run_on_kind(request: pytest.FixtureRequest, reader: MakeReader) -> None:
    if request.config.getoption("kaapana_cluster") != "kind":
        pytest.skip("only with --kaapana-cluster kind")
    assert any("kind" in block.needs for block in reader(having={"kind"}).read(PAGES["nightly"]))


@pytest.mark.usefixtures("usable_engine")
def test_the_nightly_commands_run_on_a_cluster_that_exists(
    request: pytest.FixtureRequest, tmp_path: Path, reader: MakeReader
) -> None:
    if request.config.getoption("kaapana_cluster") != "kind":
        pytest.skip("only with --kaapana-cluster kind")
    with foreign.made(Settings(start_timeout=120), tmp_path) as cluster:
        said = {"registry.site:5000/team": cluster.registry, "context:NAME": f"context:{foreign.CONTEXT}"}
        one = reader({**said, "check NAME": f"check {foreign.CONTEXT}"}, _variables(cluster), having={"cluster"})
        assert any("cluster" in block.needs for block in one.read(PAGES["nightly"]))
        assert cluster.left() == []


def _variables(cluster: foreign.Foreign) -> dict[str, str]:
    return {"KUBECONFIG": str(cluster.kubeconfig), "KAAPANA_HARNESS_START_TIMEOUT": "600"}


def test_each_need_of_a_page_is_met_by_one_of_these_tests() -> None:
    source = Path(__file__).read_text("utf-8")
    needed = {need for page in PAGES.values() for block in page for need in block.needs}
    assert needed == NEEDS
    assert [need for need in needed if f'"{need}"' not in source] == []
