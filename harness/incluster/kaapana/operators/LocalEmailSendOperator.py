# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Sends an e-mail about the jobs of a workflow (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalEmailSendOperator(KaapanaPythonBaseOperator):
    """Sends an e-mail about the jobs of a workflow."""

    not_emulated = "the harness sends no e-mail"

    def __init__(
        self,
        dag: Any,
        send_email: bool,
        name: str = "send-email",
        keys_to_select: list[str] | None = None,
        sender: str | None = None,
        receivers: list[str] | None = None,
        smtp_host: str | None = None,
        smtp_port: int | None = None,
        smtp_username: str | None = None,
        smtp_password: str | None = None,
        trigger_rule: str = "all_done",
        execution_timeout: timedelta = timedelta(hours=24),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            name=name,
            trigger_rule=trigger_rule,
            execution_timeout=execution_timeout,
            python_callable=do_nothing,
            **kwargs,
        )
        self.send_email, self.keys_to_select = send_email, keys_to_select
        self.sender, self.receivers = sender, receivers
        self.smtp_host, self.smtp_port = smtp_host, smtp_port
        self.smtp_username, self.smtp_password = smtp_username, smtp_password
