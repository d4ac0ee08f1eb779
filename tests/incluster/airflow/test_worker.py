"""The worker of Python operators, as far as it needs no Airflow: it must not load it before its settings are there."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.incluster.airflow import worker
from harness.wire import airflow_routes
from tests.pythons import needs_python_of_images


class Archive:
    """Serves one archive."""

    def __init__(self) -> None:
        self.data = b""
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(archive.data)))
                self.end_headers()
                self.wfile.write(archive.data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{airflow_routes.DAGS_ARCHIVE}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hold(self, **files: str) -> None:
        """Put files with a text into the archive."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        self.data = data.getvalue()


@pytest.fixture
def archive() -> Iterator[Archive]:
    served = Archive()
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.mark.parametrize(
    ("code", "looked"),
    [
        ("open(f'{run}/batch/1/get/x')", True),
        ("os.path.exists(f'{run}/batch/none')", True),
        pytest.param("pathlib.Path(run).exists()", True, marks=needs_python_of_images),
        ("list(pathlib.Path(run).glob('batch/*/get'))", True),
        ("os.listdir(run)", True),
        ("os.chdir(pathlib.Path(run).parent); os.path.isdir('run-1')", True),
        ("subprocess.run(['ls', run], stdout=subprocess.DEVNULL)", True),
        ("pass", False),
        ("os.listdir(os.path.dirname(run)); os.path.exists(run + '0')", False),
        ("open(0, closefd=False)", False),
    ],
)
def test_code_that_reads_the_data_of_its_run_is_detected(tmp_path: Path, code: str, looked: bool) -> None:
    (tmp_path / "run-1/batch/1/get").mkdir(parents=True)
    (tmp_path / "run-1/batch/1/get/x").touch()
    program = (
        "import os, pathlib, subprocess, sys\n"
        "from harness.incluster.airflow.data_access import watch_reads\n"
        f"run = {str(tmp_path / 'run-1')!r}\n"
        f"has_looked = watch_reads(pathlib.Path(run))\n{code}\nprint(has_looked())"
    )
    # a process of its own: watching has no end
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{looked}\n"


def test_the_dag_folder_comes_with_its_packages(archive: Archive, tmp_path: Path) -> None:
    archive.hold(**{"./dag_x.py": "dag", "./helpers/words.py": "word"})
    worker.fetch_dags(tmp_path / "dags", archive.url, "token")
    assert (tmp_path / "dags" / "dag_x.py").read_text() == "dag"
    assert (tmp_path / "dags" / "helpers" / "words.py").read_text() == "word"


def test_an_entry_that_leads_out_of_the_folder_is_refused(archive: Archive, tmp_path: Path) -> None:
    archive.hold(**{"../outside.py": "x"})
    with pytest.raises(tarfile.FilterError):
        worker.fetch_dags(tmp_path / "dags", archive.url, "token")
    assert not (tmp_path / "outside.py").exists()


def test_a_web_server_that_is_away_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="refused"):
        worker.fetch_dags(tmp_path / "dags", f"http://127.0.0.1:9{airflow_routes.DAGS_ARCHIVE}", "token")
