"""Ask an engine whether it has BuildKit: its clients reach that by upgrading a connection."""

from __future__ import annotations

import re
import socket
from typing import Final

_QUESTION: Final = (
    b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"
)
_UPGRADED: Final = re.compile(rb"HTTP/1\.[01] 101 ")
_TIMEOUT_S: Final = 20.0


def offers_buildkit(path: str) -> bool | None:
    """Return whether the engine at a socket has BuildKit; takes some milliseconds. Never raises.

    Returns:
        ``None`` if it does not answer in time.
    """
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(path)
            connection.sendall(_QUESTION)
            while len(answer) < 16 and (block := connection.recv(64)):
                answer += block
    except (TimeoutError, BlockingIOError):
        return None
    except (OSError, ValueError):
        return False
    return _UPGRADED.match(answer) is not None
