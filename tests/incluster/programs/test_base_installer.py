"""The installer of DAG files: copy, remove, prefetch."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.incluster.programs.program_runs import PRINT_PEAK_MEGABYTES
from tests.incluster.programs.small_platform import SmallPlatform

PROGRAM = Path(__file__).parents[3] / "harness" / "images" / "base-installer" / "run.py"
SPEC = importlib.util.spec_from_file_location("base_installer", PROGRAM)
installer = importlib.util.module_from_spec(SPEC)
sys.modules["base_installer"] = installer
SPEC.loader.exec_module(installer)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "tmp"
    (folder / "dags" / "my_pkg").mkdir(parents=True)
    (folder / "dags" / "dag_mine.py").write_text("dag")
    (folder / "dags" / "my_pkg" / "MyOperator.py").write_text("operator")
    return folder


@pytest.fixture
def target(tmp_path):
    return tmp_path / "workflows"


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_copy_puts_every_file_below_the_target_and_deletes_nothing(source, target):
    (target / "dags").mkdir(parents=True)
    (target / "dags" / "old.py").write_text("old")
    (target / "dags" / "dag_mine.py").write_text("older version")
    installer.copy_tree(source, target)
    assert names(target) == {"dags/old.py", "dags/dag_mine.py", "dags/my_pkg/MyOperator.py"}
    assert (target / "dags" / "dag_mine.py").read_text() == "dag"


def test_copy_does_not_carry_file_modes(source, target):
    (source / "dags" / "dag_mine.py").chmod(0o755)
    installer.copy_tree(source, target)
    assert not os.access(target / "dags" / "dag_mine.py", os.X_OK)


def test_an_empty_source_is_success(tmp_path, target):
    installer.copy_tree(tmp_path / "nothing", target)
    assert not target.exists()


def test_an_unknown_top_folder_ends_it_after_what_sorts_before(source, target):
    (source / "scripts").mkdir()
    with pytest.raises(installer.InstallerError, match="Unknown relative directory 'scripts'"):
        installer.copy_tree(source, target)
    assert "dags/dag_mine.py" in names(target)


@pytest.mark.parametrize(
    ("left", "stays"),
    [
        ([], False),
        (["__pycache__/MyOperator.pyc", ".cache", "x.pyc"], False),
        (["other.py"], True),
    ],
)
def test_a_folder_goes_when_nothing_visible_is_left_in_it(source, target, left, stays):
    installer.copy_tree(source, target)
    (target / "dags" / "dag_other.py").write_text("another extension")
    for name in left:
        path = target / "dags" / "my_pkg" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    installer.remove_tree(source, target, workflow_mode=True)
    assert (target / "dags" / "my_pkg").exists() is stays
    assert not (target / "dags" / "my_pkg" / "MyOperator.py").exists()
    assert (target / "dags" / "dag_other.py").is_file()


def test_outside_of_the_workflow_folder_only_charts_are_visible(source, target):
    (source / "extensions").mkdir()
    (source / "extensions" / "a.tgz").write_text("")
    installer.copy_tree(source, target)
    (target / "extensions" / "b.tgz").write_text("")
    (target / "dags" / "other.py").write_text("")
    installer.remove_tree(source, target, workflow_mode=False)
    assert names(target) == {"extensions/b.tgz"}


def test_removing_a_missing_file_succeeds(source, target):
    installer.remove_tree(source, target, workflow_mode=True)


def test_images_are_found_in_any_python_file_with_the_registry_filled_in(tmp_path):
    (tmp_path / "a.py").write_text(
        'image=f"{DEFAULT_REGISTRY}/otsus-method:{KAAPANA_BUILD_VERSION}"\n'
        "image='{default_registry}/other:1.0'\n"
        'image="reg.example.org/group/nested:2"  # one level is dropped\n'
        'image=f"{DEFAULT_REGISTRY}/otsus-method:{KAAPANA_BUILD_VERSION}"\n'
        'image = "reg.example.org/blank:1"\n'
        'image="localhost:5000/port:1"\n'
        'image="reg.example.org/a/b/deep:1"\n'
    )
    (tmp_path / "a.txt").write_text('image="reg.example.org/text:1"')
    assert installer.images(tmp_path, "reg/k") == [
        ("reg/k", "otsus-method", "{KAAPANA_BUILD_VERSION}"),
        ("reg/k", "other", "1.0"),
        ("reg.example.org", "nested", "2"),
    ]


COMPLETE = {
    "ADMIN_NAMESPACE": "admin",
    "SERVICES_NAMESPACE": "services",
    "KAAPANA_BUILD_VERSION": "0.6.0",
    "KAAPANA_DEFAULT_REGISTRY": "reg",
}


@pytest.mark.parametrize("missing", list(COMPLETE))
def test_a_variable_that_is_missing_or_empty_stops_it_before_any_file(source, missing):
    environ = {**COMPLETE, "TMP_PREFIX": str(source), missing: ""}
    with pytest.raises(installer.InstallerError, match=f"Configuration error.*{missing}"):
        installer.main(environ)


def test_outside_of_the_workflow_folder_no_variable_and_no_service_is_needed(source, target):
    installer.main({"TMP_PREFIX": str(source), "TARGET_PREFIX": str(target)})
    assert "dags/dag_mine.py" in names(target)


def test_an_unknown_action_does_nothing_and_succeeds(source, target):
    installer.main({"ACTION": "update", "TMP_PREFIX": str(source), "TARGET_PREFIX": str(target)})
    assert not target.exists()


@pytest.fixture
def workflows(monkeypatch, target):
    monkeypatch.setattr(installer, "WORKFLOWS", str(target))
    return target


@pytest.fixture
def posts(monkeypatch):
    result = []
    monkeypatch.setattr(installer, "post", lambda url, body: result.append((url, body)))
    return result


def test_after_copying_it_asks_for_the_images_to_be_pulled(source, workflows, posts):
    (source / "dags" / "dag_mine.py").write_text('image=f"{DEFAULT_REGISTRY}/mine:{KAAPANA_BUILD_VERSION}"')
    installer.main({**COMPLETE, "TMP_PREFIX": str(source), "TARGET_PREFIX": str(workflows)})
    body = {"docker_registry_url": "reg", "docker_image": "mine", "docker_version": "{KAAPANA_BUILD_VERSION}"}
    assert posts == [("http://kube-helm-service.admin.svc:5000/pull-docker-image", body)]


def test_after_removing_it_has_the_platform_forget_the_dags(source, workflows, posts):
    installer.main({**COMPLETE, "ACTION": "remove", "TMP_PREFIX": str(source), "TARGET_PREFIX": str(workflows)})
    base = "http://airflow-webserver-service.services.svc:8080"
    assert posts == [(f"{base}/flow/kaapana/api/trigger/service-daily-cleanup-jobs", {})]


def test_prefetch_asks_for_images_copies_nothing_and_waits(source, workflows, posts, monkeypatch):
    class StoppedError(Exception):
        pass

    def stop():
        raise StoppedError

    monkeypatch.setattr(installer, "wait_forever", stop)
    (source / "dags" / "dag_mine.py").write_text("image='r/a:1'")
    with pytest.raises(StoppedError):
        installer.main({**COMPLETE, "ACTION": "prefetch", "TMP_PREFIX": str(source), "TARGET_PREFIX": str(workflows)})
    assert [body["docker_image"] for _, body in posts] == ["a"]
    assert not workflows.exists()


@pytest.mark.parametrize("status", [202, 500])
def test_the_status_of_an_answer_is_only_logged(tmp_path, caplog, status):
    platform = SmallPlatform(tmp_path)
    platform.answers["/pull-docker-image"] = (status, "application/json", b"{}")
    with caplog.at_level(logging.INFO):
        installer.post(f"http://127.0.0.1:{platform.port}/pull-docker-image", {"docker_image": "a"})
    platform.close()
    assert platform.requests == [("POST", "/pull-docker-image", {"docker_image": "a"})]
    assert f"answers {status}" in caplog.text


def test_a_service_that_cannot_be_reached_ends_it_with_one(source, target):
    code = f"import runpy, sys\nsys.argv = ['run.py']\nrunpy.run_path({str(PROGRAM)!r}, run_name='__main__')"
    env = {**COMPLETE, "ACTION": "remove", "TMP_PREFIX": str(source), "SERVICES_NAMESPACE": "nowhere.invalid"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert " - base-installer - ERROR - " in done.stderr


def test_it_fits_into_the_memory_of_a_container_without_resources(source, target):
    code = f"import runpy\nrunpy.run_path({str(PROGRAM)!r}, run_name='__main__')\n{PRINT_PEAK_MEGABYTES}"
    env = {"TMP_PREFIX": str(source), "TARGET_PREFIX": str(target)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40
