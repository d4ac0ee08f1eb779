"""What the emulated release honours, from the environment of the Airflow containers."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any, Final

VARIABLE: Final = "KAAPANA_HARNESS_PROFILE"


@dataclasses.dataclass(frozen=True)
class PodProfile:
    """The ``[pod]`` table of a profile (``harness/profiles``); the defaults are those of ``documented``."""

    cmds_honoured: bool = True
    pull_policy_honoured: bool = True
    memory_factor: float = 1.0
    startup_timeout_s: float = 3600.0
    delete_output_on_start: bool = True


def from_environment(environ: Mapping[str, str] | None = None) -> PodProfile:
    """Read the profile; keys that this version does not know are left to others.

    Raises:
        ValueError: the variable is not a JSON object.
    """
    environ = os.environ if environ is None else environ
    text = environ.get(VARIABLE, "")
    if not text.strip():
        return PodProfile()
    data: Any = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"{VARIABLE} is not a JSON object: {text[:80]!r}")
    table = data.get("pod", {})
    known = {field.name for field in dataclasses.fields(PodProfile)}
    return PodProfile(**{key: value for key, value in table.items() if key in known})
