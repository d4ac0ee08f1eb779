"""A few lines of every service that the programs call, on this machine, recording what they are asked.

The stand-ins of the harness have their own tests; here the wire requests of the callers are what matters.
"""

from __future__ import annotations

import gzip
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

STS_ANSWER = """<?xml version="1.0"?><AssumeRoleWithWebIdentityResponse
 xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>key</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>
<Expiration>{expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


class SmallPlatform:
    """Services on one HTTP and one HTTPS port.

    ``documents`` is the index by series UID, ``archive`` the DICOM files of a series by its UID; ``answers``
    overrides the answer of a path (status, content type, body).
    """

    def __init__(self, folder: Path) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.archive: dict[str, list[bytes]] = {}
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.tokens, self.expires_in = 0, 3600
        self.expiration = "2999-01-01T00:00:00Z"
        self._servers = [self._start(), self._start(folder)]
        self.port, self.tls_port = (server.server_address[1] for server in self._servers)

    def _start(self, folder: Path | None = None) -> ThreadingHTTPServer:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                status, kind, content = platform.handle(self, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = do_PUT = answer  # noqa: N815  (names of the library)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if folder:
            command = [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=localhost",
            ]
            command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
            subprocess.run(command, check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def forms(self, path: str) -> list[dict[str, str]]:
        """The form fields of every request to a path."""
        return [fields for _, where, fields in self.requests if where == path]

    def handle(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes]:
        url = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        content: Any = query
        if request.headers.get("Content-Type", "").startswith("application/x-www-form"):
            content = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        elif body and "json" in request.headers.get("Content-Type", ""):
            content = json.loads(body)
        self.requests.append((request.command, url.path, content))
        if url.path in self.answers:
            return self.answers[url.path]
        status, kind, answer = self._write(request.command, url.path, content) or self._route(url.path, query, content)
        return status, kind, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def _write(self, method: str, path: str, content: Any) -> tuple[int, str, Any] | None:
        """Documents that are put or updated, and those that are not there."""
        parts = path.strip("/").split("/")
        if "_update" in parts and parts[-1] in self.documents:
            self.documents[parts[-1]] |= content["doc"]
        elif "_doc" in parts and method == "PUT":
            self.documents[parts[-1]] = content
        elif not {"_doc", "_update"} & set(parts) or (parts[-1] in self.documents and "_doc" in parts):
            return None
        else:
            return 404, "application/json", {"_id": parts[-1], "found": False}
        return 200, "application/json", {"_id": parts[-1], "result": "updated"}

    def _route(self, path: str, query: dict[str, str], content: Any) -> tuple[int, str, Any]:
        parts = path.strip("/").split("/")
        if path.endswith("/protocol/openid-connect/token"):
            self.tokens += 1
            answer = {"access_token": f"token-{self.tokens}", "expires_in": self.expires_in}
            return 200, "application/json", answer | {"refresh_token": "refresh", "refresh_expires_in": 1800}
        if "Action" in query:
            return 200, "text/xml", STS_ANSWER.format(expiration=self.expiration).encode()
        if path.endswith("/_search"):
            return 200, "application/json", self._search(content)
        if "_doc" in parts:
            return 200, "application/json", {"_id": parts[-1], "_source": self.documents[parts[-1]]}
        if parts[0] == "studies" and len(parts) > 3 and parts[3] in self.archive:
            return self._dicomweb(parts)
        if parts[0] == "studies":
            return 204, "application/dicom+json", b""
        return 404, "text/plain", b"no such path"

    def _search(self, body: dict[str, Any]) -> dict[str, Any]:
        """The ids query of the operators, with a user's tag; two hits a page when ``size`` is above that."""
        clauses = body["query"]["bool"]
        wanted = next((clause["ids"]["values"] for clause in clauses["must"] if "ids" in clause), self.documents)
        terms = [next(iter(clause["term"].items())) for clause in clauses["must"] if "term" in clause]
        tags = [value for field, value in terms if "Tags" in field]
        fields = [(field, [value]) for field, value in terms if "Tags" not in field]
        fields += [next(iter(clause["terms"].items())) for clause in clauses["must"] if "terms" in clause]
        without = [next(iter(clause["term"].values())) for clause in clauses["must_not"] if "term" in clause]
        left_out = [uid for clause in clauses["must_not"] for uid in clause.get("ids", {}).get("values", [])]
        hits = []
        for uid in sorted(set(wanted) & set(self.documents), reverse=True):
            document = self.documents[uid]
            own = document.get("00000000 Tags_keyword", [])
            if uid in left_out or any(document.get(f.removesuffix(".keyword")) not in values for f, values in fields):
                continue
            if set(tags) <= set(own) and not set(without) & set(own):
                hits.append({"_id": uid, "_source": self.documents[uid], "sort": [uid]})
        if "search_after" in body:
            hits = [hit for hit in hits if hit["_id"] < body["search_after"][0]]
        return {"hits": {"hits": hits[: body["size"]]}}

    def _dicomweb(self, parts: list[str]) -> tuple[int, str, Any]:
        import io

        import pydicom

        files = self.archive[parts[3]]
        if parts[-1] == "instances":
            found = [pydicom.dcmread(io.BytesIO(file)) for file in files]
            answer = [
                {"00080018": {"vr": "UI", "Value": [d.SOPInstanceUID]}, "0020000D": {"vr": "UI", "Value": [parts[1]]}}
                for d in found
            ]
            return 200, "application/dicom+json", answer
        chunks = [b"--frontier\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files]
        kind = 'multipart/related; type="application/dicom"; boundary=frontier'
        return 200, kind, b"".join(chunks) + b"--frontier--"
