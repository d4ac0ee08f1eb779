"""The library that the base image gives authors."""

from __future__ import annotations

import importlib
import logging
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pydicom
import pytest

from tests.incluster.programs.program_runs import STUDY, series
from tests.incluster.programs.small_platform import SmallPlatform

pydantic = pytest.importorskip("pydantic", reason="the base image has it, hosts need not")
pytest.importorskip("pydantic_settings")

LIBRARY = Path(__file__).parents[3] / "harness" / "images" / "base-python-cpu"
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


def test_without_a_study_the_filter_refuses_and_nothing_is_made(web, platform, tmp_path):
    import requests

    platform.answers["/series"] = (400, "application/json", b'{"error": "StudyInstanceUID parameter is required"}')
    with pytest.raises(requests.HTTPError, match="400"):
        web.download_series(series_uid="9.9", target_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_series_that_is_not_mapped_ends_in_the_platforms_type_error_after_ten_attempts(web, platform, tmp_path):
    series = f"/studies/{STUDY}/series/1.1"
    platform.answers[f"{series}/instances"] = (204, "application/json", b"")
    platform.answers[series] = (403, "text/plain", b"")
    with pytest.raises(TypeError):
        web.download_series(STUDY, "1.1", tmp_path / "out")
    assert [path for _, path, _ in platform.requests] == [f"{series}/instances"] + [series] * 10
    assert list((tmp_path / "out").iterdir()) == []


def test_a_refused_list_of_instances_is_an_error_at_once(web, platform, tmp_path):
    import requests

    platform.answers[f"/studies/{STUDY}/series/1.1/instances"] = (403, "text/plain", b"")
    with pytest.raises(requests.HTTPError, match="403"):
        web.download_series(STUDY, "1.1", tmp_path / "out")
    assert len(platform.requests) == 1


def test_the_headers_of_the_token_can_be_taken_over(web):
    assert web.auth_headers == {"Authorization": "Bearer t", "x-forwarded-access-token": "t"}
    assert web.session.headers["x-forwarded-access-token"] == "t"


def test_the_constants_of_the_index_have_the_platforms_names(platform):
    tags = load("helper.HelperOpensearch").DicomTags
    assert {name: value for name, value in vars(tags).items() if not name.startswith("__")} == {
        "study_uid_tag": "0020000D StudyInstanceUID_keyword",
        "series_uid_tag": "0020000E SeriesInstanceUID_keyword",
        "SOPInstanceUID_tag": "00080018 SOPInstanceUID_keyword",
        "modality_tag": "00080060 Modality_keyword",
        "curated_modality_tag": "00000000 CuratedModality_keyword",
        "protocol_name": "00181030 ProtocolName_keyword",
        "dcmweb_endpoint_tag": "00020026 SourcePresentationAddress_keyword",
        "custom_tag": "00000000 Tags_keyword",
        "clinical_trial_protocol_id_tag": "00120020 ClinicalTrialProtocolID_keyword",
        "is_series_complete_tag": "00000000 IsSeriesComplete_boolean",
        "min_instance_number_tag": "00000000 MinInstanceNumber_integer",
        "max_instance_number_tag": "00000000 MaxInstanceNumber_integer",
        "missing_instance_numbers_tag": "00000000 MissingInstanceNumbers_integer",
        "thumbnail_instance_uid_tag": "00000000 ThumbnailInstanceUID_keyword",
    }
    with pytest.raises(TypeError, match="index"):
        load("helper.HelperOpensearch").HelperOpensearch().get_query_dataset({"match_all": {}})


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


@pytest.fixture
def elements(tmp_path, monkeypatch):
    """A batch with the elements a and b, c without the input folder, and an empty working directory."""
    batch, working = tmp_path / "batch", tmp_path / "working"
    for name in ("a/in", "b/in", "c"):
        (batch / name).mkdir(parents=True)
    working.mkdir()
    monkeypatch.chdir(working)
    return batch


def test_every_element_with_the_input_folder_is_processed_in_order(elements):
    calls = []

    def work(operator_in_dir, operator_out_dir, operator_get_ref_series_dir, mine):
        assert operator_out_dir.is_dir()
        calls.append((operator_in_dir, operator_out_dir, operator_get_ref_series_dir, mine))
        return True, operator_in_dir

    done = load("utils").process_batches(elements, "in", Path("out"), work, "ref", mine=1)
    assert done is None
    assert calls == [(elements / n / "in", elements / n / "out", elements / n / "ref", 1) for n in ("a", "b")]
    assert not (elements / "c" / "out").exists()
    assert [path.name for path in Path.cwd().iterdir()] == ["out"]  # as on the platform


def test_elements_without_the_folder_and_a_false_result_are_not_errors(elements):
    utils, calls = load("utils"), []

    def refuse(operator_in_dir, operator_out_dir):
        calls.append(operator_in_dir)
        return False, operator_in_dir

    utils.process_batches(elements, "in", Path("out"), refuse)
    assert len(calls) == 2
    utils.process_batches(elements, "no-such-folder", Path("out"), refuse)
    utils.process_batches(elements / "no-such-batch", "in", Path("out"), refuse)
    assert len(calls) == 2


def test_an_exception_ends_the_work_at_that_element(elements):
    utils, calls = load("utils"), []

    def work(operator_in_dir, operator_out_dir):
        calls.append(operator_in_dir.parent.name)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        utils.process_single(elements / "a", "in", "out", work)
    with pytest.raises(ValueError, match="no"):
        utils.process_batches(elements, "in", Path("out"), work)
    assert calls == ["a", "a"]


@pytest.mark.parametrize("result", [None, True])
def test_a_result_that_is_not_a_pair_is_a_type_error(elements, result):
    with pytest.raises(TypeError):
        load("utils").process_single(elements / "a", "in", "out", lambda **folders: result)


def test_a_thread_count_is_taken_and_not_handed_on(elements):
    utils, calls = load("utils"), []

    def work(**keywords):
        calls.append(sorted(keywords))
        return True, ""

    utils.process_single(elements / "a", "in", "out", work, thread_count=2)
    assert calls == [["operator_in_dir", "operator_out_dir"]]
    with pytest.raises(ValueError, match="max_workers"):
        utils.process_single(elements / "a", "in", "out", work, thread_count=0)


def test_folders_that_must_be_paths_are_not_taken_as_texts(elements):
    utils = load("utils")
    with pytest.raises(AttributeError, match="mkdir"):
        utils.process_batches(elements, "in", "out", lambda **folders: (True, ""))
    with pytest.raises(TypeError):
        utils.process_single(str(elements / "a"), "in", "out", lambda **folders: (True, ""))
    with pytest.raises(TypeError):
        utils.is_batch_mode(str(elements.parent), "batch")
    assert utils.is_batch_mode(elements.parent, "batch")


def test_a_provider_that_stays_busy_is_asked_four_times_and_ends_in_an_http_error(platform, monkeypatch):
    import requests

    helper = load("helper")
    monkeypatch.setattr(helper, "_BACKOFF_S", 0)
    path = "/auth/realms/kaapana/protocol/openid-connect/token"
    platform.answers[path] = (503, "text/plain", b"busy")
    with pytest.raises(requests.HTTPError, match="503"):
        helper.get_project_user_access_token()
    assert len(platform.forms(path)) == 4


def test_a_part_that_is_not_dicom_is_lost_and_the_download_still_succeeds(web, platform, tmp_path):
    files = [path.read_bytes() for path in series(tmp_path / "pacs", slices=2, uid="1.1")]
    platform.archive["1.1"] = files
    parts = b"".join(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in (files[0], b"?"))
    platform.answers[f"/studies/{STUDY}/series/1.1"] = (200, "multipart/related; boundary=b", parts + b"--b--")
    assert web.download_series(STUDY, "1.1", tmp_path / "out") is True
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.1.1.dcm"]


def test_a_part_without_an_instance_uid_is_named_by_its_number(web, platform, tmp_path):
    (path,) = series(tmp_path / "pacs", slices=1, uid="1.1")
    platform.archive["1.1"] = [path.read_bytes()]
    nameless = pydicom.dcmread(path)
    del nameless.SOPInstanceUID
    nameless.save_as(path)
    part = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + path.read_bytes() + b"\r\n--b--"
    platform.answers[f"/studies/{STUDY}/series/1.1"] = (200, "multipart/related; boundary=b", part)
    assert web.download_series(STUDY, "1.1", tmp_path / "out") is True
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0.dcm"]


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
