"""The platform's services as the built-in programs call them (services 2.2, 7, 11.5), with urllib3 alone.

kaapanapy offers the same to authors, on top of the libraries whose objects they are promised. Those take a
second to import, which every task of every run would pay.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from email.message import Message
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from harness.incluster.programs.common import ProgramError, require
from harness.wire import names

# fields of the documents about series (services 11.4)
STUDY = "0020000D StudyInstanceUID_keyword"
SERIES = "0020000E SeriesInstanceUID_keyword"
MODALITY = "00080060 Modality_keyword"
CURATED_MODALITY = "00000000 CuratedModality_keyword"
# whole tags, for exact matches
TAGS = "00000000 Tags_keyword.keyword"

_TIMEOUT = urllib3.Timeout(connect=10, read=300)
_RETRIES = urllib3.Retry(
    total=3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None,
    raise_on_status=False, redirect=0,
)  # fmt: skip
_PAGE = 10_000
_MAX_JSON_BYTES = 256 * 2**20


class NotFoundError(ProgramError):
    """The service has no such thing (HTTP 404, or 204 for a DICOMweb search)."""


def service(constant: tuple[str, str, int]) -> tuple[str, int]:
    """Return host and port of a service; the environment can only change the namespace (services 4.2)."""
    name, namespace, port = constant
    return f"{name}.{os.environ.get(f'{namespace.upper()}_NAMESPACE') or namespace}.svc", port


def base_url(variable: str, constant: tuple[str, str, int]) -> str:
    """Return the address of a service, from the environment or by its name, without a slash at the end."""
    host, port = service(constant)
    return (os.environ.get(variable) or f"http://{host}:{port}").rstrip("/")


class PlatformClient:
    """A logged-in client of the platform; one for a program, safe to use from several threads."""

    def __init__(self, user: str = "", password: str = "", client_secret: str = "") -> None:
        """Log in, by default as the user whom the environment names."""
        self._user = user or os.environ.get("KAAPANA_PROJECT_USER_NAME") or "system"
        self._password = password or require("KAAPANA_PROJECT_USER_PASSWORD")
        self._client_secret = client_secret or require("KAAPANA_CLIENT_SECRET")
        # the platform's certificate is its own, no container can verify it (services 11.1)
        self._http = urllib3.PoolManager(
            cert_reqs="CERT_NONE", timeout=_TIMEOUT, retries=_RETRIES, maxsize=64, block=False
        )
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        filter_host, filter_port = service(names.DICOM_WEB_FILTER)
        host, port = service(names.OPENSEARCH)
        self._dicomweb = f"http://{filter_host}:{filter_port}"
        self._opensearch = (
            f"https://{os.environ.get('OPENSEARCH_HOST') or host}:{os.environ.get('OPENSEARCH_PORT') or port}"
        )
        self.token = self._log_in()

    def _request(self, what: str, method: str, url: str, **arguments: Any) -> urllib3.BaseHTTPResponse:
        """Send, and turn everything but 2xx into a ProgramError that says ``what`` was tried."""
        try:
            response = self._http.request(method, url, **arguments)
        except urllib3.exceptions.HTTPError as error:
            raise ProgramError(f"{what}: {url.partition('?')[0]} cannot be reached: {error}") from error
        if response.status in (204, 404):
            raise NotFoundError(f"{what}: nothing there ({url.partition('?')[0]} answers {response.status})")
        if not 200 <= response.status < 300:
            text = response.data[:300].decode("utf-8", "replace").strip()
            raise ProgramError(f"{what}: {url.partition('?')[0]} answers {response.status} {text}".rstrip())
        return response

    def _json(self, what: str, response: urllib3.BaseHTTPResponse) -> Any:
        if len(response.data) > _MAX_JSON_BYTES:
            raise ProgramError(f"{what}: the answer has {len(response.data)} bytes")
        try:
            return json.loads(response.data)
        except ValueError as error:
            raise ProgramError(f"{what}: the answer is not JSON: {response.data[:100]!r}") from error

    def _log_in(self) -> str:
        """Return an access token of the project's user by the password grant (services 2.2)."""
        client = os.environ.get("KAAPANA_CLIENT_ID") or names.OIDC_CLIENT_ID
        host, port = service(names.KEYCLOAK)
        url = os.environ.get("KEYCLOAK_URL") or f"http://{host}:{port}"
        what = f"log in as {self._user}"
        response = self._request(
            what,
            "POST",
            f"{url}/auth/realms/{client}/protocol/openid-connect/token",
            body=urlencode(
                {
                    "username": self._user,
                    "password": self._password,
                    "client_id": client,
                    "client_secret": self._client_secret,
                    "grant_type": "password",
                }
            ),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        try:
            return str(self._json(what, response)["access_token"])
        except (KeyError, TypeError):
            raise ProgramError(f"{what}: the answer has no access_token") from None

    def object_store_keys(self) -> tuple[str, str, str]:
        """Return access key, secret key and session token for the token's project (services 5.1)."""
        host, port = service(names.MINIO)
        what = "keys of the object store"
        query = {"Action": "AssumeRoleWithWebIdentity", "WebIdentityToken": self.token, "Version": "2011-06-15"}
        response = self._request(what, "POST", f"http://{host}:{port}?{urlencode(query)}")
        values = []
        for element in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
            found = re.search(rf"<{element}>([^<]+)</{element}>", response.data[:65536].decode("utf-8", "replace"))
            if not found:
                raise ProgramError(f"{what}: the answer has no {element}")
            values.append(found.group(1))
        return values[0], values[1], values[2]

    def _headers(self, **more: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "x-forwarded-access-token": self.token,
            "Accept": "*/*",
        } | more

    def search(self, index: str, query: dict[str, Any], fields: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the hits of an OpenSearch query, by descending SeriesInstanceUID, in pages (operators 2.5)."""
        body: dict[str, Any] = {
            "query": query,
            "size": _PAGE,
            "_source": {"includes": fields},
            "sort": [{f"{SERIES}.keyword": "desc"}],
        }
        what = f"search the index {index}"
        while True:
            response = self._request(
                what,
                "POST",
                f"{self._opensearch}/{quote(index, safe='')}/_search",
                body=json.dumps(body),
                headers=self._headers(**{"Content-Type": "application/json"}),
            )
            hits = self._json(what, response).get("hits", {}).get("hits", [])
            yield from hits
            if len(hits) < _PAGE:
                return
            body["search_after"] = hits[-1]["sort"]

    def document(self, index: str, uid: str) -> dict[str, Any]:
        """Return the index document of one series."""
        what = f"metadata of series {uid}"
        url = f"{self._opensearch}/{quote(index, safe='')}/_doc/{quote(uid, safe='')}"
        source = self._json(what, self._request(what, "GET", url, headers=self._headers())).get("_source")
        if not isinstance(source, dict):
            raise ProgramError(f"{what}: the document has no _source")
        return source

    def put_document(self, index: str, uid: str, document: dict[str, Any]) -> None:
        """Write the index document of one series, visible at once."""
        url = f"{self._opensearch}/{quote(index, safe='')}/_doc/{quote(uid, safe='')}?refresh=true"
        self._write(f"metadata of series {uid}", "PUT", url, document)

    def update_document(self, index: str, uid: str, fields: dict[str, Any]) -> None:
        """Change fields of a document; a NotFoundError if it does not exist."""
        url = f"{self._opensearch}/{quote(index, safe='')}/_update/{quote(uid, safe='')}?refresh=true"
        self._write(f"metadata of series {uid}", "POST", url, {"doc": fields})

    def _write(self, what: str, method: str, url: str, body: dict[str, Any]) -> None:
        headers = self._headers(**{"Content-Type": "application/json"})
        self._request(what, method, url, body=json.dumps(body), headers=headers)

    def get_json(self, what: str, url: str) -> Any:
        """Return the JSON of one of the platform's other services."""
        return self._json(what, self._request(what, "GET", url, headers=self._headers()))

    def send_json(self, what: str, method: str, url: str, body: Any, **headers: str) -> None:
        """Send JSON to one of the platform's other services."""
        headers = self._headers(**{"Content-Type": "application/json"}, **headers)
        self._request(what, method, url, body=json.dumps(body), headers=headers)

    def store(self, files: list[bytes], query: dict[str, str]) -> None:
        """Store DICOM files by one STOW-RS request (services 7)."""
        boundary = "kaapana-harness-" + os.urandom(8).hex()
        parts = [b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (boundary.encode(), f) for f in files]
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        self._request(
            f"store {len(files)} file(s)",
            "POST",
            f"{self._dicomweb}/studies?{urlencode(query)}",
            body=b"".join([*parts, b"--%s--" % boundary.encode()]),
            headers=self._headers(**{"Content-Type": kind}),
        )

    def instances(self, study: str, series: str) -> list[str]:
        """Return the SOPInstanceUIDs of a series, by QIDO-RS; empty when the project may not see it."""
        what = f"instances of series {series}"
        try:
            url = f"{self._dicomweb}/studies/{quote(study)}/series/{quote(series)}/instances"
            answer = self._json(what, self._request(what, "GET", url, headers=self._headers()))
            return [str(item["00080018"]["Value"][0]) for item in answer]
        except NotFoundError:
            return []
        except (KeyError, TypeError, IndexError):
            raise ProgramError(f"{what}: the answer is no list of instances with 0008,0018") from None

    def series(self, study: str, series: str) -> Iterator[memoryview]:
        """Return the instances of a series as DICOM files, by WADO-RS (services 7.3)."""
        what = f"download series {series}"
        url = f"{self._dicomweb}/studies/{quote(study)}/series/{quote(series)}"
        response = self._request(what, "GET", url, headers=self._headers())
        return multipart(response.headers.get("Content-Type", ""), response.data, what)


def multipart(content_type: str, body: bytes, what: str) -> Iterator[memoryview]:
    """Yield the parts of a ``multipart/related`` answer without their headers, without copying them."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not boundary:
        raise ProgramError(f"{what}: expected multipart/related, the answer is {content_type or 'of no type'!r}")
    delimiter = re.compile(rb"(?:^|\r\n)--" + re.escape(str(boundary).encode()) + rb"(--)?[ \t]*(?:\r\n|$)")
    view, start, closed = memoryview(body), -1, False
    for mark in delimiter.finditer(body):
        if start >= 0:
            head = body.find(b"\r\n\r\n", start - 2, mark.start() + 2)
            if head < 0:
                raise ProgramError(f"{what}: a part of the answer has no header")
            yield view[head + 4 : mark.start()]
        start = mark.end()
        if mark.group(1):
            closed = True
            break
    if not closed:
        raise ProgramError(f"{what}: the answer ends before its closing boundary")
