"""Clients of the platform's services for the project's user (services 4.2)."""

import json
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

_EXPIRY_MARGIN_S = 30
_BACKOFF_S = 1
_STS = "{https://sts.amazonaws.com/doc/2011-06-15/}"


class _TokenCache:
    """The process's access token, with the refresh token and the times at which both end."""

    def __init__(self):
        self.lock = threading.Lock()
        self.access, self.access_until = None, 0.0
        self.refresh, self.refresh_until = None, 0.0

    def keep(self, answer):
        now = time.monotonic()
        self.access, self.refresh = answer["access_token"], answer.get("refresh_token")
        self.access_until = now + answer.get("expires_in", 60)
        self.refresh_until = now + answer.get("refresh_expires_in", answer.get("expires_in", 60))


_tokens = _TokenCache()


def _session():
    """Return a session that tries three more times with growing pauses when the service is busy or broken."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    session = requests.Session()
    retry = Retry(
        total=3,
        backoff_factor=_BACKOFF_S,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        # callers are promised an HTTPError, not the retry's own exception
        raise_on_status=False,
    )
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session


def _ask_for_token(form):
    from kaapanapy.settings import KeycloakSettings

    settings = KeycloakSettings()
    response = _session().post(
        f"{settings.keycloak_url}/auth/realms/{settings.client_id}/protocol/openid-connect/token",
        data={"client_id": settings.client_id, "client_secret": settings.client_secret, **form},
        timeout=5,
    )
    response.raise_for_status()
    return response.json()


def get_project_user_access_token():
    """Return an access token of the project's user.

    It is kept for the process and renewed 30 s before it ends, with the refresh token when there is one that
    is good, otherwise with the password.

    Raises:
        requests.HTTPError: the identity provider refuses.
    """
    import requests

    from kaapanapy.settings import ProjectSettings

    with _tokens.lock:
        now = time.monotonic()
        if _tokens.access and now < _tokens.access_until - _EXPIRY_MARGIN_S:
            return _tokens.access
        if _tokens.refresh and now < _tokens.refresh_until - _EXPIRY_MARGIN_S:
            try:
                _tokens.keep(_ask_for_token({"grant_type": "refresh_token", "refresh_token": _tokens.refresh}))
                return _tokens.access
            except requests.HTTPError:
                pass  # the session is gone at the provider's side: log in again
        project = ProjectSettings()
        _tokens.keep(
            _ask_for_token(
                {
                    "username": project.project_user_name,
                    "password": project.project_user_password,
                    "grant_type": "password",
                }
            )
        )
        return _tokens.access


def get_opensearch_client(access_token=None):
    """Return an ``opensearchpy.OpenSearch`` with the token's rights: TLS without verification, gzip bodies, 10 s."""
    from opensearchpy import OpenSearch

    from kaapanapy.settings import OpensearchSettings

    settings = OpensearchSettings()
    token = access_token or get_project_user_access_token()
    return OpenSearch(
        hosts=[{"host": settings.opensearch_host, "port": settings.opensearch_port}],
        http_compress=True,
        use_ssl=True,
        verify_certs=False,
        ssl_show_warn=False,
        timeout=10,
        headers={"Authorization": f"Bearer {token}"},
    )


def _minio_host():
    from kaapanapy.settings import KaapanaSettings

    return f"minio-service.{KaapanaSettings().services_namespace}.svc:9000"


def _sts_credentials(access_token):
    """Return the STS answer for a token, as the element ``Credentials``; None if it has none."""
    response = _session().post(
        f"http://{_minio_host()}",
        params={
            "Action": "AssumeRoleWithWebIdentity",
            "WebIdentityToken": access_token,
            "Version": "2011-06-15",
        },
        timeout=30,
    )
    return ElementTree.fromstring(response.content).find(f".//{_STS}Credentials")


def minio_credentials(access_token):
    """Return (access key, secret key, session token) of the object store for a token.

    Raises:
        AttributeError: the object store refuses the token (its answer has no credentials).
    """
    credentials = _sts_credentials(access_token)
    return tuple(credentials.find(f"{_STS}{name}").text for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))


def _minio_client(access_key, secret_key, session_token):
    from minio import Minio

    return Minio(
        _minio_host(),
        access_key=access_key,
        secret_key=secret_key,
        session_token=session_token,
        secure=False,
    )


def get_minio_client(access_token=None):
    """Return a ``minio.Minio`` with temporary keys for the token's project."""
    return _minio_client(*minio_credentials(access_token or get_project_user_access_token()))


def load_workflow_config():
    """Return the run's configuration, ``WORKFLOW_DIR/conf/conf.json``, as a dict."""
    from kaapanapy.settings import OperatorSettings

    path = Path(OperatorSettings().workflow_dir) / "conf" / "conf.json"
    return json.loads(path.read_text("utf-8"))
