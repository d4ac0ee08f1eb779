"""The set-up from nothing, on faked machines; and its entry point on this one."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.bootstrap import browser, compiler, environment, main
from harness.bootstrap.index import make_uv_environment
from harness.errors import PlatformError, UsageError

ROOT = Path(__file__).parents[1]


class FakeHost:
    """A machine that has what the test gives it, and notes what is run."""

    def __init__(
        self,
        *,
        modules: tuple[str, ...] = (),
        programs: tuple[str, ...] = (),
        root: bool = False,
        apt: bool = True,
        failing: tuple[str, ...] = (),
        offered: tuple[str, ...] = (),
    ) -> None:
        self.offered = set(offered)
        self.modules = set(modules)
        self.programs = set(programs)
        self.root = root
        self.apt = apt
        self.failing = failing
        self.folder: Path | None = None
        self.ran: list[str] = []
        self.installed: list[str] = []

    def module(self, name: str) -> bool:
        return name in self.modules

    def program(self, name: str) -> str:
        return f"/usr/bin/{name}" if name in self.programs else ""

    def run(self, command: list[str], environ: Mapping[str, str] | None = None) -> str:
        line = " ".join(command)
        self.ran.append(line)
        if self.folder:
            self.folder.mkdir(exist_ok=True)
        return f"failed: {line}" if any(word in line for word in self.failing) else ""

    def install(self, packages: tuple[str, ...]) -> None:
        self.installed.extend(packages)
        self.modules |= {"venv", "ensurepip"}

    def install_if_offered(self, package: str, say: Callable[[str], None]) -> bool:
        if package in self.failing:
            raise PlatformError(f"apt-get install {package}: exit status 100")
        if package in self.offered:
            self.installed.append(package)
        return package in self.offered


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "bootstrap"
    path.mkdir()
    return path


def make(host: FakeHost, folder: Path) -> list[str]:
    host.folder = folder
    said: list[str] = []
    environment.make(folder, host, said.append)
    return said


@pytest.mark.parametrize(
    ("modules", "programs", "first"),
    [
        (("venv", "ensurepip", "pip"), ("uv",), f"{sys.executable} -m venv "),
        (("venv",), ("uv", "virtualenv"), "/usr/bin/uv venv --quiet --seed"),
        (("venv", "virtualenv"), ("virtualenv",), f"{sys.executable} -m virtualenv"),
        (("venv",), ("virtualenv", "pipx"), "/usr/bin/virtualenv"),
        (("venv", "pip"), ("pipx",), f"{sys.executable} -m venv --without-pip"),
        ((), ("pipx",), "/usr/bin/pipx run virtualenv"),
    ],
)
def test_the_plainest_way_that_the_machine_has_is_taken(
    modules: tuple[str, ...], programs: tuple[str, ...], first: str, folder: Path
) -> None:
    host = FakeHost(modules=modules, programs=programs, root=True)
    make(host, folder)
    assert host.ran[0].startswith(first)
    assert host.installed == []
    assert host.ran[-1].endswith("install --quiet --no-input --disable-pip-version-check tox>=4.21,<5 tox-uv>=1.20")


def test_a_system_pip_is_used_without_touching_the_system(folder: Path) -> None:
    host = FakeHost(modules=("venv", "pip"))
    make(host, folder)
    [install] = [line for line in host.ran if line.endswith(" pip")]
    assert f"--target {folder}/lib/" in install


def test_a_way_that_fails_is_followed_by_the_next(folder: Path) -> None:
    host = FakeHost(modules=("venv", "ensurepip"), programs=("uv",), failing=("-m venv",))
    make(host, folder)
    assert host.ran[1].startswith("/usr/bin/uv venv")


def test_root_on_a_bare_debian_gets_the_package(folder: Path) -> None:
    host = FakeHost(modules=("venv",), root=True)
    make(host, folder)
    assert host.installed == ["python3-venv"]
    assert host.ran[0] == f"{sys.executable} -m venv {folder}"


def test_an_ordinary_user_on_a_bare_debian_gets_the_one_command(folder: Path) -> None:
    host = FakeHost(modules=("venv",))
    with pytest.raises(PlatformError, match="no virtual environment can be made") as caught:
        make(host, folder)
    assert caught.value.fix == "sudo apt-get update && sudo apt-get install -y python3-venv"
    assert caught.value.exit_status == 3
    assert host.installed == []


def test_without_tox_uv_plain_tox_is_used_with_a_notice(folder: Path) -> None:
    host = FakeHost(modules=("venv", "ensurepip"), failing=("tox-uv",))
    said = make(host, folder)
    assert host.ran[-1].endswith("tox>=4.21,<5")
    assert "tox-uv cannot be installed here" in said[-1]


def test_an_index_that_cannot_be_reached_is_reported_with_pips_words(folder: Path) -> None:
    host = FakeHost(modules=("venv", "ensurepip"), failing=("pip install",))
    with pytest.raises(PlatformError, match="tox cannot be installed") as caught:
        make(host, folder)
    assert "failed:" in caught.value.last_seen
    assert not environment.is_ready(folder)


def test_a_complete_environment_is_reused_and_an_incomplete_one_is_not(folder: Path) -> None:
    assert not environment.is_ready(folder)
    make(FakeHost(modules=("venv", "ensurepip")), folder)
    assert not environment.is_ready(folder), "no interpreter in it"
    (folder / "bin").mkdir()
    (folder / "bin" / "tox").touch()
    (folder / "bin" / "python").touch()
    assert environment.is_ready(folder)
    (folder / "bootstrap.json").write_text('{"python": "3.1"}')
    assert not environment.is_ready(folder), "made by another interpreter"


@pytest.mark.parametrize(
    ("name", "extra", "wanted"),
    [
        ("lint,tests", [], True),
        ("tests", ["--", "tests/report"], True),
        ("tests", ["--", "tests/data"], False),
        ("scenarios", [], False),
    ],
)
def test_a_browser_is_required_where_tests_need_one(name: str, extra: list[str], wanted: bool) -> None:
    assert browser.is_wanted(name, extra) is wanted


@pytest.mark.parametrize(("programs", "installed"), [((), ["chromium"]), (("google-chrome",), [])])
def test_a_missing_browser_is_installed(programs: tuple[str, ...], installed: list[str]) -> None:
    host = FakeHost(root=True, programs=programs, offered=("chromium",))
    browser.provide(host, lambda line: None)
    assert host.installed == installed


@pytest.mark.parametrize(
    "host",
    [FakeHost(), FakeHost(root=True, apt=False), FakeHost(root=True), FakeHost(root=True, failing=("chromium",))],
    ids=["not root", "no apt", "not offered", "no network"],
)
def test_without_a_browser_the_set_up_goes_on_and_says_what_is_skipped(host: FakeHost) -> None:
    said: list[str] = []
    browser.provide(host, said.append)
    assert host.installed == []
    assert len(said) == 1
    assert "skipped" in said[0]


@pytest.mark.parametrize(("version", "wanted"), [((3, 10), False), ((3, 13), False), ((3, 14), True), ((3, 15), True)])
def test_a_compiler_is_required_for_an_interpreter_without_built_packages(
    version: tuple[int, int], wanted: bool
) -> None:
    assert compiler.is_wanted(version) == wanted


@pytest.mark.parametrize(
    ("programs", "headers", "installed"),
    [(("g++",), True, []), (("g++",), False, ["g++", "python3-dev"]), ((), True, ["g++", "python3-dev"])],
)
def test_a_compiler_and_the_headers_are_installed_where_one_is_missing(
    programs: tuple[str, ...], headers: bool, installed: list[str]
) -> None:
    host = FakeHost(programs=programs, root=True)
    compiler.provide(host, [].append, headers=headers)
    assert host.installed == installed


@pytest.mark.parametrize(("programs", "headers"), [((), True), (("c++",), False)])
def test_an_ordinary_user_without_a_compiler_gets_the_one_command(programs: tuple[str, ...], headers: bool) -> None:
    host = FakeHost(programs=programs)
    with pytest.raises(PlatformError, match=r"is missing: a dependency \(pyjpegls\)") as caught:
        compiler.provide(host, [].append, headers=headers)
    assert "sudo apt-get install -y g++ python3-dev" in caught.value.fix
    assert host.installed == []


def test_pips_settings_are_given_to_uv_as_well() -> None:
    config = "\n".join(
        [
            "global.index-url='https://user:secret@mirror.example/simple'",
            "global.extra-index-url='\\nhttps://a.example\\nhttps://b.example'",
            "global.cert='/etc/old.pem'",
            ":env:.cert='/etc/site.pem'",
            ":env:.find-links='/opt/wheels'",
            "install.trusted-host='mirror.example'",
            "global.no-index='false'",
            "freeze.index-url='https://not.for.installing'",
        ]
    )
    assert make_uv_environment(config, {}) == {
        "UV_DEFAULT_INDEX": "https://user:secret@mirror.example/simple",
        "UV_INDEX": "https://a.example https://b.example",
        "SSL_CERT_FILE": "/etc/site.pem",
        "UV_FIND_LINKS": "/opt/wheels",
        "UV_INSECURE_HOST": "mirror.example",
    }


def test_the_users_settings_for_uv_win_and_nonsense_is_left_out() -> None:
    config = "global.index-url='https://pip.example'\nglobal.proxy=<nonsense>\nno equals sign"
    assert make_uv_environment(config, {"UV_DEFAULT_INDEX": "https://uv.example"}) == {}


@pytest.mark.parametrize("arguments", [[], ["--help"], ["tests", "extra"], ["-k", "x"]])
def test_wrong_use_is_reported_with_the_usage(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="usage: python3 -m harness"):
        main.parse(arguments)


def test_arguments_after_the_dashes_go_to_pytest() -> None:
    assert main.parse(["tests", "--", "-k", "x", "--", "y"]) == ("tests", ["--", "-k", "x", "--", "y"])


def test_wrong_use_ends_with_status_2() -> None:
    done = subprocess.run([sys.executable, "-m", "harness.bootstrap"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_a_clone_that_cannot_be_written_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".tox").touch()
    monkeypatch.setattr(main, "find_clone", lambda: tmp_path)
    monkeypatch.setattr(main, "_set_up", lambda: None)
    assert main.main(["scenarios"]) == 2
    assert capsys.readouterr().err.startswith(f"bootstrap: {tmp_path}/.tox cannot be used: File exists\n  fix: ")


def test_an_unexpected_error_ends_with_a_crash_report_and_not_with_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_out_of_time() -> None:
        raise subprocess.TimeoutExpired(["x"], 3)

    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(main, "_set_up", run_out_of_time)
    assert main.main(["scenarios"]) == 2
    said = capsys.readouterr().err
    (report,) = (tmp_path / "state" / "crashes").iterdir()
    assert said.startswith("bootstrap: unexpected TimeoutExpired: ")
    assert f"evidence: {report}" in said
    assert "Traceback" not in said


def test_an_old_python_is_refused_in_one_line() -> None:
    head = (ROOT / "harness/bootstrap/__main__.py").read_text("utf-8").partition("from harness")[0]
    old = head.replace("sys.version_info <", "(3, 9) <")
    assert old != head
    done = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Python 3.10 or newer is needed" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["__init__.py", "bootstrap/__init__.py", "bootstrap/__main__.py"])
def test_files_that_an_old_python_reads_before_it_is_refused_are_in_its_syntax(name: str) -> None:
    source = (ROOT / "harness" / name).read_bytes()
    # without a declared encoding Python 2 reads ASCII only
    assert source.isascii()
    tree = ast.parse(source, feature_version=(3, 4))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [node for node in imported if node.module == "__future__"]
    # these would be read before the check, wherever they stand in the file
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr))]
    assert not [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.returns or any(arg.annotation for arg in node.args.args))
    ]
    if name.endswith("__main__.py"):
        first = next(number for number, node in enumerate(tree.body) if node in imported)
        assert any(isinstance(node, ast.If) for node in tree.body[:first])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_end_becomes_one_interrupt_and_the_clean_up_is_waited_for(number: int, tmp_path: Path) -> None:
    """A ``tox`` that takes a moment to clean up, under the real signal handling."""
    package = tmp_path / "tox"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import pathlib, time\n"
        "count = 0\n"
        "pathlib.Path('started').touch()\n"
        "try:\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    time.sleep(0.5)\n    pathlib.Path('cleaned').touch()\n    raise SystemExit(5)\n"
    )
    code = (
        "import os, sys; from pathlib import Path; from harness.bootstrap import main\n"
        f"root = Path({str(tmp_path)!r})\n"
        "sys.exit(main._run_tox(root, Path(sys.executable), 'tests', [], {**os.environ, 'PYTHONPATH': str(root)}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline, "the fake tox did not start"
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(20) == 5
    assert (tmp_path / "cleaned").exists()
