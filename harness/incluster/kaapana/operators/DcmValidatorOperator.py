# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Checks DICOM files against the standard (operators 6.21)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class DcmValidatorOperator(KaapanaBaseOperator):
    """Parameters as in operators 6.21. ``validator_alg`` is ``dciodvfy`` or ``pydicomvalidator``."""

    def __init__(
        self,
        dag: Any,
        name: str = "dicom-validator",
        validator_alg: str = "dciodvfy",
        exit_on_error: bool = False,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(seconds=30),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "VALIDATOR_ALGORITHM": validator_alg,
                "EXIT_ON_ERROR": str(exit_on_error),
            }
        )
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/dicom-validator:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            **kwargs,
        )
