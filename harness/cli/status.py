"""``kaapana-harness status``: the environments of this user, where they are reached, and what opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import with_settings
from harness.errors import HarnessError
from harness.settings import Settings

if TYPE_CHECKING:
    from harness.cluster.ledger import Entry


@click.command()
@click.option("--credentials", is_flag=True, help="Print users, passwords and tokens of running environments.")
@with_settings()
def status(settings: Settings, credentials: bool) -> None:
    """List the environments of this user, and the addresses of running ones."""
    from harness.cluster import ledger

    entries = ledger.read_entries(settings.state)
    for entry in entries:
        click.echo(str(entry))
        if entry.kept and credentials:
            _print_logins(entry)
        elif entry.kept:
            _print_addresses(settings, entry)
    if not entries:
        click.echo("no environment")


def _print_addresses(settings: Settings, entry: Entry) -> None:
    from harness.kube import ApiError
    from harness.platform.addresses import find_addresses

    try:
        found = find_addresses(settings, entry)
    except (HarnessError, ApiError) as error:
        click.echo(f"  does not answer: {error}")
        return
    lines = [("page", f"kaapana-harness page {entry.id}"), ("credentials", "kaapana-harness status --credentials")]
    lines += [(one.name, f"{one.url}  Host: {one.host}" if one.host else one.url) for one in found]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"  {name:<{width}}  {value}")


def _print_logins(entry: Entry) -> None:
    from harness.platform.addresses import list_logins

    logins = list_logins(entry)
    width = max((len(login.name) for login in logins), default=0)
    for login in logins:
        click.echo(f"  {login.name:<{width}}  {login.user or '-'}  {login.secret}")
