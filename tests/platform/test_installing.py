"""Releases, the installer's Job and the way to a visible DAG, against an API in memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from harness import extension
from harness.artefacts.package import ChartPackage
from harness.errors import DagFileError, InstallError
from harness.extension import DagImageContents
from harness.kube import Invalid, KubeApi, Manifest
from harness.platform import dags, installer, releases
from harness.platform.airflow_client import AirflowClient, DagBag
from harness.platform.installation import Installable
from harness.platform.installer import Explanation
from harness.platform.manifests import arrange, parse_documents
from harness.platform.releases import HelmRelease
from harness.wire.names import FIELD_FORMS_PROBLEM
from tests.extension.trees_for_tests import FILES, write
from tests.platform.fake_api import FakeApi, job, terminated, waiting

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "services"}}


@pytest.fixture
def fake() -> FakeApi:
    return FakeApi()


@pytest.fixture
def api(fake: FakeApi) -> KubeApi:
    return cast(KubeApi, fake)


def release(*manifests: Manifest) -> HelmRelease:
    return HelmRelease("r", "chart", "1.0.0", "pending-install", arrange(manifests), {"global": {"image": "dag-mean"}})


def wait(api: KubeApi, manifest: Manifest) -> None:
    installer.wait(
        api, manifest, timeout_s=5, what="the installer of dag-mean", explain=lambda trouble: Explanation("the rule")
    )


def test_an_installed_release_is_found_by_another_process_as_it_was(fake: FakeApi, api: KubeApi) -> None:
    hook = job("remove", hook="pre-delete", hook_weight="-5")
    done = releases.install(api, release(job(), CONFIG, hook))
    assert done.status == "deployed"
    found = releases.find(api, "r")
    assert found == done.__class__(**{**done.__dict__, "note": "Install complete"})
    assert [r.name for r in releases.find_all(api)] == ["r"]
    secret = fake.get("Secret", "admin", "sh.helm.release.v1.r.v1")
    assert secret["type"] == "helm.sh/release.v1"
    assert secret["metadata"]["labels"] == {"owner": "helm", "name": "r", "status": "deployed", "version": "1"}


def test_an_installer_that_does_not_get_anywhere_is_reported_with_its_events(fake: FakeApi, api: KubeApi) -> None:
    manifest = api.apply(job())
    fake.pod_status = lambda job: [{"phase": "Pending"}]
    about = {"kind": "Pod", "name": "dag-mean-x"}
    event = {"kind": "Event", "metadata": {"name": "e", "namespace": "services"}, "involvedObject": about}
    fake.objects["Event", "services", "e"] = event | {"reason": "FailedMount", "message": "no volume"}
    with pytest.raises(InstallError, match="did not end within 5 s") as caught:
        wait(api, manifest)
    assert caught.value.last_seen == "pod dag-mean-x: Pending\nFailedMount: no volume"


def test_objects_are_applied_in_helms_order_and_delete_hooks_are_not(fake: FakeApi, api: KubeApi) -> None:
    releases.install(api, release(job(), CONFIG, job("remove", hook="pre-delete")))
    applied = [entry for entry in fake.log if "Secret" not in entry]
    assert applied == ["apply ConfigMap/c", "apply Job/dag-mean"]


def test_a_refused_object_is_named_and_the_release_is_failed(fake: FakeApi, api: KubeApi) -> None:
    fake.refuse = lambda m: Invalid(422, "Invalid", "spec.x: no") if m["kind"] == "Job" else None
    with pytest.raises(InstallError, match="refuses Job services/dag-mean of chart") as caught:
        releases.install(api, release(job(), CONFIG))
    assert "spec.x: no" in caught.value.last_seen
    found = releases.find(api, "r")
    assert found is not None
    assert found.status == "failed"


def test_uninstalling_runs_the_hook_first_and_leaves_nothing(fake: FakeApi, api: KubeApi) -> None:
    done = releases.install(
        api, release(job(), CONFIG, job("remove", hook="pre-delete", hook_delete_policy="hook-succeeded,hook-failed"))
    )
    fake.log.clear()
    releases.uninstall(api, done, on_hook=lambda hook: wait(api, hook))
    assert [entry for entry in fake.log if "Secret" not in entry] == [
        "apply Job/remove",
        "delete Job/remove",
        "delete Job/dag-mean",
        "delete ConfigMap/c",
    ]
    assert fake.objects == {}


def test_a_failing_hook_leaves_the_release_uninstalling_with_its_objects(fake: FakeApi, api: KubeApi) -> None:
    done = releases.install(
        api, release(job(), job("remove", hook="pre-delete", hook_delete_policy="hook-succeeded,hook-failed"))
    )
    fake.pod_status = lambda j: [terminated(1)]
    with pytest.raises(InstallError):
        releases.uninstall(api, done, on_hook=lambda hook: wait(api, hook))
    found = releases.find(api, "r")
    assert found is not None
    assert found.status == "uninstalling"
    assert ("Job", "services", "dag-mean") in fake.objects
    assert ("Job", "services", "remove") not in fake.objects


def test_a_forced_uninstall_runs_no_hook(fake: FakeApi, api: KubeApi) -> None:
    done = releases.install(api, release(job(), job("remove", hook="pre-delete")))
    fake.log.clear()
    releases.uninstall(api, done, hooks=False)
    assert "apply Job/remove" not in fake.log
    assert fake.objects == {}


def test_an_object_with_the_policy_keep_stays(fake: FakeApi, api: KubeApi) -> None:
    kept = {**CONFIG, "metadata": {**CONFIG["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}}}  # type: ignore[dict-item]
    done = releases.install(api, release(kept))
    releases.uninstall(api, done)
    assert list(fake.objects) == [("ConfigMap", "services", "c")]


def test_an_object_without_a_namespace_lands_in_admin(fake: FakeApi, api: KubeApi) -> None:
    releases.install(api, release({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n"}}))
    assert ("ConfigMap", "admin", "n") in fake.objects


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_namespace_that_a_template_left_empty_is_that_of_helm_and_the_object_goes_with_the_release(
    fake: FakeApi, api: KubeApi, nothing: str | None
) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "namespace": nothing}}
    done = releases.install(api, release(manifest))
    assert ("ConfigMap", "admin", "n") in fake.objects
    releases.uninstall(api, done)
    assert fake.objects == {}


def test_annotations_without_a_value_do_not_stop_an_installation(fake: FakeApi, api: KubeApi) -> None:
    hook = job("prepare", hook="pre-install")
    hook["metadata"]["annotations"]["helm.sh/hook-delete-policy"] = None
    unknown = job("never")
    unknown["metadata"]["annotations"] = {"helm.sh/hook": None}
    releases.install(api, release(CONFIG, hook, unknown))
    assert ("Job", "services", "prepare") in fake.objects
    assert ("Job", "services", "never") not in fake.objects


def test_a_job_whose_backoff_limit_is_null_has_that_of_kubernetes(fake: FakeApi, api: KubeApi) -> None:
    manifest = job()
    manifest["spec"]["backoffLimit"] = None
    fake.pod_status = lambda job: [{"phase": "Failed"}, {"phase": "Succeeded"}]
    wait(api, api.apply(manifest))


def test_a_backoff_limit_that_is_text_is_refused_while_the_chart_is_read() -> None:
    spec = "{backoffLimit: many, template: {spec: {containers: [{name: c}]}}}"
    text = f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: j}}\nspec: {spec}"
    with pytest.raises(ValueError, match=r"Job j: spec\.backoffLimit is 'many', expected a number"):
        parse_documents(text)


def test_a_succeeded_pod_ends_the_wait(fake: FakeApi, api: KubeApi) -> None:
    fake.apply(job())
    fake.pod_status = lambda j: [waiting("ContainerCreating"), {"phase": "Running"}, {"phase": "Succeeded"}]
    wait(api, job())


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError"])
def test_a_pod_that_cannot_start_is_named_with_its_reason_image_and_the_rule(
    fake: FakeApi, api: KubeApi, reason: str
) -> None:
    fake.apply(job())
    fake.pod_status = lambda j: [waiting("ContainerCreating"), waiting(reason, "tags of dag-mean: 0.6.0")]
    with pytest.raises(InstallError) as caught:
        wait(api, job())
    assert caught.value.cause == (f"the installer of dag-mean cannot start: {reason} of localhost:1/dag-mean:0.0.0")
    assert "tags of dag-mean: 0.6.0" in caught.value.last_seen
    assert caught.value.fix == "the rule"


def test_a_failed_installer_shows_its_log(fake: FakeApi, api: KubeApi) -> None:
    fake.apply(job())
    fake.pod_status = lambda j: [terminated(1)]
    fake.pod_logs = ["copying", "ERROR Unknown relative directory dag"]
    with pytest.raises(InstallError) as caught:
        wait(api, job())
    assert "container copy-dag-mean ended with Error, exit status 1" in caught.value.cause
    assert "Unknown relative directory dag" in caught.value.last_seen
    assert "only dags/, plugins/" in caught.value.fix


def test_an_installer_killed_for_memory_names_the_default_limit(fake: FakeApi, api: KubeApi) -> None:
    fake.apply(job())
    fake.pod_status = lambda j: [terminated(137, "OOMKilled")]
    with pytest.raises(InstallError) as caught:
        wait(api, job())
    assert "OOMKilled" in caught.value.cause
    assert "50 MiB" in caught.value.fix


def test_an_installer_that_does_not_end_is_given_up_with_its_last_state(fake: FakeApi, api: KubeApi) -> None:
    fake.apply(job())
    fake.pod_status = lambda j: [waiting("PodInitializing")]
    with pytest.raises(InstallError, match="did not end within 5 s") as caught:
        wait(api, job())
    assert caught.value.last_seen == "pod dag-mean-x: Pending PodInitializing"


def test_a_job_may_fail_as_often_as_it_says(fake: FakeApi, api: KubeApi) -> None:
    manifest = job()
    manifest["spec"]["backoffLimit"] = 1
    fake.apply(manifest)
    fake.pod_status = lambda j: [terminated(1), {"phase": "Succeeded"}]
    wait(api, manifest)


def test_a_failing_job_of_the_charts_own_templates_is_named_with_its_log(fake: FakeApi, api: KubeApi) -> None:
    mine = job("fill-bucket")
    fake.apply(mine)
    said: list[str] = []

    def wait_for_jobs() -> None:
        installer.wait_for_jobs(
            api, [CONFIG, mine], timeout_s=5, registry="", explain=lambda trouble: "", say=said.append
        )

    wait_for_jobs()
    assert said == ["waiting for the Job fill-bucket"]
    fake.pod_status = lambda j: [terminated(3)]
    fake.pod_logs = ["no such bucket"]
    with pytest.raises(InstallError, match=r"the chart's Job fill-bucket failed: .* exit status 3") as caught:
        wait_for_jobs()
    assert caught.value.last_seen == "no such bucket"


def test_parameters_that_no_object_shows_still_make_another_install() -> None:
    def installable(value: str) -> Installable:
        package = ChartPackage(Path("a-1.0.0.tgz"), "a", "1.0.0", {}, {"global": {"image": "dag-a"}}, {})
        return Installable(package, "a", arrange([]), {}, DagImageContents(()), (), {"a": value})

    assert installable("1").fingerprint != installable("2").fingerprint
    assert installable("1").fingerprint == installable("1").fingerprint


class FakeAirflow:
    """Answers of Airflow for one DAG file."""

    def __init__(self, dag_ids: list[str], errors: dict[str, str] | None = None, **shown: Any) -> None:
        self._bag = DagBag(
            {dag_id: {"fileloc": "/kaapana/mounted/workflows/dags/dag_mean.py"} for dag_id in dag_ids}
            | {"other": {"fileloc": "/kaapana/mounted/workflows/dags/dag_other.py"}},
            errors or {},
        )
        self._shown = {dag_id: {"ui_visible": True, **shown} for dag_id in dag_ids}

    def refresh(self) -> DagBag:
        return self._bag

    def dags(self) -> dict[str, Any]:
        return self._shown


def collect(tmp_path: Path, airflow: FakeAirflow) -> dags.Dags:
    return dags.collect("mean-workflow", extension.read(write(tmp_path)).contents, cast(AirflowClient, airflow))


FORMS = {"data_form": {"properties": {"dataset_name": {"type": "string"}}}, "workflow_form": {}}


def test_only_the_dags_of_the_extensions_own_files_belong_to_it(tmp_path: Path) -> None:
    found = collect(tmp_path, FakeAirflow(["b", "a"], {"dag_other.py": "broken"}, ui_forms=FORMS))
    assert found == dags.Dags(("a", "b"), ("a", "b"))


def test_an_import_error_names_the_authors_file_the_line_and_the_exception_first(tmp_path: Path) -> None:
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/opt/venv/lib/python3.12/site-packages/airflow/models/dagbag.py", line 300, in parse\n'
        "    loader.exec_module(new_module)\n"
        '  File "/kaapana/mounted/workflows/dags/dag_mean.py", line 2, in <module>\n'
        "    from mean_value.MeanOperator import MeanOperator\n"
        '  File "/kaapana/mounted/workflows/dags/mean_value/MeanOperator.py", line 4, in <module>\n'
        "    import nothing\n"
        "ModuleNotFoundError: No module named 'nothing'\n"
    )
    with pytest.raises(InstallError) as caught:
        collect(tmp_path, FakeAirflow([], {"dag_mean.py": trace}))
    assert caught.value.cause == (
        "extension/docker/files/mean-value/MeanOperator.py line 4 does not import: "
        "ModuleNotFoundError: No module named 'nothing'"
    )
    assert str(caught.value).splitlines()[0] == caught.value.cause


def test_a_syntax_error_is_located_too(tmp_path: Path) -> None:
    trace = (
        '  File "/kaapana/mounted/workflows/dags/dag_mean.py", line 7\n    with DAG(\n            ^\n'
        "SyntaxError: '(' was never closed\n"
    )
    with pytest.raises(InstallError, match=r"dag_mean\.py line 7 does not import: SyntaxError"):
        collect(tmp_path, FakeAirflow([], {"/kaapana/mounted/workflows/dags/dag_mean.py": trace}))


def test_an_exception_whose_text_has_lines_of_its_own_is_named(tmp_path: Path) -> None:
    trace = (
        'Traceback (most recent call last):\n  File "/opt/airflow/x.py", line 1, in sync\n    write()\n'
        "sqlalchemy.exc.DataError: invalid input syntax for type json\nLINE 1: INSERT INTO\n"
        'DETAIL:  Token "NaN" is invalid.\n(Background on this error at: https://sqlalche.me/e/14/9h9h)\n'
    )
    with pytest.raises(InstallError, match=r"does not import: sqlalchemy\.exc\.DataError: invalid input syntax"):
        collect(tmp_path, FakeAirflow([], {"dag_mean.py": trace}))


def test_a_line_before_the_first_is_not_named(tmp_path: Path) -> None:
    trace = '  File "/kaapana/mounted/workflows/dags/dag_mean.py", line 0\nSyntaxError: unknown encoding: nonsense\n'
    with pytest.raises(InstallError, match=r"dag_mean\.py does not import: SyntaxError: unknown encoding"):
        collect(tmp_path, FakeAirflow([], {"dag_mean.py": trace}))


def test_forms_that_no_page_can_show_are_named_with_file_and_dag(tmp_path: Path) -> None:
    problem = "they are of the type list, not a dictionary"
    with pytest.raises(DagFileError) as caught:
        collect(tmp_path, FakeAirflow(["a"], **{FIELD_FORMS_PROBLEM: problem}))
    assert caught.value.cause == (
        f"extension/docker/files/dag_mean.py: the page cannot show the ui_forms of the DAG a: {problem}"
    )


@pytest.mark.parametrize("data_form", [3, "x", [1], {"properties": 3}, {"properties": None}, True])
def test_a_data_form_that_is_not_a_form_is_noted_as_missing(tmp_path: Path, data_form: Any) -> None:
    (found,) = collect(tmp_path, FakeAirflow(["a"], ui_forms={"data_form": data_form})).findings
    assert (found.rule, found.where) == ("extension-note", "a")
    assert found.message == "has no data_form: users cannot choose a dataset"


def test_a_file_without_a_dag_is_named(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="no DAG appeared") as caught:
        collect(tmp_path, FakeAirflow([]))
    assert "dags/dag_mean.py" in caught.value.last_seen


@pytest.mark.parametrize("visible", [False, None, "True"])
def test_dags_that_no_user_can_see_are_installed_with_a_note(tmp_path: Path, visible: Any) -> None:
    found = collect(tmp_path, FakeAirflow(["a"], ui_visible=visible))
    assert (found.ids, found.visible) == (("a",), ())
    (finding,) = found.findings
    assert finding.where == "a"
    assert finding.message.startswith(f"is never offered to users: ui_visible of its default_args is {visible!r}, not")


def test_a_dag_without_forms_is_installed_with_a_note(tmp_path: Path) -> None:
    (found,) = collect(tmp_path, FakeAirflow(["a"])).findings
    assert found.message == "has no ui_forms: users cannot choose a dataset"


def test_a_dag_without_a_choice_of_a_dataset_is_noted_where_it_reads_one(tmp_path: Path) -> None:
    without = FakeAirflow(["a"], ui_forms={"workflow_form": {}})
    assert collect(tmp_path / "plain", without).findings == ()
    empty = FakeAirflow(["a"], ui_forms={"workflow_form": {}, "data_form": {}})
    assert collect(tmp_path / "empty", empty).findings == ()
    reading = write(tmp_path / "reading")
    file = reading / "extension/docker/files/dag_mean.py"
    file.write_text(f"from kaapana.operators.GetInputOperator import GetInputOperator\n{file.read_text()}")
    contents = extension.read(reading).contents
    (found,) = dags.collect("mean-workflow", contents, cast(AirflowClient, without)).findings
    assert found.message == "has no data_form: users cannot choose a dataset"


@pytest.mark.parametrize(
    ("name", "schema", "said"),
    [
        ("threshold", {"type": "integer", "required": False}, "treats like True"),
        ("model", {"type": "string", "required": True, "readOnly": True}, "no user can start the workflow"),
        ("single_execution", {"type": "string", "default": "True"}, "is not a boolean"),
        ("single_execution", {"type": "boolean", "default": "True"}, "is not a boolean"),
    ],
)
def test_a_property_of_a_form_that_will_not_do_what_it_seems_is_noted(
    tmp_path: Path, name: str, schema: dict[str, Any], said: str
) -> None:
    data_form = {"properties": {"dataset_name": {"type": "string"}}}
    forms = {"data_form": data_form, "workflow_form": {"properties": {name: schema}}}
    (found,) = collect(tmp_path, FakeAirflow(["a"], ui_forms=forms)).findings
    assert found.where == "a"
    assert found.message.startswith(f"workflow_form.{name} ")
    assert said in found.message


def test_an_ordinary_form_needs_no_note(tmp_path: Path) -> None:
    properties = {
        "single_execution": {"type": "boolean", "default": False, "readOnly": False, "required": True},
        "model": {"type": "string", "required": True, "readOnly": True, "default": "net"},
        "organ": {"type": "string", "enum": ["liver"], "required": False},
    }
    data_form = {"properties": {"dataset_name": {"type": "string"}}}
    forms = {"data_form": data_form, "workflow_form": {"properties": properties}}
    assert collect(tmp_path, FakeAirflow(["a"], ui_forms=forms)).findings == ()


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ('"localhost:32000/mean:0.6.0"', "another registry than the platform's"),
        ('f"{DEFAULT_REGISTRY}/mean:1.0"', "the tag 1.0"),
    ],
)
def test_an_image_that_the_platform_will_not_find_is_noted_with_its_line(tmp_path: Path, image: str, said: str) -> None:
    path = "extension/docker/files/mean-value/MeanOperator.py"
    changed = re.sub(r'f".DEFAULT_REGISTRY.*"', image, FILES[path])
    source = extension.read(write(tmp_path, {path: changed}))
    (found,) = dags.find_in_images(source.contents)
    assert found.where == f"{path}:10"
    assert said in found.message


def test_images_as_the_platform_names_them_need_no_note(tmp_path: Path) -> None:
    assert dags.find_in_images(extension.read(write(tmp_path)).contents) == []
