"""``kaapana-harness images``: make images ahead of the first test that needs them."""

from __future__ import annotations

import click

from harness.cli.options import with_settings
from harness.settings import Settings


@click.group()
def images() -> None:
    """Make images ahead of the first test that needs them."""


@images.command("kind-node")
@with_settings()
def kind_node(settings: Settings) -> None:
    """Make the node image for --cluster kind, and the command kind.

    Pull the image if its registry can be reached, otherwise build it from packages, which takes about ten minutes on
    two processors. An interrupted build continues at the next call. Print the image's tag.
    """
    from harness.cluster.kind import command, node_image
    from harness.doctor import require_nodes

    def say(line: str) -> None:
        click.echo(line, err=True)

    require_nodes(settings.nodes, say)
    say(f"kind: {command.ensure(settings, say)}")
    click.echo(node_image.ensure(settings, say))
