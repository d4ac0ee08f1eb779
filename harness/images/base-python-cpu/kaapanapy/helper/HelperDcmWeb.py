# ruff: noqa: N999  (the platform names its modules after their classes)
"""The project's series in the archive, by DICOMweb (services 4.2, 7; operators 2.6).

As on the platform, importing this module needs the password of the project's user in the environment.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pydicom
import requests
from requests_toolbelt.multipart import decoder

from kaapanapy.helper import get_project_user_access_token
from kaapanapy.logger import get_logger
from kaapanapy.settings import KaapanaSettings, ProjectSettings

logger = get_logger(__name__)

_ATTEMPTS = 10
_PAUSE_S = 5
_BOUNDARY = "kaapana-harness-dicom-boundary"

_project = ProjectSettings()
_FILTER = f"http://dicom-web-filter-service.{KaapanaSettings().services_namespace}.svc:8080"


class HelperDcmWeb:
    """DICOMweb calls with the rights of a token, which is taken once and never renewed."""

    def __init__(
        self,
        dcmweb_rs_endpoint=_FILTER,
        dcmweb_uri_endpoint=f"{_FILTER}/wado-uri/wado",
        access_token=None,
    ):
        self.dcmweb_rs_endpoint = dcmweb_rs_endpoint
        self.dcmweb_uri_endpoint = dcmweb_uri_endpoint
        self.access_token = access_token or get_project_user_access_token()
        self.auth_headers = {
            "Authorization": f"Bearer {self.access_token}",
            "x-forwarded-access-token": self.access_token,
        }
        self.session = requests.Session()
        self.session.headers.update(self.auth_headers)

    def _list(self, path, params=None):
        """Return a QIDO answer: [] for 204, None for 404."""
        response = self.session.get(f"{self.dcmweb_rs_endpoint}{path}", params=params)
        if response.status_code == 204:
            return []
        if response.status_code == 404:
            return None
        response.raise_for_status()
        return response.json()

    def get_instances_of_study(self, study_uid):
        """Return the DICOM JSON of a study's instances."""
        return self._list(f"/studies/{study_uid}/instances")

    def get_instances_of_series(self, study_uid, series_uid, params=None):
        """Return the DICOM JSON of a series' instances."""
        return self._list(f"/studies/{study_uid}/series/{series_uid}/instances", params)

    def get_series_of_study(self, study_uid):
        """Return the DICOM JSON of a study's series."""
        return self._list(f"/studies/{study_uid}/series")

    def _search(self, path, params):
        return self.session.get(f"{self.dcmweb_rs_endpoint}{path}", params=params).status_code == 200

    def check_if_series_in_archive(self, seriesUID, studyUID):  # noqa: N803  (the platform's names)
        """Return whether the project sees the series."""
        return self._search(f"/studies/{studyUID}/series", {"SeriesInstanceUID": seriesUID})

    def check_if_study_in_archive(self, studyUID):  # noqa: N803
        """Return whether the project sees the study."""
        return self._search("/studies", {"StudyInstanceUID": studyUID})

    def check_if_series_is_rejected(self, seriesUID, studyUID):  # noqa: N803
        """Return False: the filter does not serve the path of rejected series."""
        return self._search(f"/reject/studies/{studyUID}/series", {"SeriesInstanceUID": seriesUID})

    def _study_of(self, series_uid):
        """Return the study of a series, or ``None`` for an answer without an error that is no list either."""
        response = self.session.get(f"{self.dcmweb_rs_endpoint}/series", params={"SeriesInstanceUID": series_uid})
        response.raise_for_status()
        if response.status_code != 200:
            return None
        return response.json()[0]["0020000D"]["Value"][0]

    def download_instance(self, study_uid, series_uid, instance_uid, target_dir):
        """Fetch one instance by WADO-URI as ``<target_dir>/<SOPInstanceUID>.dcm``."""
        response = self.session.get(
            self.dcmweb_uri_endpoint,
            params={
                "requestType": "WADO",
                "studyUID": study_uid,
                "seriesUID": series_uid,
                "objectUID": instance_uid,
                "contentType": "application/dicom",
            },
        )
        response.raise_for_status()
        Path(target_dir).mkdir(parents=True, exist_ok=True)
        (Path(target_dir) / f"{instance_uid}.dcm").write_bytes(response.content)
        return True

    def _download_multipart(self, study_uid, series_uid, target_dir):
        response = self.session.get(f"{self.dcmweb_rs_endpoint}/studies/{study_uid}/series/{series_uid}")
        response.raise_for_status()
        parts = decoder.MultipartDecoder.from_response(response).parts

        def save(index, part):
            # as on the platform, a part that is not a DICOM file is lost and the download counts as done
            try:
                dataset = pydicom.dcmread(BytesIO(part.content))
                dataset.save_as(Path(target_dir) / f"{dataset.get('SOPInstanceUID', index)}.dcm")
            except Exception as error:
                logger.error("an instance of series %s was lost: %s: %s", series_uid, type(error).__name__, error)

        with ThreadPoolExecutor() as pool:
            pool.map(save, range(len(parts)), parts)

    def download_series(self, study_uid=None, series_uid=None, target_dir=None):
        """Write a series as files ``<SOPInstanceUID>.dcm`` and return True.

        Ten attempts, five seconds apart, then instance by instance. The folder stays after a failure.

        Raises:
            requests.HTTPError: there is no ``study_uid``, because the filter does not search without it (400); or
                the list of instances, or one of them, was refused.
            TypeError: the series is not mapped to the project: the filter lists no instances (204), the platform's
                library has ``None`` for that and goes through it after its attempts (operators 2.6).
        """
        if not study_uid:
            study_uid = self._study_of(series_uid)
            if study_uid is None:
                return False
        Path(target_dir).mkdir(parents=True, exist_ok=True)
        listed = self.session.get(f"{self.dcmweb_rs_endpoint}/studies/{study_uid}/series/{series_uid}/instances")
        listed.raise_for_status()
        instances = None
        if listed.status_code == 200:
            instances = [instance["00080018"]["Value"][0] for instance in listed.json()]
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._download_multipart(study_uid, series_uid, target_dir)
                return True
            except Exception as error:
                logger.warning("series %s, attempt %s of %s: %s", series_uid, attempt, _ATTEMPTS, error)
                if attempt < _ATTEMPTS:
                    time.sleep(_PAUSE_S)
        if instances is None:
            logger.error("series %s is not mapped to the project: there is no list of its instances", series_uid)
        for uid in instances:
            self.download_instance(study_uid, series_uid, uid, target_dir)
        return True

    def reject_study(self, study_uid):
        """Raise ``requests.HTTPError``: the filter refuses this (services 4.2)."""
        response = self.session.post(f"{self.dcmweb_rs_endpoint}/studies/{study_uid}/reject/113001%5EDCM", verify=False)
        response.raise_for_status()

    def _delete(self, path):
        response = self.session.delete(f"{self.dcmweb_rs_endpoint}{path}")
        if response.status_code == 404 and "errorMessage" in _json_or_empty(response):
            return response
        response.raise_for_status()
        return response

    def delete_study(self, project_id, study_uid):
        """Remove a study from a project; return the response."""
        return self._delete(f"/projects/{project_id}/studies/{study_uid}")

    def delete_series(self, project_id, study_uid, series_uid):
        """Remove a series from a project; return the response."""
        return self._delete(f"/projects/{project_id}/studies/{study_uid}/series/{series_uid}")

    def upload_dcm_files(self, path):
        """Store every file below ``path`` with one STOW request; a file that is not a DICOM file raises."""
        info, parts = {}, []
        for file in sorted(Path(path).rglob("*")):
            if not file.is_file():
                continue
            dataset = pydicom.dcmread(file)
            info[str(dataset.SeriesInstanceUID)] = {
                "protocol_id": str(dataset.get("ClinicalTrialProtocolID", "")),
                "protocol_name": str(dataset.get("ClinicalTrialProtocolName", "")),
                "site_id": str(dataset.get("ClinicalTrialSiteID", "")),
                "study_instance_uid": str(dataset.StudyInstanceUID),
            }
            encoded = BytesIO()
            dataset.save_as(encoded)
            head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            parts.append(head + encoded.getvalue() + b"\r\n")
        response = self.session.post(
            f"{self.dcmweb_rs_endpoint}/studies",
            params={"clinical_trial_protocol_info": json.dumps(info)},
            data=b"".join(parts) + f"--{_BOUNDARY}--".encode(),
            headers={
                "Content-Type": f"multipart/related; type=application/dicom; boundary={_BOUNDARY}",
            },
        )
        response.raise_for_status()
        return response


def _json_or_empty(response):
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
