"""Wait until services answer and files exist (build 9). Lives in 50 MiB: standard library only.

``WAIT`` is a list ``name,host,port[,path]`` separated by ``;``. With a path the service must answer a GET,
redirects are not followed, 4xx and 5xx end the program; without one a TCP connection is enough. What does not
answer is tried again every ``DELAY`` seconds without a limit: the operator sets the deadline.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from pathlib import Path

from harness.incluster.programs.common import ProgramError, number, say
from harness.wire.polling import Polling


def _http_status(host: str, port: int, path: str, timeout: float) -> int:
    connection: http.client.HTTPConnection
    if port == 443:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def _wait_for_service(item: str, delay: int, timeout: float) -> None:
    name, *address = item.split(",")
    if len(address) not in (2, 3) or not address[1].isdigit():
        raise ProgramError(f"WAIT has {item!r}, expected name,host,port or name,host,port,path")
    host, port, path = address[0], int(address[1]), address[2] if len(address) == 3 else ""
    seen = ""
    polling = Polling(pause_s=delay)
    while True:
        try:
            if not path:
                socket.create_connection((host, port), timeout=timeout).close()
                say(f"{name}: {host}:{port} accepts connections")
                return
            status = _http_status(host, port, path, timeout)
        except (OSError, http.client.HTTPException) as error:
            cause = f"{type(error).__name__}: {error}"
            if cause != seen:
                say(f"{name}: {host}:{port}{path} does not answer ({cause}); tried again every {delay} s")
            seen = cause
            polling.again()
            continue
        if status >= 400:
            raise ProgramError(f"{name}: http://{host}:{port}{path} answers with status {status}")
        say(f"{name}: http://{host}:{port}{path} answers with status {status}")
        return


def main() -> None:
    """Wait for everything in ``WAIT`` and ``FILES_AND_FOLDERS_EXISTS``; a ProgramError when neither is set."""
    services, files = os.environ.get("WAIT", ""), os.environ.get("FILES_AND_FOLDERS_EXISTS", "")
    if not services and not files:
        raise ProgramError("neither WAIT nor FILES_AND_FOLDERS_EXISTS is set: there is nothing to wait for")
    delay = number("DELAY", 2, 0, 3600)
    try:
        timeout = float(os.environ.get("TIMEOUT") or 10)
    except ValueError:
        raise ProgramError(f"TIMEOUT is {os.environ['TIMEOUT']!r}, expected a number of seconds") from None
    for item in filter(None, services.split(";")):
        _wait_for_service(item.strip(), delay, timeout)
    for text in filter(None, files.split(";")):
        path = Path(text)
        if not path.exists():
            say(f"{path} does not exist; looked at again every {delay} s")
        polling = Polling(pause_s=delay)
        while not path.exists():
            polling.again()
        say(f"{path} exists")
