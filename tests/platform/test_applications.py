"""Charts of an extension that are not workflows: which are installed, under which name, and which are refused."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness import profiles
from harness.artefacts import package as packages
from harness.artefacts.bundle import Artefacts
from harness.errors import ExtensionError, InstallError, ManifestError, RunError, UsageError
from harness.kube import ApiError, KubeApi, NotFound
from harness.platform import applications, upload
from harness.platform.airflow_client import DagBag, InstalledFiles
from harness.platform.applications import ApplicationPlan
from harness.platform.credentials import Credentials
from harness.platform.environment import Environment
from harness.platform.helm import Helm
from harness.platform.install import Deployment, deploy_built
from harness.platform.platform_names import PlatformNames
from harness.platform.projects import Project
from harness.platform.registries import CustomRegistries
from tests.platform.charts_for_tests import SETTINGS, write_application
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
    with pytest.raises(ExtensionError, match="not accept a release named 'viewer-My Name'") as caught:
        plan(path, helm, params={"instance": "My Name"})
    assert "value of instance" in caught.value.last_seen


def test_an_application_that_only_tasks_start_is_not_rendered_for_an_installation(tmp_path: Path, helm: Helm) -> None:
    planned = plan(write_application(tmp_path, "step", ["kaapanaint"], templates={"pod.yaml": POD}), helm)
    assert planned.release == ""
    assert planned.rendered.objects == ()


def test_a_chart_that_is_listed_and_started_by_tasks_is_installed(tmp_path: Path, helm: Helm) -> None:
    assert plan(write_application(tmp_path, "viewer", ["kaapanaapplication", "kaapanaint"]), helm).release == "viewer"


def test_a_parameter_that_no_template_of_an_application_reads_is_named(tmp_path: Path, helm: Helm) -> None:
    values = "global:\n  display_name: Viewer\nextension_params:\n"
    values += "  colour: {type: string, default: red, definition: Colour}\n"
    planned = plan(write_application(tmp_path, "viewer", ["kaapanaapplication"], values=values), helm)
    assert [(finding.rule, finding.where) for finding in planned.findings] == [("parameter-unread", "colour")]


def test_a_missing_image_of_an_application_is_reported_with_its_place(tmp_path: Path, helm: Helm) -> None:
    path = write_application(tmp_path, "viewer", ["kaapanaapplication"], templates={"pod.yaml": POD})
    with pytest.raises(ExtensionError, match=r"viewer-0\.1\.0\.tgz needs localhost:1/viewer:1\.0") as caught:
        plan(path, helm)
    assert "Pod services/viewer of the chart" in caught.value.last_seen


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
    (finding,) = upload.collect_findings(packages.read(path))
    assert (finding.rule, finding.where) == ("hidden-by-default", "viewer-0.1.0.tgz")
    assert upload.collect_findings(packages.read(write_application(tmp_path, "other", ["kaapanaapplication"]))) == ()


def test_a_run_needs_a_chart_with_a_dag(tmp_path: Path) -> None:
    artefacts = Artefacts((packages.read(write_application(tmp_path, "viewer", ["kaapanaapplication"])),), ())
    with pytest.raises(UsageError, match="nothing to run") as caught:
        artefacts.require_workflow()
    assert "viewer-0.1.0.tgz" in caught.value.last_seen


class FakeAirflow:
    """An Airflow without DAGs."""

    def refresh(self) -> DagBag:
        return DagBag({}, {})

    def files(self) -> InstalledFiles:
        return InstalledFiles({}, True)


class NoImages:
    """A registry in which nothing is."""

    shown = "the platform's registry"

    def find(self, reference: str, platform_registry: str) -> None:
        return None

    def similar(self, reference: str, platform_registry: str) -> list[str]:
        return []


@pytest.fixture
def fake() -> FakeApi:
    return FakeApi()


@pytest.fixture
def environment(fake: FakeApi) -> Environment:
    """An environment as far as charts without images need it."""
    cluster = SimpleNamespace(api=fake, withdraw_images=list)
    names = {"registry": "localhost:1", "platform_version": "0.6.0", "platform_globals": GLOBALS}
    parts = {"cluster": cluster, "airflow": FakeAirflow(), "profile": profiles.load("documented")}
    registry: Any = NoImages()
    added = CustomRegistries(cast(KubeApi, fake), registry, Credentials.random(), owned=True)
    return cast(Environment, SimpleNamespace(**names, **parts, platform_registry=registry, custom_registries=added))


def deploy(environment: Environment, *paths: Path) -> tuple[Deployment, ...]:
    project = Project("abc", {"id": "6f6d"}, "secret")
    read = [packages.read(path) for path in paths]
    return deploy_built(environment, read, [], project, add_to_project=False)


def test_an_application_whose_dags_may_not_be_added_goes_with_those_before_it(
    tmp_path: Path, fake: FakeApi, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Deployment, project: Project, *, acting: Project | None = None) -> None:
        raise RunError("the user may not")

    monkeypatch.setattr(Deployment, "add_to", refuse)
    viewer = packages.read(write_application(tmp_path, "viewer", ["kaapanaapplication"]))
    with pytest.raises(RunError):
        deploy_built(environment, [viewer], [], Project("abc", {"id": "6f6d"}, "hunter2-of-abc"))
    assert fake.objects == {}


def names_of(fake: FakeApi) -> list[str]:
    return sorted(name for kind, _, name in fake.objects if kind != "Secret")


def test_charts_without_dags_are_installed_and_uninstalled(
    tmp_path: Path, fake: FakeApi, environment: Environment
) -> None:
    viewer = write_application(tmp_path, "viewer", ["kaapanaapplication", "kaapanaexperimental"])
    first, step = deploy(environment, viewer, write_application(tmp_path, "step", ["kaapanaint"]))
    assert (first.release, first.installed, step.release, step.installed) == ("viewer", True, "", False)
    assert [finding.rule for finding in first.findings] == ["hidden-by-default"]
    assert names_of(fake) == ["viewer-settings"]
    (again,) = deploy(environment, viewer)
    assert not again.installed
    assert step.uninstall() == ()
    assert first.uninstall() == ()
    assert fake.objects == {}


def test_a_second_launch_is_a_second_release(tmp_path: Path, fake: FakeApi, environment: Environment) -> None:
    path = write_application(tmp_path, "viewer", MULTI)
    first, second = deploy(environment, path, path)
    assert names_of(fake) == sorted(f"{one.release}-settings" for one in (first, second))
    first.uninstall()
    assert names_of(fake) == [f"{second.release}-settings"]


def test_a_kind_that_the_cluster_does_not_have_is_refused_by_name_and_nothing_stays(
    tmp_path: Path, fake: FakeApi, environment: Environment
) -> None:
    text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: services}\n"
    unknown = NotFound(404, "NotFound", "this cluster has no kind 'StatefulSet'")
    fake.refuse = lambda manifest: unknown if manifest["kind"] == "StatefulSet" else None
    templates = {"db.yaml": text, "settings.yaml": SETTINGS}
    viewer = write_application(tmp_path, "viewer", ["kaapanaapplication"])
    database = write_application(tmp_path, "database", ["kaapanaapplication"], templates=templates)
    said = "the cluster refuses StatefulSet services/db of database: this cluster has no kind 'StatefulSet'"
    with pytest.raises(ManifestError, match=said) as caught:
        deploy(environment, viewer, database)
    assert caught.value.exit_status == 2
    assert fake.objects == {}


def test_a_cluster_that_fails_is_not_the_fault_of_an_object(
    tmp_path: Path, fake: FakeApi, environment: Environment
) -> None:
    fake.refuse = lambda manifest: None if manifest["kind"] == "Secret" else ApiError(500, "InternalError", "no leader")
    with pytest.raises(InstallError, match="no leader") as caught:
        deploy(environment, write_application(tmp_path, "viewer", MULTI))
    assert not isinstance(caught.value, ManifestError)
