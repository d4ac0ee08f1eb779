"""Read a kubeconfig: the address of one context, and its credentials.

Client certificates, tokens and token files are read, embedded or by path. Programs that fetch credentials (``exec``
and ``auth-provider``) are not run: they belong to the user's session, ask questions, and their tokens end in the
middle of a run.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

from harness.common import documents
from harness.kube.access import ClusterAccess


class KubeconfigError(Exception):
    """The kubeconfig cannot be used; the message names the file and the problem."""


def list_paths() -> list[Path]:
    """Return the files of the user's kubeconfig, as kubectl has them, also those that do not exist."""
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return named or [Path.home() / ".kube" / "config"]


def load(path: Path, context: str | None = None) -> ClusterAccess:
    """Read one context of a kubeconfig.

    Args:
        path: the file; relative paths in it are relative to its folder.
        context: name of the context, by default the current one.

    Raises:
        KubeconfigError: the file cannot be read, has no such context, or needs a program to authenticate.
    """
    document = _document(path)
    name = context or str(document.get("current-context") or "")
    if not name:
        raise KubeconfigError(f"{path} has no current context; contexts: {_names(document, 'contexts')}")
    chosen = _entry(document, "contexts", name, path)
    cluster = _entry(document, "clusters", str(chosen.get("cluster")), path)
    user = _entry(document, "users", str(chosen.get("user")), path) if chosen.get("user") else {}
    for unsupported in ("exec", "auth-provider"):
        if user.get(unsupported):
            raise KubeconfigError(
                f"context {name!r} of {path} authenticates by a program ({unsupported}), which is not run here; make "
                "a service account with a token for the harness: `kubectl create token`"
            )
    url = str(cluster.get("server") or "")
    if not url.startswith(("https://", "http://")):
        raise KubeconfigError(f"cluster {chosen.get('cluster')!r} of {path} has no server: {url!r}")
    token_file = user.get("tokenFile")
    return ClusterAccess(
        url=url,
        context=name,
        token=str(user.get("token") or ""),
        token_file=path.parent / token_file if token_file else None,
        tls=_tls(cluster, user, path) if url.startswith("https://") else None,
        authority=_pem(cluster, "certificate-authority", path).decode("ascii"),
        namespace=str(chosen.get("namespace") or "default"),
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        found = documents.parse_yaml(documents.read_text(path))
    except documents.DocumentError as error:
        raise KubeconfigError(f"the kubeconfig {path} cannot be read: {error}") from None
    if len(found) != 1 or not isinstance(found[0], dict):
        raise KubeconfigError(f"{path} is not a kubeconfig")
    return dict(found[0])


def _entry(document: dict[str, Any], section: str, name: str, path: Path) -> dict[str, Any]:
    """Return one named entry; the section ``contexts`` keeps its content below ``context``, and so on."""
    for entry in document.get(section) or []:
        if isinstance(entry, dict) and entry.get("name") == name:
            return dict(entry.get(section.removesuffix("s")) or {})
    raise KubeconfigError(f"{path} has no {section.removesuffix('s')} {name!r}; it has: {_names(document, section)}")


def _names(document: dict[str, Any], section: str) -> str:
    entries = document.get(section) or []
    return ", ".join(str(entry.get("name")) for entry in entries if isinstance(entry, dict)) or "none"


def _tls(cluster: dict[str, Any], user: dict[str, Any], path: Path) -> ssl.SSLContext:
    try:
        authority = _pem(cluster, "certificate-authority", path)
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = _pem(user, "client-certificate", path), _pem(user, "client-key", path)
        if certificate and key:
            with contextlib.ExitStack() as stack:
                # the ssl module reads them from files only; these exist while it does, for this user alone
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kh-tls-")))
                (folder / "cert").write_bytes(certificate)
                (folder / "key").write_bytes(key)
                context.load_cert_chain(folder / "cert", folder / "key")
    except (OSError, ValueError, binascii.Error) as error:
        raise KubeconfigError(f"the certificates in {path} cannot be used: {error}") from None
    return context


def _pem(section: dict[str, Any], name: str, path: Path) -> bytes:
    """Return a certificate or key, embedded (``NAME-data``) or in a file."""
    if section.get(f"{name}-data"):
        return base64.b64decode(str(section[f"{name}-data"]), validate=True)
    return (path.parent / str(section[name])).read_bytes() if section.get(name) else b""
