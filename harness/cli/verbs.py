"""``kaapana-harness``: thin verbs over the same API that the tests use.

Exit status: 0 passed, 1 the run or a check failed, 2 wrong use or wrong input, 3 the environment could not be made,
130 interrupted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import __version__
from harness.cli.context import context
from harness.cli.exit_status import Verbs, prepare_streams
from harness.cli.form_options import read_conf, read_form_values
from harness.cli.images import images
from harness.cli.options import with_settings
from harness.cli.page import page
from harness.cli.status import status
from harness.cli.targets import check_out, folder_or_temporary, prepare_target
from harness.errors import UsageError
from harness.settings import EVIDENCE, Settings

if TYPE_CHECKING:
    from harness.artefacts.bundle import Artefacts
    from harness.platform.environment import Environment
    from harness.run.results import Run


def main() -> None:
    """Run the command line of this process."""
    prepare_streams()
    cli.main(prog_name="kaapana-harness")


def say(line: str) -> None:
    """Report progress, on standard error so that output can be piped."""
    click.echo(line, err=True)


_PLATFORM = ("platform", "platform_registry", "platform_version", "cluster", "nodes")


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Local end-to-end tests for workflow extensions of Kaapana."""


cli.add_command(images)
cli.add_command(context)
cli.add_command(page)
cli.add_command(status)


@cli.command()
@click.option("--fix", is_flag=True, help="Fix what can be fixed.")
def doctor(fix: bool) -> int:
    """Report what is missing on this machine and the command that fixes it."""
    from harness.doctor.command import main as examine

    return examine(["--fix"] if fix else [])


@cli.command()
@with_settings(*_PLATFORM)
def up(settings: Settings) -> None:
    """Start an environment that stays; pytest uses it with --kaapana-reuse."""
    environment = _environment(dataclasses.replace(settings, reuse=True))
    environment.down(keep=True)
    click.echo(f"{environment.id} is up: {settings.platform} on {settings.cluster}")
    click.echo(f"look at it with: kaapana-harness page {environment.id}")


@cli.command()
@with_settings()
def down(settings: Settings) -> None:
    """End the environments that are still running."""
    from harness.platform import ownership

    ended = ownership.down(settings.state)
    click.echo(f"ended: {', '.join(ended)}" if ended else "no environment was left running")


@cli.command()
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also remove superseded images of the last seven days, and all content for kind nodes but the newest.",
)
@with_settings()
def prune(settings: Settings, everything: bool) -> None:
    """Remove leftovers of environments whose owner is gone, and superseded images and contents of kind nodes."""
    from harness.platform import ownership, pruning

    removed = ownership.prune(settings.state) + pruning.prune_images(settings, say, everything=everything)
    removed += pruning.prune_contents(settings, say, everything=everything)
    click.echo("removed: " + "\n         ".join(removed) if removed else "nothing to remove")


@cli.command(hidden=True)
@click.argument("extension", type=click.Path(path_type=Path))
@with_settings("platform")
@click.option("--format", "style", type=click.Choice(["text", "json", "sarif"]), default="text")
def lint(settings: Settings, extension: Path, style: str) -> None:
    """Check an extension's source tree without running it."""
    raise UsageError(
        "lint does not exist yet in this version",
        fix=f"`kaapana-harness build {extension}` reads the tree and reports what the platform would refuse",
    )


@cli.command()
@click.argument("extension", type=click.Path(path_type=Path))
@click.option("--images-tar", type=click.Path(path_type=Path), help="Save all images into this archive for an upload.")
@click.option("--chart-dir", type=click.Path(path_type=Path), help="Keep the packaged chart in this folder.")
@with_settings("platform", "platform_version", platform_registry="--registry")
def build(settings: Settings, extension: Path, images_tar: Path | None, chart_dir: Path | None) -> None:
    """Build the containers of an extension and package its chart.

    Print files and names of images to standard output, and what to do with them on a platform to
    standard error.
    """
    from harness import profiles
    from harness.extension import read
    from harness.platform import bundle

    source = read(extension)
    if images_tar is not None:
        prepare_target(images_tar)
    with folder_or_temporary(chart_dir) as folder:
        made = bundle.make(
            source,
            settings,
            version=settings.platform_version or profiles.load(settings.platform).version,
            registry=settings.platform_registry,
            archive=images_tar,
            chart_dir=folder,
            say=say,
        )
    if images_tar is not None:
        click.echo(f"{images_tar}")
    if chart_dir is not None:
        click.echo(f"{made.chart.path}")
    for image in made.images:
        click.echo(f"{image.reference} {image.image_id}")
    if images_tar is not None or chart_dir is not None:
        for line in made.instructions():
            say(line)


@cli.command()
@click.argument("extension", type=click.Path(path_type=Path), required=False)
@click.option("--input", "dataset", type=click.Path(path_type=Path), help="Folder with the DICOM series to run on.")
@click.option("--dag", help="DAG to run, if the extension has several.")
@click.option("--form", "form", multiple=True, metavar="FILE|key=value", help="Form values; may be given repeatedly.")
@click.option(
    "--conf",
    metavar="FILE|JSON",
    help="Instead of --form: the document that a client of the platform's API posts, without defaults or checks.",
)
@click.option(
    "--param", "param", multiple=True, metavar="FILE|key=value", help="Extension parameters; may be given repeatedly."
)
@click.option("--project", help="Name of the project to run in; by default a new one.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the evidence of the run.")
@with_settings("chart", "images", *_PLATFORM, "deliver", "run_timeout", "reuse")
def run(
    settings: Settings,
    extension: Path | None,
    dataset: Path | None,
    dag: str | None,
    form: tuple[str, ...],
    conf: str | None,
    param: tuple[str, ...],
    project: str | None,
    out: Path | None,
) -> int:
    """Build, install and run an extension, or a packaged chart with its images, and keep the evidence in a folder."""
    from harness.api import check_artefacts, open_artefacts
    from harness.extension import params, read
    from harness.platform import projects
    from harness.run.paths import find_unused
    from harness.run.trigger import read_dataset

    values, text = read_form_values(form)
    document = None if conf is None else _conf(conf, form, dag, dataset)
    param_values, param_text = read_form_values(param, "--param")
    # report wrong input before an environment takes minutes
    if project is not None:
        projects.check_name(project)
    if out is not None:
        check_out(out)
    _check_extension(extension, settings.chart)
    series = read_dataset(dataset)
    artefacts = open_artefacts(settings.chart, settings.images, settings.state)
    if artefacts is not None:
        artefacts.require_workflow()
        name, parameters = artefacts.packages[0].name, artefacts.parameters
    else:
        assert extension is not None
        tree = read(extension, edk=settings.deliver == "edk")
        name, parameters = extension.resolve().name, tree.chart.parameters
    chosen = {**param_values, **params.parse_texts(parameters, param_text)}
    params.check(parameters, chosen)
    settings = check_artefacts(settings, artefacts, chosen)
    directory = out if out is not None else find_unused(settings.report or EVIDENCE, name)
    finished = _run(settings, extension, artefacts, series, dag, values, text, document, project, directory, chosen)
    _print_run(finished)
    return 0 if finished.succeeded else 1


def _run(
    settings: Settings,
    extension: Path | None,
    artefacts: Artefacts | None,
    series: Any,
    dag: str | None,
    values: Mapping[str, Any],
    text: Mapping[str, str],
    conf: Mapping[str, Any] | None,
    project: str | None,
    directory: Path,
    params: Mapping[str, Any],
) -> Run:
    from harness.api import Kaapana, open_project

    with (
        _environment(settings) as environment,
        open_project(
            environment,
            project,
            lambda made: Kaapana(environment, made, evidence=directory.parent, artefacts=artefacts),
        ) as kaapana,
    ):
        installed = kaapana.install(extension, params=params)
        return installed.run(
            dataset=series or None, form=values, form_text=text, dag=dag, directory=directory, conf=conf
        )


def _conf(word: str, form: tuple[str, ...], dag: str | None, dataset: Path | None) -> dict[str, Any]:
    """Return the document of ``--conf``, checked before anything is started.

    Raises:
        UsageError: it is no document to post, or contradicts the other options.
    """
    from harness.run.posted_forms import read_posted

    if form:
        raise UsageError("--form and --conf exclude each other", fix="write the values into the document of --conf")
    document = read_conf(word)
    post = read_posted(document, "--conf")
    if post.dag_id is not None and dag not in (None, post.dag_id):
        raise UsageError(f"--conf names the DAG {post.dag_id!r}, --dag {dag!r}", fix="leave out one of the two")
    if dataset is not None:
        post.with_input(["1"])
    return document


def _check_extension(extension: Path | None, charts: Sequence[str]) -> None:
    """Check that either a tree or a package was given.

    Raises:
        UsageError: says which of the two to give.
    """
    if extension is None and not charts:
        raise UsageError(
            "no extension was given", fix="give the folder of an extension, or a packaged chart with --chart X.tgz"
        )
    if extension is not None and extension.suffix == ".tgz":
        raise UsageError(
            f"{extension} is not the folder of an extension but a package",
            fix=f"kaapana-harness run --chart {extension} --images images.tar ...",
        )


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
def report(run_dir: Path) -> None:
    """Write the HTML report of a finished run, or the index of the tests in a folder, and print where it is."""
    from harness import report
    from harness.report import index
    from harness.run import evidence

    tests = [] if (run_dir / "run.json").exists() else index.find_tests(run_dir)
    click.echo(str(index.write(run_dir, tests) if tests else report.write(evidence.read(run_dir)).path))


def _environment(settings: Settings) -> Environment:
    from harness.platform.environment import Environment

    return Environment.up(settings, on_progress=say)


def _print_run(finished: Run) -> None:
    from harness.findings import summary

    if finished.succeeded:
        click.echo(f"{finished.dag_id} succeeded in {finished.seconds:.1f} s")
    else:
        click.echo(str(finished.cause) if finished.cause else f"{finished.dag_id} ended {finished.state}")
    for item in finished.sent:
        click.echo(f"sent    {item.path}")
    for stored in finished.objects:
        click.echo(f"stored  {stored.path}" + ("  (on the results page)" if stored.visible_in_results else ""))
    for line in summary.summary_lines(finished.findings, finished.on_other_releases):
        click.echo(line)
    click.echo(f"evidence in {finished.directory}")
