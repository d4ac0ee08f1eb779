"""The command line of the matrix."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from harness.errors import HarnessError, PlatformError
from tests.engines.matrix import keeper, machine, rows, table
from tests.engines.matrix.outcome import MISSING, Outcome
from tests.engines.matrix.trial import Plan, run_row

WORK = Path("/var/tmp/kaapana-harness-engines")
REPORT = Path("kaapana-report/engines")


@click.command()
@click.option("--row", "names", multiple=True, help="Only this row; may be given several times.")
@click.option("--list", "listed", is_flag=True, help="Print the rows and end.")
@click.option("--allow-missing", is_flag=True, help="A row that could not be set up does not fail the whole.")
@click.option("--conformance-only", is_flag=True, help="Neither the scenario nor times.")
@click.option("--tests", multiple=True, help="What of the conformance suite is run, a file or a test (default: all).")
@click.option("--resume", is_flag=True, help="Keep what is made, and go on where an earlier call with --resume was.")
@click.option("--work", type=click.Path(path_type=Path), default=WORK, show_default=True, help="Folder for all of it.")
@click.option(
    "--report", type=click.Path(path_type=Path), default=REPORT, show_default=True, help="Folder for the logs."
)
@click.option("--rows", "file", type=click.Path(path_type=Path), default=rows.LIST, help="Another list of rows.")
def main(
    names: tuple[str, ...],
    listed: bool,
    allow_missing: bool,
    conformance_only: bool,
    tests: tuple[str, ...],
    resume: bool,
    work: Path,
    report: Path,
    file: Path,
) -> None:
    """Run the suites on one container engine after the other, each in namespaces of its own, and print a table."""
    try:
        chosen = rows.choose(rows.read_rows(file), names)
        if listed:
            for row in chosen:
                what = ", ".join([row.suite, *filter(None, [row.module]), *row.packages])
                click.echo(f"{row.name}: {what}; images: {row.images}")
            return
        work = work.absolute()
        if missing := machine.lacks(machine.look(work), work):
            lack = f"this machine lacks {'; '.join(missing)}"
            if not allow_missing:
                raise PlatformError(lack)
            click.echo(table.render([Outcome(row.name, verdict=MISSING, reason=lack) for row in chosen]))
            return
        plan = Plan(work, report.absolute(), resume, conformance_only, *([tests] if tests else []))
        sys.exit(_run(chosen, plan, allow_missing))
    except HarnessError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_status)


def _run(chosen: list[rows.Row], plan: Plan, allow_missing: bool) -> int:
    started = time.monotonic()
    outcomes = []
    with keeper.kept(plan.work, keep=plan.resume):
        for row in chosen:

            def say(line: str, name: str = row.name) -> None:
                click.echo(f"{time.monotonic() - started:6.0f} s  {name}: {line}", err=True)

            outcomes.append(run_row(row, plan, say))
    text = table.render(outcomes)
    (plan.report / "table.md").write_text(text + "\n", "utf-8")
    click.echo(text)
    return table.exit_status(outcomes, allow_missing=allow_missing)


if __name__ == "__main__":
    main()
