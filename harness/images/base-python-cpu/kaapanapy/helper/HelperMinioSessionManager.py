# ruff: noqa: N999  (the platform names its modules after their classes)
"""A MinIO client that stays valid in long tasks (services 4.2)."""

import threading
from datetime import datetime, timedelta, timezone

from kaapanapy import helper

_MARGIN = timedelta(minutes=2)


class HelperMinioSessionManager:
    """Hands out one client, renewed two minutes before its keys end; safe to use from several threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._client = None
        self._expiration = datetime.min.replace(tzinfo=timezone.utc)

    def get_client(self):
        """Return the current ``minio.Minio``."""
        with self._lock:
            if self._client is None or datetime.now(timezone.utc) >= self._expiration - _MARGIN:
                sts = helper._sts_credentials(helper.get_project_user_access_token())
                values = {element.tag.rpartition("}")[2]: element.text for element in sts}
                self._expiration = datetime.fromisoformat(values["Expiration"].replace("Z", "+00:00"))
                self._client = helper._minio_client(
                    values["AccessKeyId"], values["SecretAccessKey"], values["SessionToken"]
                )
            return self._client
