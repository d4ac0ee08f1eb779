"""Supported and refused parts of a kubeconfig."""

from __future__ import annotations

import base64
import datetime
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.cluster import kubeconfig
from harness.cluster.kubeconfig import KubeconfigError
from harness.kube import ApiError, KubeApi


def _certificate(name: str) -> tuple[bytes, bytes]:
    """A certificate that is its own authority, and its key; PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


class _TlsServer:
    """Asks for a client's certificate, and answers with its subject."""

    def __init__(self, folder: Path) -> None:
        self.certificate, key = _certificate("server")
        self.client_certificate, self.client_key = _certificate("the-user")
        (folder / "server.pem").write_bytes(self.certificate + key)
        (folder / "clients.pem").write_bytes(self.client_certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        context.load_verify_locations(folder / "clients.pem")
        context.verify_mode = ssl.CERT_OPTIONAL

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                peer = self.connection.getpeercert()  # type: ignore[attr-defined]
                subject = dict(part[0] for part in peer["subject"]) if peer else {}
                answer = {"who": subject.get("commonName"), "authorization": self.headers.get("Authorization")}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"https://localhost:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_TlsServer]:
    made = _TlsServer(tmp_path_factory.mktemp("tls"))
    yield made
    made.close()


def _write(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    path = folder / "config"
    document = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "mine"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("embedded", [True, False])
def test_certificates_of_both_sides_are_used(server: _TlsServer, tmp_path: Path, embedded: bool) -> None:
    given = {"ca": server.certificate, "cert": server.client_certificate, "key": server.client_key}
    for name, data in given.items():
        (tmp_path / name).write_bytes(data)
    end = "-data" if embedded else ""
    value = {name: _text(data) if embedded else name for name, data in given.items()}
    cluster = {"server": server.url, f"certificate-authority{end}": value["ca"]}
    user = {f"client-certificate{end}": value["cert"], f"client-key{end}": value["key"]}
    access = kubeconfig.load(_write(tmp_path, cluster, user))
    assert (access.context, access.namespace) == ("here", "mine")
    assert KubeApi.from_access(access).request("GET", "/") == {"who": "the-user", "authorization": None}


def test_a_server_of_another_authority_is_not_believed(server: _TlsServer, tmp_path: Path) -> None:
    other, _ = _certificate("alice")
    path = _write(tmp_path, {"server": server.url, "certificate-authority-data": _text(other)}, {})
    with pytest.raises(ApiError, match="certificate verify failed"):
        KubeApi.from_access(kubeconfig.load(path)).request("GET", "/")


def test_a_token_file_is_read_again_for_each_request(server: _TlsServer, tmp_path: Path) -> None:
    cluster = {"server": server.url, "certificate-authority-data": _text(server.certificate)}
    api = KubeApi.from_access(kubeconfig.load(_write(tmp_path, cluster, {"tokenFile": "token"})))
    for word in ("first", "second"):
        (tmp_path / "token").write_text(word + "\n")
        assert api.request("GET", "/")["authorization"] == f"Bearer {word}"


def test_the_certificates_leave_no_file_behind(
    server: _TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    user = {"client-certificate-data": _text(server.client_certificate), "client-key-data": _text(server.client_key)}
    kubeconfig.load(_write(tmp_path, {"server": server.url}, user))
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("cluster", "user", "words"),
    [
        ({"server": "https://x"}, {"exec": {"command": "aws"}}, "authenticates by a program"),
        ({"server": "x:1"}, {}, "has no server"),
        ({"server": "https://x", "certificate-authority-data": "%%%"}, {}, "certificates"),
        ({"server": "https://x", "certificate-authority": "nowhere.pem"}, {}, "nowhere.pem"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], words: str
) -> None:
    with pytest.raises(KubeconfigError, match=words):
        kubeconfig.load(_write(tmp_path, cluster, user))


def test_a_missing_context_is_reported_with_the_existing_ones(tmp_path: Path) -> None:
    path = _write(tmp_path, {"server": "https://x"}, {})
    with pytest.raises(KubeconfigError, match="no context 'other'; it has: here"):
        kubeconfig.load(path, "other")
    path.write_text("[1, 2]")
    with pytest.raises(KubeconfigError, match="is not a kubeconfig"):
        kubeconfig.load(path)
    with pytest.raises(KubeconfigError, match="cannot be read"):
        kubeconfig.load(tmp_path / "nothing")


def test_the_variable_names_files_and_without_it_there_is_one_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'a'}::{tmp_path / 'b'}")
    assert kubeconfig.list_paths() == [tmp_path / "a", tmp_path / "b"]
    for nothing in ("", ":"):
        monkeypatch.setenv("KUBECONFIG", nothing)
        assert kubeconfig.list_paths() == [tmp_path / ".kube/config"]
