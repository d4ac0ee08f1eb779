"""``kaapana-harness page``: look at an environment in the browser."""

from __future__ import annotations

import click

from harness.cli.options import with_settings
from harness.settings import EVIDENCE, Settings


@click.command()
@click.argument("environment", required=False)
@with_settings("run_timeout", report="--report")
def page(settings: Settings, environment: str | None) -> None:
    """Serve a page about a running environment, and print its address.

    ENVIRONMENT is an id of `kaapana-harness status`; it may be left out where there is only one. The page stays
    until Ctrl-C. Its address works once, on this machine.
    """
    from harness.page import server
    from harness.platform import running
    from harness.platform.environment import Environment

    entry = running.choose(settings.state, environment)
    server.serve(
        Environment.attach(settings, entry),
        settings.report or EVIDENCE,
        started=entry.started,
        show_address=click.echo,
        say=lambda line: click.echo(line, err=True),
    )
