"""Command lines, streams and folders that cannot be used: a first line, exit status 2 or 3, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.verbs import cli
from harness.common import crash
from harness.errors import EngineError, HarnessError, PlatformError, UsageError
from harness.plugin import failures
from tests.attacks.input_fuzz import NASTY_TEXTS, fuzzed
from tests.extension import trees_for_tests

VERBS = {
    "run": ["--input", "--form", "--param", "--project", "--timeout", "--out", "--chart", "--images", "--dag",
            "--nodes", "--platform", "--cluster", "--platform-registry", "--platform-version", "--deliver", "--reuse"],
    "build": ["--images-tar", "--chart-dir", "--registry", "--platform", "--platform-version"],
    "report": [],
    "lint": ["--platform", "--format"],
    "status": [],
}  # fmt: skip
WORDS = [
    *(text for text in NASTY_TEXTS if "\0" not in text), "/dev/null", "/dev/full", "/dev/full/x", "/proc/self/mem",
    "/root/x", "pyproject.toml", "nan", "inf", "-1", "1e400", "x=y", "=", "x=[", "TREE", "context:", "documented",
    "\udcff\udcfe", "a" * 5000, "~missing-user/x", "engine", "x.tgz", "a" * 300 + "/b", "/" + "a/" * 3000,
]  # fmt: skip


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where crash reports go; nothing is started."""

    def no_environment(_: object) -> None:
        raise EngineError("no engine in this test", fix="none")

    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("harness.cli.verbs._environment", no_environment)
    monkeypatch.setattr("harness.platform.delivery.build", no_environment_build)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    trees_for_tests.write(tmp_path / "TREE")
    return tmp_path / "state"


def no_environment_build(*_: object) -> None:
    raise EngineError("no engine in this test", fix="none")


@st.composite
def _command_lines(draw: st.DrawFn) -> list[str]:
    verb = draw(st.sampled_from([*VERBS, "nothing", ""]))
    words = st.sampled_from(WORDS) | st.text(max_size=10).filter(lambda text: "\0" not in text)
    line = [verb, *draw(st.lists(words, max_size=2))]
    for option in draw(st.lists(st.sampled_from(VERBS.get(verb, []) or ["--x"]), max_size=3)):
        line += [option, draw(words)]
    return line


@fuzzed
@given(_command_lines())
def test_command_lines_at_random_end_with_a_first_line_and_a_status(state: Path, line: list[str]) -> None:
    result = CliRunner().invoke(cli, line)
    assert result.exit_code in {0, 2, 3}, result.output
    assert "Traceback" not in result.output
    assert not (state / "crashes").exists(), (line, result.output)
    if result.exit_code:
        assert result.stderr.strip()


def run(words: list[str], environ: dict[str, str], **how: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *words],
        env={**os.environ, **environ},
        timeout=60,
        check=False,
        **how,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_closed_stream_changes_nothing(tmp_path: Path, number: int) -> None:
    environ = {"KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state")}
    done = run(["status"], environ, preexec_fn=lambda: os.close(number), cwd=tmp_path)
    assert done.returncode == 0


@pytest.mark.parametrize("words", [["status"], ["--help"], ["run", "--help"]])
def test_a_closed_output_causes_neither_a_traceback_nor_the_status_of_a_failed_run(
    tmp_path: Path, words: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environ = {"KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state")}
    done = run(words, environ, stdout=writer, stderr=subprocess.PIPE, cwd=tmp_path)
    os.close(writer)
    assert done.returncode == 3
    assert done.stderr == b""


def test_output_on_a_full_disk_is_named(tmp_path: Path) -> None:
    environ = {"KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state")}
    with open("/dev/full", "wb") as full:
        done = run(["status"], environ, stdout=full, stderr=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.decode().splitlines() == ["error: standard output cannot be written: No space left on device"]


def test_a_terminal_without_unicode_still_gets_the_message(tmp_path: Path) -> None:
    environ = {"PYTHONIOENCODING": "ascii", "KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state")}
    done = run(["build", str(tmp_path / "é名\udcff")], environ, stderr=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: there is no extension at")
    assert b"Traceback" not in done.stderr


def _file(path: Path) -> None:
    path.write_text("")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [_file, _loop])
@pytest.mark.parametrize("variable", ["KAAPANA_HARNESS_STATE_DIR"])
def test_a_folder_of_the_harness_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], variable: str
) -> None:
    make(tmp_path / "state")
    monkeypatch.setenv(variable, str(tmp_path / "state"))
    result = CliRunner().invoke(cli, ["status"])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: the state folder {tmp_path}/state cannot be used")


def test_an_unexpected_error_ends_in_one_line_and_a_crash_report_without_secrets(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise LookupError("password=hunter2 at https://me:hunter3@host/ token: eyJhbGciOiJub25lIn0.eyJhIjoiYiJ9.x")

    monkeypatch.setattr("harness.cluster.ledger.read_entries", break_down)
    monkeypatch.setattr(sys, "argv", ["kaapana-harness", "--password", "hunter4"])
    result = CliRunner().invoke(cli, ["status"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: unexpected LookupError: ")
    assert "Traceback" not in result.output
    (report,) = (state / "crashes").iterdir()
    assert f"evidence: {report}" in result.stderr
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert "Traceback" in text
    assert "break_down" in text
    for secret in ("hunter2", "hunter3", "hunter4", "eyJhbGciOiJub25lIn0"):
        assert secret not in text
        assert secret not in result.output


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), PlatformError),
        (ConnectionResetError(104, "Connection reset by peer"), PlatformError),
        (ValueError("x"), UsageError),
        (FileNotFoundError(2, "No such file or directory", "/x"), UsageError),
        (OSError(28, "No space left on device", "/x"), PlatformError),
    ],
)
def test_the_kind_of_an_error_decides_the_status(state: Path, error: Exception, kind: type[HarnessError]) -> None:
    assert type(crash.explain(error)) is kind


def test_no_more_than_twenty_reports_are_kept(state: Path) -> None:
    for number in range(25):
        crash.explain(KeyError(number))
    assert len(list((state / "crashes").iterdir())) == 20


def test_a_report_that_cannot_be_written_anywhere_does_not_hide_the_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _file(tmp_path / "state")
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "state"))
    explained = crash.explain(KeyError("x"))
    assert explained.cause.startswith("unexpected KeyError")
    assert "no crash report could be written" in explained.last_seen


def test_an_unexpected_error_in_a_test_is_a_first_line_with_a_report(state: Path) -> None:
    with pytest.raises(TypeError) as caught:
        crash.redact_all(3)  # type: ignore[arg-type]
    text = failures.explain(caught.value, None, ())
    assert text is not None
    assert text.startswith("unexpected TypeError")
    assert str(state / "crashes") in text


def test_an_error_of_the_tests_own_code_stays_as_it_is(state: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("x")
    assert failures.explain(caught.value, None, ()) is None
    assert not state.exists()


def test_text_of_an_author_does_not_steer_the_terminal() -> None:
    error = UsageError("name \x1b[31m\udcff\x07 x", last_seen="\n \n", fix="a" * 300_000)
    assert str(error).splitlines()[0] == r"name \x1b[31m\udcff\x07 x"
    assert len(str(error)) < 210_000
