"""The type of Kubernetes objects in this code."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]
"""An object as the API and charts write it."""
