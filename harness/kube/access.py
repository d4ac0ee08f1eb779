"""How an API server is reached from outside of its cluster."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class ClusterAccess:
    """How one API server is reached.

    Attributes:
        url: of the server.
        context: name of the context.
        token: bearer token, empty when it authenticates by certificate.
        token_file: file with a token that is read again for each request, or ``None``.
        tls: certificates of both sides; ``None`` for plain HTTP.
        authority: PEM text that the server's certificate is checked against; empty: that of the system.
        namespace: the context's default namespace.
    """

    url: str
    context: str
    token: str = dataclasses.field(default="", repr=False)
    token_file: Path | None = None
    tls: ssl.SSLContext | None = dataclasses.field(default=None, repr=False)
    authority: str = dataclasses.field(default="", repr=False)
    namespace: str = "default"
