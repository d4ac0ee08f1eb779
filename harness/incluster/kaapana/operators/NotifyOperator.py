# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Sends a notification to the user who started the workflow (operators 6.20)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class NotifyOperator(KaapanaBaseOperator):
    """Parameters as in operators 6.20."""

    def __init__(
        self,
        dag: Any,
        title: str,
        description: str,
        name: str = "notify",
        topic: str | None = None,
        icon: str | None = None,
        link: str | None = None,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(seconds=30),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "TITLE": title,
                "DESCRIPTION": description,
                "TOPIC": topic,
                "ICON": icon,
                "LINK": link,
            }
        )
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/notify:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            **kwargs,
        )
