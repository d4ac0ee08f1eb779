"""A pytest inside of the test's pytest, with the plugin and a platform that plays one prepared run."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "run"))
# loaded here once: a session inside of this process forgets what it has loaded itself
import fake_platform  # noqa: F401

import harness.api
import harness.ciconfig
import harness.platform.install
import harness.plugin.ci_config
import harness.plugin.failures
import harness.plugin.fixtures
import harness.report.objects
import harness.report.rendering

ROOT = Path(__file__).parents[1]
INSTALLED = any(entry.value == "harness.plugin" for entry in entry_points(group="pytest11"))
# the inner tests' environment: what it plays is decided by the test that writes this file
FAKE = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests/run")!r})
import pytest
from fake_platform import FakeEnvironment, fake_deploy, outcome, task
import harness.platform.install
harness.platform.install.deploy = fake_deploy
MADE = []

class Hook:
    @pytest.hookimpl
    def pytest_kaapana_environment(self, settings, config):
        environment = FakeEnvironment({{tasks}}, {{state!r}}, reuse=settings.reuse)
        MADE.append(environment)
        print("environment made")
        return environment

def pytest_configure(config):
    config.pluginmanager.register(Hook())

@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    for environment in MADE:
        print("projects", len(environment.projects), "removed", len(environment.removed), "down", environment.downs)
"""


def prepare(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Make a test project whose pytest has this plugin."""
    # the inner project replaces it in this very process: put back what was there at the end
    monkeypatch.setattr(harness.platform.install, "deploy", harness.platform.install.deploy)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # the closing lines of pytest are cut to the width of the terminal
    monkeypatch.setenv("COLUMNS", "200")
    # where CI is set, pytest repeats every failure's whole text in its closing lines
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    return pytester


def write(inner: pytest.Pytester, tests: str, *, tasks: str = "None", state: str = "success") -> None:
    inner.makeconftest(FAKE.format(tasks=tasks, state=state))
    inner.makepyfile(tests)


def run(
    inner: pytest.Pytester, *words: str, subprocess: bool = False, report: str | None = "evidence"
) -> pytest.RunResult:
    start = inner.runpytest_subprocess if subprocess else inner.runpytest_inprocess
    plugin = () if INSTALLED else ("-p", "harness.plugin")
    chosen = ("--kaapana-report", report) if report else ()
    return start(*plugin, *chosen, *words)
