"""Wait for the metadata database, before Airflow is imported (its imports do not need it, its first query does)."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from harness.wire.polling import Polling


def wait_for_database(dsn: str, *, timeout_s: float = 120.0) -> None:
    """Wait until the database of ``dsn`` answers.

    PostgreSQL closes the connection on a length of zero, which a port that merely accepts connections (a proxy
    in front of a database that is not there) does not tell us: so the answer to an SSL request is looked at,
    which PostgreSQL gives with ``S`` or ``N`` as soon as its postmaster runs.

    Raises:
        TimeoutError: it did not answer in time; the last error is named.
    """
    parts = urlsplit(dsn)
    if not parts.hostname:  # SQLite: a file
        return
    address = (parts.hostname, parts.port or 5432)
    polling = Polling(timeout_s=timeout_s, pause_s=0.05)
    while True:
        try:
            with socket.create_connection(address, timeout=2) as connection:
                connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")  # SSLRequest
                answer = connection.recv(1)
            if answer in (b"S", b"N"):
                return
            last = f"no PostgreSQL there, it answered {answer!r}"
        except OSError as error:
            last = str(error)
        if not polling.again():
            host, port = address
            raise TimeoutError(f"the Airflow database at {host}:{port} did not answer for {timeout_s:g} s: {last}")
