"""A ``helm`` program that behaves badly, as an author's chart or a broken installation can make it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.platform.helm import HelmError, HelmProgram
from tests.attacks.test_input_limits import _runs

_PATIENCE_S = 3.0


def _program(tmp_path: Path, script: str, interpreter: str = "/bin/sh", timeout_s: float = _PATIENCE_S) -> HelmProgram:
    path = tmp_path / "helm"
    path.write_text(f"#!{interpreter}\n{script}\n")
    path.chmod(0o755)
    return HelmProgram(str(path), timeout_s=timeout_s)


def _refused(helm: HelmProgram) -> str:
    with pytest.raises(HelmError) as caught:
        helm.render(Path("chart"), {"a": 1}, release="r", namespace="n")
    return str(caught.value)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 600", "template did not end within 3 s"),
        ("trap '' TERM INT HUP; while :; do :; done", "template did not end within 3 s"),
        ("kill -STOP $$", "template did not end within 3 s"),
        ("kill -ABRT $$", "template was ended by signal 6"),
        ("echo last words >&2; kill -SEGV $$", "template was ended by signal 11: last words"),
        ("kill -KILL $$", "template was ended by signal 9"),
        ("kill -35 $$", "template was ended by signal 35"),
        ("head -c 20000000 /dev/zero | tr '\\0' a", "template gives more than 16 MiB"),
        ("yes", "template gives more than 16 MiB"),
        ("yes >&2; exit 1", ""),
        ("exec >&-; exit 3", "template ended with status 3"),
        ("echo 'Error: chart requires kubeVersion' >&2; exit 1", "chart requires kubeVersion"),
        ("echo 'runtime: out of memory: cannot allocate 1 byte' >&2; exit 2", "needs more than 1024 MiB of memory"),
        ("printf 'a: &a [x]\\nb: [*a, *c]\\n'", "undefined alias"),
        ("printf '\\377\\376\\000'", ""),
        ("echo 'a: [[[[[['", ""),
    ],
)
def test_a_helm_that_behaves_badly_ends_in_an_error(tmp_path: Path, script: str, said: str) -> None:
    # on a busy machine, what ends by itself takes longer
    timeout_s = _PATIENCE_S if not said or "did not end" in said else 60.0
    message = _refused(_program(tmp_path, script, timeout_s=timeout_s))
    assert said in message
    assert 0 < len(message) < 10_000


def test_a_helm_that_takes_memory_without_end_gets_no_more_than_its_share(tmp_path: Path) -> None:
    script = "taken = []\nwhile True:\n    taken.append(b'x' * (64 << 20))"
    helm = _program(tmp_path, script, sys.executable, timeout_s=60)
    assert "needs more than 1024 MiB of memory" in _refused(helm)


def test_a_helm_that_fills_the_disk_is_ended(tmp_path: Path) -> None:
    helm = _program(tmp_path, f"exec cat /dev/zero > {tmp_path}/filled")
    _refused(helm)
    assert (tmp_path / "filled").stat().st_size <= 256 << 20


@pytest.mark.parametrize("ending", ["exit 0", "exit 1", "sleep 600", "kill -KILL $$"])
def test_nothing_that_helm_has_started_outlives_it(tmp_path: Path, ending: str) -> None:
    helm = _program(tmp_path, f"sleep 600 & echo $! > {tmp_path}/child\n{ending}")
    if ending == "exit 0":
        assert helm.render(Path("chart"), {}, release="r", namespace="n") == []
    else:
        _refused(helm)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 30
    while _runs(child) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _runs(child)


def test_helm_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    _program(tmp_path, f"echo $$ > {tmp_path}/pid.part; mv {tmp_path}/pid.part {tmp_path}/pid; exec sleep 600")
    code = (
        "import sys; from pathlib import Path; from harness.platform.helm import HelmProgram\n"
        f"HelmProgram({str(tmp_path / 'helm')!r}).show_chart(Path('chart'))"
    )
    owner = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    try:
        while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
            os.sched_yield()
    finally:
        owner.kill()
        owner.wait()
    helm = int((tmp_path / "pid").read_text())
    while _runs(helm) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _runs(helm)


@pytest.mark.parametrize("content", [b"", b"\x7fELF nonsense", b"#!/no/such/interpreter\n"])
def test_a_path_that_is_not_a_program_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "helm"
    path.write_bytes(content)
    path.chmod(0o755)
    assert "helm cannot be started" in _refused(HelmProgram(str(path), timeout_s=_PATIENCE_S))
    path.chmod(0o644)
    assert "helm cannot be started" in _refused(HelmProgram(str(path), timeout_s=_PATIENCE_S))
