# mypy: disable-error-code="import-not-found"
"""JSON answers of the web API."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

from flask import Response


def encode_value(value: Any) -> Any:
    """Convert values that JSON lacks: dates to ISO 8601, sets and tuples to lists, others to text."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


def json_response(value: Any, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(json.dumps(value, default=encode_value), status=status, mimetype="application/json")
