"""The registry as the platform's chart has it, for tests that need no more of the platform."""

from __future__ import annotations

import base64
import json
from typing import Any

from harness.kube import Manifest
from harness.platform import helm, platform_chart
from harness.platform.credentials import Credentials
from harness.platform.manifests import arrange
from harness.wire.names import ADMIN_NAMESPACE, HARNESS_REGISTRY


def registry_objects(image: str, credentials: Credentials) -> list[Manifest]:
    """The chart's objects of the registry, in Helm's order.

    Args:
        image: that its container runs.
        credentials: who may pull and push.
    """
    values: dict[str, Any] = {
        "images": {"registry": image},
        "credentials": credentials.as_mapping(),
        "registry_users": platform_chart.list_registry_users(credentials),
        "environment": "test",
        "profile": "{}",
    }
    rendered = helm.find().render(platform_chart.CHART, values, release="x", namespace=ADMIN_NAMESPACE)
    name = HARNESS_REGISTRY[0]
    return [entry for entry in arrange(rendered).objects if entry["metadata"]["name"].startswith(name)]


def docker_config(**logins: tuple[str, str]) -> dict[str, str]:
    """Data of a pull secret with a login for each registry."""
    auths = {
        f"https://{host}": {"auth": base64.b64encode(":".join(login).encode()).decode()}
        for host, login in logins.items()
    }
    return {".dockerconfigjson": base64.b64encode(json.dumps({"auths": auths}).encode()).decode()}
