"""The library that the base image gives authors."""

from __future__ import annotations

import importlib
import logging
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.processing.processing_runs import STUDY, series
from tests.processing.small_platform import SmallPlatform

pydantic = pytest.importorskip("pydantic", reason="the base image has it, hosts need not")
pytest.importorskip("pydantic_settings")

LIBRARY = Path(__file__).parents[2] / "harness" / "images" / "base-python-cpu"
OPERATOR = {
    "RUN_ID": "r-1",
    "DAG_ID": "d",
    "TASK_ID": "t",
    "WORKFLOW_DIR": "/data/r-1",
    "OPERATOR_OUT_DIR": "out",
    "BATCHES_INPUT_DIR": "/data/r-1/batch",
}


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    """The library on the path, nothing of it loaded yet, and an environment without the platform's names."""
    monkeypatch.syspath_prepend(str(LIBRARY))
    import os

    prefixes = ("KAAPANA", "OPENSEARCH", "KEYCLOAK", "SERVICES_", "ADMIN_", "MINIO", "OPERATOR_", "BATCH", "TZ")
    for name in list(os.environ):
        if name.upper().startswith(prefixes):
            monkeypatch.delenv(name)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "kaapanapy"]:
        del sys.modules[name]


def load(name):
    return importlib.import_module(f"kaapanapy.{name}")


@pytest.mark.parametrize(
    ("class_name", "field", "variables", "default"),
    [
        ("KaapanaSettings", "services_namespace", ["KAAPANA_SERVICES_NAMESPACE", "SERVICES_NAMESPACE"], "services"),
        ("KaapanaSettings", "admin_namespace", ["KAAPANA_ADMIN_NAMESPACE", "ADMIN_NAMESPACE"], "admin"),
        ("KaapanaSettings", "timezone", ["TZ", "KAAPANA_TIMEZONE", "TIMEZONE"], "Europe/Berlin"),
        ("KaapanaSettings", "kaapana_log_level", ["KAAPANA_LOG_LEVEL"], "DEBUG"),
        ("OpensearchSettings", "opensearch_port", ["KAAPANA_OPENSEARCH_PORT", "OPENSEARCH_PORT"], "9200"),
        (
            "OpensearchSettings",
            "default_index",
            ["KAAPANA_DEFAULT_OPENSEARCH_INDEX", "DEFAULT_INDEX"],
            "project_admin",
        ),
        (
            "ServicesSettings",
            "kube_helm_url",
            ["KAAPANA_KUBE_HELM_URL", "KUBE_HELM_URL"],
            "http://kube-helm-service.admin.svc:5000",
        ),
        (
            "ServicesSettings",
            "opensearch_url",
            ["KAAPANA_OPENSEARCH_URL", "OPENSEARCH_URL"],
            "http://opensearch-service.services.svc:9200",
        ),
    ],
)
def test_the_first_name_that_is_set_wins_over_later_ones_and_the_default(
    monkeypatch, class_name, field, variables, default
):
    settings = getattr(load("settings"), class_name)
    assert getattr(settings(), field) == default
    for variable in reversed(variables):
        monkeypatch.setenv(variable, f"by {variable}")
        assert getattr(settings(), field) == f"by {variable}"


@pytest.mark.parametrize("missing", list(OPERATOR))
def test_the_settings_of_the_operator_need_six_variables(monkeypatch, missing):
    for name, value in OPERATOR.items():
        monkeypatch.setenv(name, value)
    settings = load("settings").OperatorSettings()
    assert (settings.batch_name, settings.operator_in_dir, settings.run_id) == ("batch", None, "r-1")
    monkeypatch.delenv(missing)
    with pytest.raises(pydantic.ValidationError, match=missing):
        load("settings").OperatorSettings()


@pytest.mark.parametrize(
    ("class_name", "variable"),
    [("KeycloakSettings", "OIDC_CLIENT_SECRET"), ("ProjectSettings", "SYSTEM_USER_PASSWORD")],
)
def test_secrets_have_no_default(monkeypatch, class_name, variable):
    with pytest.raises(pydantic.ValidationError):
        getattr(load("settings"), class_name)()
    monkeypatch.setenv(variable, "x")
    getattr(load("settings"), class_name)()


def test_a_logger_gets_one_handler_and_the_level_of_the_environment(monkeypatch):
    monkeypatch.setenv("KAAPANA_LOG_LEVEL", "WARNING")
    logger = load("logger").get_logger("kaapanapy-test")
    assert load("logger").get_logger("kaapanapy-test", "INFO") is logger
    assert len(logger.handlers) == 1
    assert (logger.level, logger.propagate) == (logging.INFO, False)


def test_importing_the_web_helper_needs_the_password_of_the_project():
    with pytest.raises(pydantic.ValidationError, match="PROJECT_USER_PASSWORD"):
        load("helper.HelperDcmWeb")


@pytest.fixture
def platform(tmp_path, monkeypatch):
    result = SmallPlatform(tmp_path)
    monkeypatch.setenv("KEYCLOAK_URL", f"http://127.0.0.1:{result.port}")
    monkeypatch.setenv("OPENSEARCH_HOST", "127.0.0.1")
    monkeypatch.setenv("OPENSEARCH_PORT", str(result.tls_port))
    monkeypatch.setenv("KAAPANA_PROJECT_USER_PASSWORD", "p")
    monkeypatch.setenv("KAAPANA_CLIENT_SECRET", "s")
    yield result
    result.close()


def test_a_token_is_kept_and_renewed_with_the_refresh_token(platform):
    helper = load("helper")
    assert helper.get_project_user_access_token() == helper.get_project_user_access_token() == "token-1"
    platform.expires_in = 20  # less than the margin before its end
    helper._tokens.access_until = 0
    assert helper.get_project_user_access_token() == "token-2"
    assert helper.get_project_user_access_token() == "token-3"
    forms = platform.forms("/auth/realms/kaapana/protocol/openid-connect/token")
    assert [form["grant_type"] for form in forms] == ["password", "refresh_token", "refresh_token"]
    assert (forms[0]["username"], forms[1]["refresh_token"]) == ("system", "refresh")


def test_keys_of_the_object_store_are_a_triple_and_a_refusal_an_attribute_error(platform, monkeypatch):
    helper = load("helper")
    monkeypatch.setattr(helper, "_minio_host", lambda: f"127.0.0.1:{platform.port}")
    assert helper.minio_credentials("token") == ("key", "secret", "session")
    platform.answers["/"] = (403, "text/xml", b"<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(AttributeError):
        helper.minio_credentials("token")


def test_the_session_manager_renews_its_client_before_the_keys_end(platform, monkeypatch):
    helper = load("helper")
    monkeypatch.setattr(helper, "_minio_host", lambda: f"127.0.0.1:{platform.port}")
    manager = load("helper.HelperMinioSessionManager").HelperMinioSessionManager()
    first = manager.get_client()
    assert manager.get_client() is first
    soon = datetime.now(timezone.utc) + timedelta(seconds=60)
    platform.expiration = soon.strftime("%Y-%m-%dT%H:%M:%SZ")
    manager._client = None
    second = manager.get_client()
    assert manager.get_client() is not second


def test_the_configuration_of_the_run_is_read(monkeypatch, tmp_path):
    for name, value in {**OPERATOR, "WORKFLOW_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "conf.json").write_text('{"workflow_form": {"a": 1}}')
    assert load("helper").load_workflow_config() == {"workflow_form": {"a": 1}}


def test_known_series_are_found_with_study_and_modality(platform):
    platform.documents["1.1"] = {
        "0020000D StudyInstanceUID_keyword": "1",
        "0020000E SeriesInstanceUID_keyword": "1.1",
        "00080060 Modality_keyword": "CT",
        "00000000 CuratedModality_keyword": "XR",
    }
    search = load("helper.HelperOpensearch").HelperOpensearch()
    (found,) = search.get_dcm_uid_objects("project_admin", ["1.1", "9.9"])
    assert found["dcm-uid"] == {
        "study-uid": "1",
        "series-uid": "1.1",
        "modality": "CT",
        "curated_modality": "XR",
        "source_presentation_address": None,
    }
    del platform.documents["1.1"]["00000000 CuratedModality_keyword"]
    with pytest.raises(KeyError):
        search.get_dcm_uid_objects("project_admin", ["1.1"])


@pytest.fixture
def web(platform):
    module = load("helper.HelperDcmWeb")
    module._PAUSE_S = 0
    base = f"http://127.0.0.1:{platform.port}"
    return module.HelperDcmWeb(base, f"{base}/wado-uri/wado", access_token="t")


def test_a_series_is_downloaded_as_files_named_after_their_instances(web, platform, tmp_path):
    platform.archive["1.1"] = [path.read_bytes() for path in series(tmp_path / "pacs", slices=2, uid="1.1")]
    assert web.download_series(STUDY, "1.1", tmp_path / "out") is True
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"1.1.1.dcm", "1.1.2.dcm"}


def test_without_a_study_nothing_can_be_downloaded(web, tmp_path):
    assert web.download_series(series_uid="9.9", target_dir=tmp_path / "out") is False


def test_when_the_series_does_not_come_its_instances_are_fetched_one_by_one(web, platform, tmp_path):
    (path,) = series(tmp_path / "pacs", slices=1, uid="1.1")
    platform.archive["1.1"] = [path.read_bytes()]
    platform.answers[f"/studies/{STUDY}/series/1.1"] = (500, "text/plain", b"")
    platform.answers["/wado-uri/wado"] = (200, "application/dicom", path.read_bytes())
    assert web.download_series(STUDY, "1.1", tmp_path / "out") is True
    assert (tmp_path / "out" / "1.1.1.dcm").read_bytes() == path.read_bytes()


def test_lists_are_empty_for_204_and_none_for_404(web, platform):
    assert web.get_series_of_study("9") == []
    platform.answers["/studies/9/series"] = (404, "text/plain", b"")
    assert web.get_series_of_study("9") is None


def test_an_upload_is_one_request_with_the_series_in_the_query(web, platform, tmp_path):
    series(tmp_path / "in", slices=2, uid="1.1")
    platform.answers["/studies"] = (200, "text/plain", b"")
    web.upload_dcm_files(tmp_path / "in")
    ((method, _, query),) = platform.requests
    assert method == "POST"
    assert f'"study_instance_uid": "{STUDY}"' in query["clinical_trial_protocol_info"]


def test_a_notification_to_the_project_goes_to_its_path(platform, monkeypatch):
    monkeypatch.setenv("NOTIFICATION_URL", f"http://127.0.0.1:{platform.port}")
    service = load("services.NotificationService")
    platform.answers["/v1/p1"] = (200, "application/json", b"{}")
    service.NotificationService.send(service.Notification(title="t", description="d"), "p1")
    assert platform.requests[0][1:] == (
        "/v1/p1",
        {"title": "t", "description": "d", "topic": None, "icon": None, "link": None},
    )
    with pytest.raises(pydantic.ValidationError):
        service.Notification(title="t")


def test_every_element_with_the_input_folder_is_processed(tmp_path):
    utils = load("utils")
    for name in ("a", "b"):
        (tmp_path / name / "in").mkdir(parents=True)
    (tmp_path / "c").mkdir()

    def work(operator_in_dir, operator_out_dir):
        (operator_out_dir / "done").touch()
        return True, operator_in_dir

    assert len(utils.process_batches(tmp_path, "in", "out", work)) == 2
    assert sorted(path.parent.parent.name for path in tmp_path.glob("*/out/done")) == ["a", "b"]


def test_an_element_that_fails_is_named_after_all_were_tried(tmp_path):
    utils = load("utils")
    for name in ("a", "b"):
        (tmp_path / name / "in").mkdir(parents=True)

    def work(operator_in_dir, operator_out_dir):
        if operator_in_dir.parent.name == "a":
            raise ValueError("no")
        (operator_out_dir / "done").touch()
        return True, operator_in_dir

    with pytest.raises(RuntimeError, match="1 of 2 elements failed: a"):
        utils.process_batches(tmp_path, "in", "out", work)
    assert (tmp_path / "b" / "out" / "done").is_file()


def test_a_provider_that_stays_busy_is_asked_four_times_and_ends_in_an_http_error(platform, monkeypatch):
    import requests

    helper = load("helper")
    monkeypatch.setattr(helper, "_BACKOFF_S", 0)
    path = "/auth/realms/kaapana/protocol/openid-connect/token"
    platform.answers[path] = (503, "text/plain", b"busy")
    with pytest.raises(requests.HTTPError, match="503"):
        helper.get_project_user_access_token()
    assert len(platform.forms(path)) == 4


def test_a_part_that_is_no_dicom_file_is_lost_and_the_download_counts_as_done(web, platform, tmp_path):
    files = [path.read_bytes() for path in series(tmp_path / "pacs", slices=2, uid="1.1")]
    platform.archive["1.1"] = files
    parts = b"".join(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in (files[0], b"?"))
    platform.answers[f"/studies/{STUDY}/series/1.1"] = (200, "multipart/related; boundary=b", parts + b"--b--")
    assert web.download_series(STUDY, "1.1", tmp_path / "out") is True
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.1.1.dcm"]


def test_a_decorated_function_is_logged_at_its_start_and_its_end():
    logged = []
    logger = load("logger").get_logger("kaapanapy-decorated", "DEBUG")
    logger.handlers = [logging.Handler()]
    logger.handlers[0].emit = lambda record: logged.append(record.getMessage())

    @load("logger").function_logger_factory(logger)
    def double(number):
        return 2 * number

    assert double(4) == 8
    assert [line.split()[0] for line in logged] == ["enter", "exit"]
    assert double.__name__ == "double"
