"""Upload and download: names, whitelist, overrides, and what fails."""

from __future__ import annotations

import zipfile

import pytest
from minio.error import S3Error

from harness.incluster.programs import minio_operator, platform_client
from harness.incluster.programs.minio_operator import is_whitelisted
from tests.incluster.programs.small_platform import SmallPlatform

PUT = {"ACTION": "put", "MINIO_PREFIX": "results", "WHITELISTED_FILE_EXTENSIONS": ".json,.html"}
RUN_LEVEL = {**PUT, "NONE_BATCH_INPUT_OPERATORS": "report"}


class Store:
    """The calls of the S3 client that the program makes, in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def fput_object(self, bucket: str, name: str, path: str) -> None:
        with open(path, "rb") as stream:
            self.objects[f"{bucket}/{name}"] = stream.read()

    def fget_object(self, bucket: str, name: str, path: str) -> None:
        if f"{bucket}/{name}" not in self.objects:
            raise S3Error("NoSuchKey", "no such key", name, "", "", None, bucket, name)
        with open(path, "wb") as stream:
            stream.write(self.objects[f"{bucket}/{name}"])


@pytest.fixture
def store(monkeypatch):
    result = Store()
    monkeypatch.setattr(minio_operator, "_client", lambda: result)
    return result


def put_file(folder, name, text="x"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_objects_are_named_by_prefix_and_path_below_the_run(execute, run_folder, store):
    put_file(run_folder.element("algo", uid="1.1"), "sub/a.json")
    put_file(run_folder.root / "report", "r.html")
    put_file(run_folder.root / "report", "r.pdf")
    ended = execute("minio-operator", **RUN_LEVEL, BATCH_INPUT_OPERATORS="algo")
    assert ended.status == 0, ended.errors
    assert set(store.objects) == {
        "project-admin/results/batch/1.1/algo/sub/a.json",
        "project-admin/results/report/r.html",
    }
    assert "report/r.pdf: left out" in ended.output


def test_single_files_are_relative_to_the_run_and_pass_the_whitelist_too(execute, run_folder, store):
    put_file(run_folder.root, "a.json")
    put_file(run_folder.root, "b.txt")
    ended = execute("minio-operator", **PUT, SOURCE_FILES="a.json,b.txt,not-there.txt")
    assert ended.status == 0
    assert set(store.objects) == {"project-admin/results/a.json"}


@pytest.mark.parametrize("zipped", ["False", "True"])
@pytest.mark.parametrize("missing", ["c.json", " a.json"])
def test_a_missing_file_fails_the_task_after_the_files_before_it(execute, run_folder, store, zipped, missing):
    put_file(run_folder.root / "report", "r.html")
    put_file(run_folder.root, "a.json")
    put_file(run_folder.root, "z.json")
    ended = execute("minio-operator", **RUN_LEVEL, SOURCE_FILES=f"a.json,{missing},z.json", ZIP_FILES=zipped)
    assert ended.status == 1
    assert f"{missing} of source_files does not exist" in ended.cause
    before = set() if zipped == "True" else {"project-admin/results/a.json", "project-admin/results/report/r.html"}
    assert set(store.objects) == before


@pytest.mark.parametrize("name", ["", "None", "mine"])
def test_the_bucket_is_that_of_the_project_unless_one_is_named(execute, run_folder, store, name):
    put_file(run_folder.root / "report", "r.html")
    assert execute("minio-operator", **RUN_LEVEL, BUCKET_NAME=name).status == 0
    assert set(store.objects) == {f"{'mine' if name == 'mine' else 'project-admin'}/results/report/r.html"}


def test_zipped_files_are_one_object_and_leave_nothing_behind(execute, run_folder, store, tmp_path):
    put_file(run_folder.root / "report", "r.html")
    put_file(run_folder.element("algo", uid="1.1"), "a.json")
    before = run_folder.files()
    env = {**RUN_LEVEL, "BATCH_INPUT_OPERATORS": "algo", "ZIP_FILES": "True"}
    assert execute("minio-operator", **env).status == 0
    ((name, data),) = store.objects.items()
    assert name.startswith(f"project-admin/results/{run_folder.root.name}_")
    assert name.endswith(".zip")
    (tmp_path / "archive.zip").write_bytes(data)
    content = zipfile.ZipFile(tmp_path / "archive.zip").namelist()
    assert sorted(content) == ["batch/1.1/algo/a.json", "report/r.html"]
    assert run_folder.files() == before


def test_top_level_keys_of_the_configuration_override_the_operator(execute, run_folder, store):
    put_file(run_folder.root / "report", "r.pdf")
    put_file(run_folder.root, "extra.pdf")
    run_folder.conf(
        bucket_name="other", minio_prefix="p", whitelisted_file_extensions=[".pdf"], action_files=["extra.pdf"]
    )
    assert execute("minio-operator", **RUN_LEVEL).status == 0
    assert set(store.objects) == {"other/p/report/r.pdf", "other/p/extra.pdf"}


def test_no_file_to_upload_is_a_failure_that_says_what_was_found(execute, run_folder, store):
    put_file(run_folder.root / "report", "r.pdf")
    ended = execute("minio-operator", **RUN_LEVEL)
    assert ended.status == 1
    assert "1 file(s) found in 1 folder(s), none passes the whitelist .json,.html" in ended.cause


@pytest.mark.parametrize(
    ("whitelist", "zipped", "rule"),
    [
        (".,j,s,o,n", "False", "whitelist-is-text"),
        ("json,.txt", "False", "whitelist-without-dot"),
        (".zip", "True", "whitelist-only-zip"),
    ],
)
def test_a_whitelist_that_cannot_be_meant_so_is_pointed_out(execute, run_folder, store, whitelist, zipped, rule):
    put_file(run_folder.root / "report", "r.json")
    ended = execute("minio-operator", **{**RUN_LEVEL, "WHITELISTED_FILE_EXTENSIONS": whitelist, "ZIP_FILES": zipped})
    assert ended.status == 1
    assert f"notice {rule}: " in ended.output


def test_an_ordinary_whitelist_gives_no_notice(execute, run_folder, store):
    put_file(run_folder.root / "report", "r.json")
    assert "notice" not in execute("minio-operator", **RUN_LEVEL).output


def test_an_upload_of_missing_folders_only_fails_with_a_warning(execute, store):
    ended = execute("minio-operator", **RUN_LEVEL)
    assert ended.status == 1
    assert "warning: report does not exist" in ended.output


def test_a_link_out_of_the_run_is_not_followed(execute, run_folder, store, tmp_path):
    (tmp_path / "secret.json").write_text("secret")
    put_file(run_folder.root / "report", "r.json")
    (run_folder.root / "report" / "link.json").symlink_to(tmp_path / "secret.json")
    assert execute("minio-operator", **RUN_LEVEL).status == 0
    assert set(store.objects) == {"project-admin/results/report/r.json"}


def test_get_puts_objects_below_the_output_folder(execute, run_folder, store):
    store.objects["project-admin/results/nb/a.ipynb"] = b"notebook"
    env = {**PUT, "ACTION": "GET", "SOURCE_FILES": "nb/a.ipynb", "OPERATOR_OUT_DIR": "get-notebook"}
    assert execute("minio-operator", **env).status == 0
    assert (run_folder.root / "get-notebook/nb/a.ipynb").read_bytes() == b"notebook"


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        ("", "needs SOURCE_FILES"),
        ("missing.txt", "project-admin/results/missing.txt"),
        ("../../../x", "leads out of the run's folder"),
        ("/etc/x", "leads out of the run's folder"),
    ],
)
def test_a_get_that_cannot_be_done_is_a_failure(execute, store, files, cause):
    env = {**PUT, "ACTION": "get", "SOURCE_FILES": files, "OPERATOR_OUT_DIR": "out"}
    ended = execute("minio-operator", **env)
    assert ended.status == 1
    assert cause in ended.cause


def test_another_action_does_nothing_and_succeeds_as_on_the_platform(execute, store):
    ended = execute("minio-operator", **{**RUN_LEVEL, "ACTION": "add"})
    assert ended.status == 0
    assert "ACTION is 'add'" in ended.output
    assert not store.objects


def test_a_zip_flag_that_is_not_a_boolean_is_a_failure(execute, store):
    assert "ZIP_FILES is 'yes'" in execute("minio-operator", **RUN_LEVEL, ZIP_FILES="yes").cause


@pytest.mark.parametrize(
    ("name", "whitelist", "passes"),
    [
        ("a.json", [".json"], True),
        ("a.JSON", [".json"], False),
        ("a.nii.gz", [".nii.gz"], True),
        ("a.nii.gz", [".gz"], True),
        ("a.gz", [".nii.gz"], False),
        ("a.json", ["json"], False),
        ("a.json", [], False),
        ("a.json", [".", "j", "s", "o", "n"], False),
        ("noextension", [".json"], False),
    ],
)
def test_the_whitelist_compares_trailing_suffixes(name, whitelist, passes):
    assert is_whitelisted(name, whitelist) is passes


def test_the_keys_of_the_object_store_come_for_the_token_of_the_project(tmp_path, monkeypatch):
    platform = SmallPlatform(tmp_path)
    monkeypatch.setattr(platform_client, "service", lambda constant: ("127.0.0.1", platform.port))
    monkeypatch.setenv("KEYCLOAK_URL", f"http://127.0.0.1:{platform.port}")
    monkeypatch.setenv("KAAPANA_PROJECT_USER_PASSWORD", "p")
    monkeypatch.setenv("KAAPANA_CLIENT_SECRET", "s")
    assert platform_client.PlatformClient().object_store_keys() == ("key", "secret", "session")
    (query,) = platform.forms("/")
    assert query == {
        "Action": "AssumeRoleWithWebIdentity",
        "WebIdentityToken": "token-1",
        "Version": "2011-06-15",
    }
    platform.close()
