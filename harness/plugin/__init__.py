"""The pytest plugin: options, fixtures, and failures that begin with the cause.

It is loaded in every pytest run of a Python environment, so this module imports only the declaration of the options,
which is cheap, and what pytest has loaded already; everything else is imported when a fixture is first used.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.settings import OPTIONS, Settings

if TYPE_CHECKING:
    from harness.api import Kaapana
    from harness.data import Series
    from harness.installed import InstalledExtension
    from harness.plugin.failures import Compared
    from harness.plugin.fixtures import Ended, ObjectStore, Pacs, Session
    from harness.report.conclusion import QuestionLog

_FIXTURES = frozenset({"kaapana", "extension", "pacs", "object_store", "brain_mr", "small_ct"})
_SESSION = pytest.StashKey["Session"]()
_ENDED: pytest.StashKey[Ended] = pytest.StashKey()
_QUESTION_LOG: pytest.StashKey[QuestionLog] = pytest.StashKey()
_COMPARED: pytest.StashKey[Compared] = pytest.StashKey()
_FACADE = pytest.StashKey["Kaapana"]()
# attribute of a test's report: what JSON can say, as xdist sends reports between processes
_FINDINGS = "kaapana_findings"
_EVIDENCE = "kaapana_evidence"


class HookSpecs:
    """Hooks of this plugin."""

    @pytest.hookspec(firstresult=True)
    def pytest_kaapana_environment(self, settings: Any, config: pytest.Config) -> Any:
        """Make the environment for a test session; internal, for the tests of this plugin.

        An environment has what ``harness.platform.environment.Environment`` has.
        """


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the internal hook."""
    pluginmanager.add_hookspecs(HookSpecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option for each setting that declares one."""
    group = parser.getgroup("kaapana", "workflow extensions of Kaapana")
    for option in OPTIONS.values():
        if option.is_switch:
            how: dict[str, Any] = {"action": "store_const", "const": True}
        else:
            how = {"metavar": option.metavar, "action": "append" if option.is_list else "store"}
        if option.pytest_flag:
            group.addoption(option.pytest_flag, dest=_dest(option.name), default=None, help=option.help, **how)


def _dest(name: str) -> str:
    """Return the name under which pytest keeps the value of an option."""
    return f"kaapana_{name}"


@pytest.hookimpl(trylast=True)
def pytest_kaapana_environment(settings: Any, config: pytest.Config) -> Any:
    """Return the emulated platform."""
    from harness.platform.environment import Environment

    listener = _listener(config)
    return Environment.up(settings, **({"on_progress": listener.say} if listener else {}))


def _load_settings(config: pytest.Config) -> Settings:
    """Return the settings of this process.

    Raises:
        UsageError: one of them cannot be read.
    """
    spelling = {option.name: option.pytest_flag for option in OPTIONS.values() if option.pytest_flag}
    flags = {name: config.getoption(_dest(name)) for name in spelling}
    return Settings.load(flags, spelling=spelling, start=config.rootpath)


def _session(config: pytest.Config) -> Session:
    """Return the session of this process, made at first use; each xdist worker has its own."""
    if _SESSION not in config.stash:
        from harness.plugin.fixtures import Session

        settings = _load_settings(config)
        if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0":
            # installing and removing extensions side by side needs a separate environment
            settings = dataclasses.replace(settings, reuse=False)
        config.stash[_SESSION] = Session(
            settings,
            lambda known: config.hook.pytest_kaapana_environment(settings=known, config=config),
            _report_folder(config, settings.report),
        )
    return config.stash[_SESSION]


def _listener(config: pytest.Config) -> Any:
    """Return a listener whose lines are seen while a test runs; ``None`` with -q and on xdist workers."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or capture is None or config.get_verbosity() < 0 or "PYTEST_XDIST_WORKER" in os.environ:
        return None
    from harness.plugin.fixtures import uncaptured_lines

    return uncaptured_lines(capture)


def _report_folder(config: pytest.Config, chosen: Path | None) -> Path | None:
    if chosen is None:
        return None
    folder = chosen if chosen.is_absolute() else config.invocation_params.dir / chosen
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    return folder / worker if worker else folder


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect ``ci-config/*.yaml``, where its path or folder is given or a setting says so."""
    if file_path.parent.name != "ci-config" or file_path.suffix not in {".yaml", ".yml"}:
        return None
    if not _is_given(parent.config, file_path):
        from harness.errors import UsageError

        try:
            wanted = _load_settings(parent.config).ci_config
        except UsageError as error:
            raise parent.CollectError(str(error)) from None
        if not wanted:
            return None
    from harness.plugin.ci_config import CiConfigFile

    return CiConfigFile.from_parent(parent, path=file_path)


def _is_given(config: pytest.Config, file: Path) -> bool:
    """Return whether the command line names a file or its folder."""
    words = (str(word).split("::", 1)[0] for word in config.args)
    given = {(config.invocation_params.dir / word).resolve() for word in words}
    return not given.isdisjoint({file.resolve(), file.parent.resolve()})


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the documents of a ``ci-config`` file in their order when another plugin shuffles tests."""
    if (ci_config := sys.modules.get("harness.plugin.ci_config")) is not None:
        ci_config.restore_order(items)


def _report(config: pytest.Config, make: Callable[[], Path]) -> Session:
    """Return the session once it has a folder for evidence, which ``make`` makes where none was chosen."""
    session = _session(config)
    if session.report is None:
        session.report = make()
    return session


@pytest.fixture
def kaapana(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaapana]:
    """The emulated platform with a fresh project; the platform is started by the first test that asks."""
    # pytest removes such folders of all but its last three sessions
    session = _report(request.config, lambda: tmp_path_factory.mktemp("kaapana", numbered=False))
    listener = _listener(request.config)
    from harness.plugin.fixtures import Ended
    from harness.report.conclusion import QuestionLog

    questions = request.node.stash[_QUESTION_LOG] = QuestionLog()
    ended = functools.partial(request.node.stash.get, _ENDED, Ended())
    with session.facade(request.node.nodeid, ended, listener, questions) as facade:
        request.node.stash[_FACADE] = facade
        yield facade


@pytest.fixture
def extension(request: pytest.FixtureRequest, kaapana: Kaapana) -> InstalledExtension:
    """The extension beside the test: installed from the folder ``extension`` next to the test file.

    Another folder, relative to the test file: ``@pytest.mark.parametrize("extension", ["other"], indirect=True)``.
    """
    folder = request.path.parent / str(getattr(request, "param", "extension"))
    return kaapana.install(folder)


@pytest.fixture
def pacs(kaapana: Kaapana) -> Pacs:
    """The archive of the test's project: add series, list them."""
    from harness.plugin.fixtures import Pacs

    return Pacs(kaapana.environment, kaapana.project)


@pytest.fixture
def object_store(kaapana: Kaapana) -> ObjectStore:
    """The bucket of the test's project."""
    from harness.plugin.fixtures import ObjectStore

    return ObjectStore(kaapana.environment.object_store, kaapana.project.bucket)


@pytest.fixture(scope="session")
def brain_mr(request: pytest.FixtureRequest) -> Series:
    """An MR series of an average human brain, with masks of brain, grey and white matter as its truth."""
    from harness import data

    return data.brain_mr(_session(request.config).settings.cache)


@pytest.fixture(scope="session")
def small_ct(request: pytest.FixtureRequest) -> Series:
    """Five slices of a real cardiac CT."""
    from harness import data

    return data.small_ct(_session(request.config).settings.cache)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the cause of a failure into its first line, and redact credentials in the report of the test."""
    report = yield
    facade = item.stash.get(_FACADE, None)
    if report.failed and call.excinfo is not None and _concerns_us(item, call.excinfo.value):
        from harness.plugin import failures

        compared = item.config.stash.get(_COMPARED, None)
        text = failures.explain(call.excinfo.value, report.longrepr, facade.runs if facade else (), compared)
        if facade is not None and (page := failures.find_page(facade.runs, item.stash.get(_QUESTION_LOG, None))):
            if text is None:
                # pytest's own text stays unchanged: the line is added below it
                report.sections.append(("kaapana", f"report: {page}"))
            else:
                text += f"\n  report: {page}"
        if text is not None:
            report.longrepr = text
    if facade is not None and (call.when == "call" or not report.passed):
        from harness.plugin.fixtures import Ended

        item.stash[_ENDED] = Ended(report.outcome, str(report.longrepr) if report.failed else "")
    if call.when == "teardown" and facade is not None:
        setattr(report, _EVIDENCE, str(facade.evidence))
        if facade.runs:
            from harness.plugin import session_findings

            setattr(report, _FINDINGS, session_findings.to_documents(facade.runs))
    if (verdict := sys.modules.get("harness.checks.verdict")) is not None:
        verdict.forget_refusals()
    # without the platform's parts there are no credentials
    if (redaction := sys.modules.get("harness.common.redaction")) is not None:
        report.sections = [(title, redaction.redact(text)) for title, text in report.sections]
        if report.failed and redaction.redact(shown := str(report.longrepr)) != shown:
            report.longrepr = redaction.redact(shown)
    return report


def pytest_assertrepr_compare(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """Explain a number about a result when an assertion about it fails."""
    if (explained := sys.modules.get("harness.checks.explanations")) is None:
        return None
    found = next((value for value in (left, right) if isinstance(value, explained.Explained)), None)
    if found is None and not {type(left), type(right)} <= {int, float}:
        return None
    from harness.plugin.failures import Compared, find_assertion

    compared = Compared(found, op, left, right, find_assertion(sys._getframe(1)))
    earlier = config.stash.get(_COMPARED, None)
    # of an assertion's comparisons, the one with such a number counts
    if found is not None or earlier is None or earlier.number is None or earlier.place != compared.place:
        config.stash[_COMPARED] = compared
    return compared.lines or None


def _concerns_us(item: pytest.Item, error: BaseException) -> bool:
    loaded = {"harness.checks.explanations", "harness.checks.verdict"} & sys.modules.keys()
    asked = isinstance(error, AssertionError) and bool(loaded)
    return _SESSION in item.config.stash or _is_ours(error) or _uses_us(item) or asked


def _uses_us(item: pytest.Item) -> bool:
    return not _FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def _is_ours(error: BaseException) -> bool:
    return any(kind.__module__ == "harness.errors" for kind in type(error).__mro__)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report each finding once, the path of the evidence, and environments that still run."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    if found := [entry for report in reports for entry in getattr(report, _FINDINGS, ())]:
        from harness.plugin import session_findings

        for line in session_findings.summary_lines(found):
            terminalreporter.write_line(f"kaapana: {line}")
    session = config.stash.get(_SESSION, None)
    if session is not None:
        for line in session.notes():
            terminalreporter.write_line(line)
    folders = {getattr(report, _EVIDENCE) for report in reports if hasattr(report, _EVIDENCE)}
    # a worker of xdist knows its own tests only
    if folders and not hasattr(config, "workerinput"):
        from harness.plugin import failures

        for line in failures.write_index(folders):
            terminalreporter.write_line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the environment, or leave it running if the options say so."""
    session = config.stash.get(_SESSION, None)
    if session is not None:
        del config.stash[_SESSION]
        try:
            session.close()
        except Exception as error:
            from harness.common import crash

            explained = crash.explain(error)
            sys.stderr.write(f"\nerror: {explained}\n")
            # pytest would print a traceback; the outcome of its tests is on the terminal already
            raise SystemExit(explained.exit_status) from None
