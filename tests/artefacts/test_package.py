"""Packaged charts: what is read of a good one, and the first line for every kind of bad one."""

from __future__ import annotations

import io
import os
import random
import tarfile
from pathlib import Path

import pytest

from harness.artefacts import package
from harness.errors import ExtensionError
from tests.artefacts.made_packages import CHART, INSTALLER, REQUIREMENTS, pack, write


def test_a_package_says_its_name_its_dag_image_and_the_installer_inside(tmp_path: Path) -> None:
    read = package.read(write(tmp_path))
    assert (read.name, read.version, read.file_name) == ("mean-workflow", "0.1.0", "mean-workflow-0.1.0.tgz")
    assert read.dag_image == "dag-mean"
    assert read.subcharts == {"dag-installer-chart": "0.0.0"}
    assert read.is_workflow
    assert read.keywords == ("kaapanaworkflow",)


def test_a_chart_that_lies_packaged_inside_counts(tmp_path: Path) -> None:
    inner = pack({"Chart.yaml": 'apiVersion: v1\nname: dag-installer-chart\nversion: "1.2.3"\n'}, top="x")
    changes = {
        f"{INSTALLER}-1.2.3.tgz": inner,
        **dict.fromkeys([f"{INSTALLER}/{name}" for name in ("Chart.yaml", "values.yaml", "templates/job.yaml")]),
    }
    assert package.read(write(tmp_path, changes)).subcharts == {"dag-installer-chart": "1.2.3"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Chart.yaml": None}, "is not a Helm chart"),
        ({"Chart.yaml": "a: [1\n"}, "Chart.yaml in mean-workflow-0.1.0.tgz is not valid YAML"),
        (
            {"Chart.yaml": "apiVersion: v1\nname: mean-workflow\n"},
            "mean-workflow-0.1.0.tgz has no version",
        ),
        ({"Chart.yaml": b"\xff\xfe"}, "is not UTF-8 text"),
        ({"Chart.yaml": CHART.replace("0.1.0", "0.2.0")}, "must be named mean-workflow-0.2.0.tgz"),
        ({"Chart.yaml": CHART.replace("mean-workflow", "other-workflow")}, "in a folder named mean-workflow"),
        (
            dict.fromkeys([f"{INSTALLER}/{name}" for name in ("Chart.yaml", "values.yaml", "templates/job.yaml")]),
            "requires dag-installer-chart, but has no chart inside",
        ),
        (
            {"requirements.yaml": REQUIREMENTS + "  - name: model_installer_chart\n    version: 0.0.0\n"},
            "requires model_installer_chart, but has only dag-installer-chart inside",
        ),
        (
            {
                "requirements.yaml": "",
                f"{INSTALLER}/Chart.yaml": "apiVersion: v1\nname: another\nversion: 1.0.0\n",
            },
            "does not contain dag-installer-chart",
        ),
        ({"requirements.yaml": "dependencies: 5\n"}, "dependencies must be a list"),
    ],
)
def test_a_package_that_cannot_be_installed_is_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, str | bytes | None], said: str
) -> None:
    with pytest.raises(ExtensionError) as caught:
        package.read(write(tmp_path, changes))
    assert said in caught.value.cause
    assert caught.value.exit_status == 2


def test_a_missing_file_a_folder_and_a_pipe_are_refused_at_once_with_different_messages(tmp_path: Path) -> None:
    with pytest.raises(ExtensionError, match="does not exist"):
        package.read(tmp_path / "x-1.0.0.tgz")
    with pytest.raises(ExtensionError, match="is a folder"):
        package.read(tmp_path)
    os.mkfifo(tmp_path / "pipe.tgz")
    with pytest.raises(ExtensionError, match="is not a regular file"):
        package.read(tmp_path / "pipe.tgz")


def test_a_package_that_was_cut_anywhere_or_has_a_wrong_byte_is_refused_or_read(tmp_path: Path) -> None:
    good = pack()
    random_ = random.Random(13)
    path = tmp_path / "mean-workflow-0.1.0.tgz"
    refused = []
    for _ in range(200):
        damaged = bytearray(good[: random_.randrange(1, len(good))] if random_.random() < 0.5 else good)
        damaged[random_.randrange(len(damaged))] ^= 1 << random_.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            package.read(path)
        except ExtensionError as error:
            refused.append(error.cause)
    assert len(refused) > 150
    assert all("mean-workflow-0.1.0.tgz" in cause for cause in refused)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "mean-workflow/../../x"])
def test_a_member_that_leads_out_of_the_package_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mean-workflow-0.1.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(ExtensionError, match="leads out of its folder"):
        package.read(path)


def test_a_link_in_a_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mean-workflow-0.1.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("mean-workflow/Chart.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(ExtensionError, match="has a member that is not a file"):
        package.read(path)


def test_a_package_that_unpacks_to_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mean-workflow-0.1.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("mean-workflow/zeros")
        member.size = 80 << 20
        archive.addfile(member, io.BytesIO(bytes(80 << 20)))
    with pytest.raises(ExtensionError, match="that is not a chart"):
        package.read(path)
