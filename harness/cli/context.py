"""``kaapana-harness context``: prepare an existing cluster for ``--cluster context:NAME``, and check it."""

from __future__ import annotations

import click

from harness.cli.options import with_settings
from harness.errors import UsageError
from harness.settings import Settings


@click.group()
def context() -> None:
    """Prepare an existing cluster, and check it."""


@context.command()
@click.option(
    "--user", default="", help="User that gets the rights, by its name on the cluster; by default a service account."
)
@click.option("--group", default="", help="Group of users that gets the rights.")
def rights(user: str, group: str) -> None:
    """Print the objects that an admin of the cluster applies once: `... | kubectl apply -f -`."""
    import yaml

    from harness.cluster.context.rights import make_manifests

    if user and group:
        raise UsageError("--user and --group exclude each other", fix="run the command once for each")
    click.echo(yaml.safe_dump_all(make_manifests(user=user, group=group), sort_keys=False), nl=False)


@context.command()
@click.argument("name")
@with_settings()
def check(settings: Settings, name: str) -> None:
    """Report everything that the cluster of a context lacks."""
    from harness.cluster.context import access, preflight
    from harness.kube import KubeApi

    found, path = access.find(name)
    preflight.require(
        KubeApi.from_access(found),
        name,
        registry=settings.context_registry,
        storage_class=settings.context_storage_class,
    )
    click.echo(f"context {name} of {path} has everything that an environment needs")
