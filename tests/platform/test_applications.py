"""Charts of an extension that are no workflows: which are installed, under which name, and which are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from harness import profiles
from harness.artefacts import package as packages
from harness.artefacts.given import Artefacts
from harness.errors import ExtensionError, InstallError, UsageError
from harness.kube import KubeApi, NotFound
from harness.platform import applications, releases, upload
from harness.platform.applications import ApplicationPlan
from harness.platform.helm import Helm, HelmLibrary
from harness.platform.planning import PlatformNames
from harness.platform.releases import Release
from tests.platform.charts_for_tests import write_application
from tests.platform.fake_api import FakeApi

GLOBALS = {"registry_url": "localhost:1", "admin_namespace": "admin", "services_namespace": "services"}
NAMES = PlatformNames("localhost:1", "0.6.0", profiles.load("documented"), GLOBALS)
PROJECT = ("6f6d", "abc")
MULTI = ["kaapanaapplication", "kaapanamultiinstallable"]
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: viewer, namespace: services}
spec:
  containers:
    - {name: main, image: "{{ .Values.global.registry_url }}/viewer:1.0"}
"""


def plan(path: Path, helm: Helm, **arguments: Any) -> ApplicationPlan:
    return applications.plan(packages.read(path), [], NAMES, helm, project=PROJECT, **arguments)


def test_an_application_is_a_release_of_its_charts_name(tmp_path: Path, helm: Helm) -> None:
    planned = plan(write_application(tmp_path, "viewer", ["kaapanaapplication"]), helm)
    assert planned.release == "viewer"
    (settings,) = planned.rendered.objects
    assert settings["data"] == {"project": ""}


def test_each_launch_has_a_release_of_its_own_and_knows_its_project(tmp_path: Path, helm: Helm) -> None:
    path = write_application(tmp_path, "viewer", MULTI)
    first, second = plan(path, helm), plan(path, helm)
    assert re.fullmatch("viewer-[0-9a-f]{20}", first.release)
    assert first.release != second.release
    (settings,) = first.rendered.objects
    assert settings["metadata"]["name"] == f"{first.release}-settings"
    assert settings["data"] == {"project": "abc"}


def test_a_parameter_can_name_the_release(tmp_path: Path, helm: Helm) -> None:
    values = "global:\n  suffix_param_key: instance\nextension_params:\n  instance: {default: my, type: string}\n"
    path = write_application(tmp_path, "viewer", MULTI, values=values)
    assert plan(path, helm).release == "viewer-my"
    assert plan(path, helm, params={"instance": "x" * 30}).release == "viewer-" + "x" * 20
    with pytest.raises(ExtensionError, match="no release named 'viewer-My Name'") as caught:
        plan(path, helm, params={"instance": "My Name"})
    assert "value of instance" in caught.value.last_seen


def test_an_application_that_only_tasks_start_is_not_rendered_for_an_installation(tmp_path: Path, helm: Helm) -> None:
    planned = plan(write_application(tmp_path, "step", ["kaapanaint"], templates={"pod.yaml": POD}), helm)
    assert planned.release == ""
    assert planned.rendered.objects == ()


def test_a_chart_that_is_listed_and_started_by_tasks_is_installed(tmp_path: Path, helm: Helm) -> None:
    assert plan(write_application(tmp_path, "viewer", ["kaapanaapplication", "kaapanaint"]), helm).release == "viewer"


def test_an_image_of_an_application_that_nobody_has_is_named_with_its_place(tmp_path: Path, helm: Helm) -> None:
    path = write_application(tmp_path, "viewer", ["kaapanaapplication"], templates={"pod.yaml": POD})
    with pytest.raises(ExtensionError, match=r"viewer-0\.1\.0\.tgz needs localhost:1/viewer:1\.0") as caught:
        plan(path, helm)
    assert "Pod services/viewer of the chart" in caught.value.last_seen
    assert plan(path, helm, present=lambda reference: True).images == ()


@pytest.mark.parametrize(
    ("keywords", "arguments", "words"),
    [
        ([], {}, "would never be listed"),
        (["kaapanaplatform"], {}, "would never be listed"),
        (["kaapanaapplication"], {"description": ""}, "has no description"),
        (["kaapanaapplication"], {"values": ""}, "has no map `global`"),
        (["kaapanaapplication"], {"values": "global: text\n"}, "has no map `global`"),
    ],
)
def test_a_chart_that_the_platform_would_not_list_is_refused(
    tmp_path: Path, helm: Helm, keywords: list[str], arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ExtensionError, match=words):
        plan(write_application(tmp_path, "viewer", keywords, **arguments), helm)


def test_a_library_chart_is_refused_by_name(tmp_path: Path) -> None:
    path = write_application(tmp_path, "common", ["kaapanaapplication"], type="library")
    with pytest.raises(ExtensionError, match=r"common-0\.1\.0\.tgz is a library chart"):
        packages.read(path)


def test_an_experimental_chart_is_hidden_by_default_and_a_stable_one_is_not(tmp_path: Path) -> None:
    path = write_application(tmp_path, "viewer", ["kaapanaapplication", "kaapanaexperimental"])
    (finding,) = upload.findings_of(packages.read(path))
    assert (finding.rule, finding.where) == ("hidden-by-default", "viewer-0.1.0.tgz")
    assert upload.findings_of(packages.read(write_application(tmp_path, "other", ["kaapanaapplication"]))) == ()


def test_a_run_needs_a_chart_with_a_dag(tmp_path: Path) -> None:
    artefacts = Artefacts((packages.read(write_application(tmp_path, "viewer", ["kaapanaapplication"])),), ())
    with pytest.raises(UsageError, match="nothing to run") as caught:
        artefacts.require_workflow()
    assert "viewer-0.1.0.tgz" in caught.value.last_seen


def test_a_kind_that_the_cluster_does_not_have_is_refused_by_name(tmp_path: Path) -> None:
    text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: services}\n"
    planned = plan(
        write_application(tmp_path, "viewer", ["kaapanaapplication"], templates={"db.yaml": text}), HelmLibrary()
    )
    fake = FakeApi()
    fake.refuse = lambda manifest: NotFound(404, "NotFound", "no kind 'StatefulSet'") if _is_set(manifest) else None
    api = cast(KubeApi, fake)
    release = Release("viewer", "viewer", "0.1.0", "pending-install", planned.rendered, {})
    with pytest.raises(InstallError, match="the cluster refuses StatefulSet services/db of viewer"):
        releases.install(api, release)
    releases.uninstall(api, release, hooks=False)
    assert fake.objects == {}


def _is_set(manifest: dict[str, Any]) -> bool:
    return bool(manifest["kind"] == "StatefulSet")
