"""Runs in a pod: stores objects and documents without end, and prints what was acknowledged; SIGTERM ends it.

Prints ``store UID``, ``stow UID`` and ``document ID``, each after the services have said that they have it. With the
variable ``LIST`` it prints the names of all documents instead, and ends.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import ssl
import threading
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

_ENDED = threading.Event()
_SERVICES = "services.svc"
_PATIENCE_S = 5
_UNVERIFIED = ssl.create_default_context()
_UNVERIFIED.check_hostname, _UNVERIFIED.verify_mode = False, ssl.CERT_NONE


def _slice(series: str, study: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, study
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CT", "killed", "Killed"
    dataset.StudyDate, dataset.StudyTime = "20240614", "103000"
    dataset.Rows = dataset.Columns = 128
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = os.urandom(128 * 128 * 2)
    return dataset


def _say(what: str, name: str) -> None:
    # at once: the lines of several threads must not mix
    os.write(1, f"{what} {name}\n".encode())


def _store() -> None:
    """One association and one series, until the association ends."""
    ae = AE(ae_title="kp-killed")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = _PATIENCE_S
    ae.add_requested_context(CTImageStorage, [ExplicitVRLittleEndian])
    called = f"kp-{os.environ['PROJECT']}"
    association = ae.associate(f"ctp-dicom-service.{_SERVICES}", 11112, ae_title=called)
    if not association.is_established:
        raise OSError("no association")
    series, study = generate_uid(), generate_uid()
    try:
        while not _ENDED.is_set():
            dataset = _slice(series, study)
            status = association.send_c_store(dataset)
            if status.get("Status") != 0:
                return
            _say("store", dataset.SOPInstanceUID)
    finally:
        association.abort()


def _ask(url: str, data: bytes, **headers: str) -> bytes:
    request = urllib.request.Request(url, data, {name.replace("_", "-"): value for name, value in headers.items()})
    with urllib.request.urlopen(request, timeout=_PATIENCE_S, context=_UNVERIFIED) as answer:
        return bytes(answer.read())


def _stow() -> None:
    series, study = generate_uid(), generate_uid()
    while not _ENDED.is_set():
        slices = [_slice(series, study) for _ in range(3)]
        body = b""
        for dataset in slices:
            file = io.BytesIO()
            pydicom.dcmwrite(file, dataset, enforce_file_format=True)
            body += b"--limit\r\nContent-Type: application/dicom\r\n\r\n" + file.getvalue() + b"\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=limit'
        _ask(
            f"http://ctp-internal-service.{_SERVICES}:7777/dicomweb/studies", body + b"--limit--\r\n", Content_Type=kind
        )
        for dataset in slices:
            _say("stow", dataset.SOPInstanceUID)


def _token() -> tuple[str, float]:
    """A token as a header has it, and how long to use it in seconds."""
    form = {
        "username": os.environ["USER_NAME"], "password": os.environ["PASSWORD"], "grant_type": "password",
        "client_id": "kaapana", "client_secret": os.environ["CLIENT_SECRET"],
    }  # fmt: skip
    realm = f"http://keycloak-external-service.{_SERVICES}/auth/realms/kaapana/protocol/openid-connect/token"
    answer = json.loads(_ask(realm, urllib.parse.urlencode(form).encode()))
    return f"Bearer {answer['access_token']}", answer["expires_in"] / 2


def _search(path: str, body: dict[str, Any], token: str) -> Any:
    url = f"https://opensearch-service.{_SERVICES}:9200/{os.environ['INDEX']}/{path}"
    return json.loads(_ask(url, json.dumps(body).encode(), Authorization=token, Content_Type="application/json"))


def _write_documents() -> None:
    token, seconds = _token()
    until = time.monotonic() + seconds
    while not _ENDED.is_set() and time.monotonic() < until:
        name = uuid.uuid4().hex
        _search(f"_doc/{name}", {"name": name}, token)
        _say("document", name)


def _list_documents() -> None:
    answer = _search("_search", {"size": 10_000, "query": {"match_all": {}}}, _token()[0])
    for hit in answer["hits"]["hits"]:
        _say("document", hit["_id"])


def _until_ended(work: Callable[[], Any]) -> None:
    """Begin again as often as the services are killed, and say nothing about it."""
    while not _ENDED.is_set():
        try:
            work()
        # an answer may end in its middle, too
        except (OSError, RuntimeError, ValueError, http.client.HTTPException):
            _ENDED.wait(0.1)


def main() -> None:
    """Work in one thread for each kind."""
    if "LIST" in os.environ:
        _list_documents()
        return
    signal.signal(signal.SIGTERM, lambda _number, _frame: _ENDED.set())
    threads = [threading.Thread(target=_until_ended, args=(work,)) for work in (_store, _stow, _write_documents)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
