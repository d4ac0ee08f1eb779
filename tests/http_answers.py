"""Answers of the servers that tests make of Python's own."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any


def send_body(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    """Answer a request with a body and its length, and nothing else."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def send_json(handler: BaseHTTPRequestHandler, status: int, document: Any) -> None:
    """Answer a request with a document."""
    send_body(handler, status, json.dumps(document).encode())
