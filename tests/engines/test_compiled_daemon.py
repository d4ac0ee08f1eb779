"""A daemon that no suite has is compiled from its Go module (needs a program ``go``, and root)."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from harness.errors import PlatformError
from tests.engines.matrix import compiled, machine, rootfs
from tests.engines.matrix.rows import Row

MODULE, VERSION = "example.org/engine/v2", "v2.0.0-beta.1"
ROW = Row("x", "sid", ("containerd",), "40.1.2", "load", module=f"{MODULE}@{VERSION}")
DAEMON = f"""package main

import (
	"os"
	"{MODULE}/dockerversion"
)

func main() {{ os.Stdout.WriteString(dockerversion.Version) }}
"""
FILES = {
    "go.mod": f"module {MODULE}\n\ngo 1.20\n",
    "dockerversion/version.go": 'package dockerversion\n\nvar Version = "unknown"\n',
    "cmd/dockerd/main.go": DAEMON,
    "cmd/docker-proxy/main.go": "package main\n\nfunc main() {}\n",
}


def release(folder: Path, files: dict[str, str]) -> None:
    """Lay a version of the module out as a module proxy does."""
    folder.mkdir(parents=True)
    (folder / "list").write_text(f"{VERSION}\n")
    (folder / f"{VERSION}.info").write_text(f'{{"Version": "{VERSION}"}}')
    (folder / f"{VERSION}.mod").write_text(files["go.mod"])
    with zipfile.ZipFile(folder / f"{VERSION}.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{MODULE}@{VERSION}/{name}", text)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root file system, where the toolchain is this machine's and modules come from a folder."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("this machine has no program go")
    if missing := machine.lacks(machine.look(tmp_path), tmp_path):
        pytest.skip(f"this machine lacks {missing[0]}")
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path / 'proxy'}")
    monkeypatch.setenv("GONOSUMDB", "*")
    monkeypatch.setattr(compiled, "get_toolchain", lambda *_: Path(go))
    root = rootfs.root_of(tmp_path / "work", ROW)
    (root / "usr/local/bin").mkdir(parents=True)
    return root


def test_a_daemon_is_compiled_with_the_version_of_its_row_and_nothing_else_stays(root: Path, tmp_path: Path) -> None:
    release(tmp_path / "proxy" / MODULE / "@v", FILES)
    compiled.add_programs(root, ROW, tmp_path / "daemon.log")
    done = subprocess.run([root / "usr/local/bin/dockerd"], capture_output=True, text=True, check=True)
    assert done.stdout == "40.1.2"
    assert os.access(root / "usr/local/bin/docker-proxy", os.X_OK)
    assert list(root.parent.iterdir()) == [root]
    # what is there is not made again
    shutil.rmtree(tmp_path / "proxy")
    compiled.add_programs(root, ROW, tmp_path / "daemon.log")


def test_a_module_that_does_not_compile_is_named_with_the_compilers_words(root: Path, tmp_path: Path) -> None:
    release(
        tmp_path / "proxy" / MODULE / "@v", {**FILES, "cmd/dockerd/main.go": "package main\n\nfunc main() { x() }\n"}
    )
    with pytest.raises(PlatformError, match=r"^no daemon is compiled: .*undefined: x") as caught:
        compiled.add_programs(root, ROW, tmp_path / "daemon.log")
    assert caught.value.evidence == str(tmp_path / "daemon.log")
    assert list(root.parent.iterdir()) == [root]
    assert list((root / "usr/local/bin").iterdir()) == []


def test_rows_of_the_same_packages_share_a_root_file_system_only_with_the_same_daemon(tmp_path: Path) -> None:
    packages = Row("y", ROW.suite, ROW.packages, "28", "load")
    other = Row("z", ROW.suite, ROW.packages, "41", "load", module=f"{MODULE}@v2.0.0")
    assert len({rootfs.root_of(tmp_path, row) for row in (ROW, packages, other)}) == 3
