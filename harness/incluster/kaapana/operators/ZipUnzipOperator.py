# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Packs folders into archives, or unpacks archives (operators 6.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class ZipUnzipOperator(KaapanaBaseOperator):
    """Parameters as in operators 6.3; the name is fixed. ``mode`` is ``zip`` or ``unzip`` and must be given."""

    def __init__(
        self,
        dag: Any,
        target_filename: str | None = None,
        subdir: str | None = None,
        mode: str | None = None,
        batch_level: bool = False,
        whitelist_files: str | None = None,
        blacklist_files: str | None = None,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=10),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "TARGET_FILENAME": target_filename or "NONE",
                "MODE": mode or "NONE",
                "SUBDIR": subdir or "NONE",
                "BATCH_LEVEL": str(batch_level),
                "WHITELIST_FILES": whitelist_files or "NONE",
                "BLACKLIST_FILES": blacklist_files or "NONE",
            }
        )
        super().__init__(
            dag=dag,
            name="zip-unzip",
            image=f"{DEFAULT_REGISTRY}/zip-unzip:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            **kwargs,
        )
