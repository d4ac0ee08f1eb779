"""Input that would hang or kill the author's process ends within seconds with an error that names the file."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import extension
from harness.artefacts import package as packages
from harness.checks.reports import Report
from harness.cli.form_options import read_form_values
from harness.common import documents
from harness.errors import BuildError, ExtensionError, FormError, UsageError
from harness.extension import forms, wildcards
from harness.images.context import make_author_context
from harness.platform import upload, values
from harness.platform.helm import HelmError, HelmLibrary
from harness.platform.helm_process import HelmProcess
from harness.platform.templates import find_mentioned_names
from harness.run import evidence
from harness.settings import Settings
from tests.attacks.test_input_charts_fuzzed import write_chart
from tests.attacks.test_input_trees_fuzzed import CHART, GLOBALS
from tests.extension import trees_for_tests


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ repeat 4000000000 `a` }}", "memory"),
        ("{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}", "did not end within"),
        ('{{ define `a` }}{{ tpl `{{ include "a" . }}` . }}{{ end }}{{ include `a` . }}', ""),
        ("{{ $x := list }}{{ range until 100000 }}{{ $x = concat $x (until 10000) }}{{ end }}", ""),
        ("{{ range until 100000 }}{{ range until 1000 }}aaaaaaaaaaaaaaaaaa{{ end }}{{ end }}", ""),
    ],
)
def test_a_template_without_end_ends_in_an_error_that_names_the_chart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, said: str
) -> None:
    helm = HelmLibrary()
    monkeypatch.setattr(helm, "_process", HelmProcess(timeout_s=4))
    package = packages.read(helm.package(write_chart(tmp_path, template), tmp_path / "out"))
    with pytest.raises(ExtensionError, match=r"fuzzed-0\.1\.0\.tgz") as caught:
        upload.check(helm, package, GLOBALS)
    assert said in caught.value.last_seen
    (tmp_path / "fuzzed/templates/x.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
    assert helm.render(tmp_path / "fuzzed", {}, release="r", namespace="n")[0]["kind"] == "ConfigMap"


def test_helms_process_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    chart = write_chart(tmp_path, "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}")
    code = (
        "import sys, os, signal, threading\nfrom pathlib import Path\nfrom harness.platform.helm_process import "
        "HelmProcess\np = HelmProcess()\np.ask('show_chart', chart=sys.argv[1])\nprint(p._child.pid, flush=True)\n"
        "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()\n"
        "p.ask('render', chart=sys.argv[1], values={}, release='r', namespace='n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(chart)], capture_output=True, text=True, timeout=60)
    child = int(done.stdout)
    deadline = time.monotonic() + 30
    while _runs(child) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_values_that_json_does_not_have_are_refused_before_helm_gets_them(tmp_path: Path) -> None:
    with pytest.raises(HelmError, match="cannot be handed over"):
        HelmLibrary().render(tmp_path, {"a": float("inf")}, release="r", namespace="n")


BOMB = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9) if n else 'x'}]\n" for n in range(10))


@pytest.mark.parametrize(
    "text",
    [
        BOMB + "name: *l9\nversion: *l9\n",
        "a: &a [*a]\n",
        "[" * 100_000,
        "a: " + "9" * 5000,
        "a: 2024-13-45",
        "a: 2024-01-01T25:00:00Z",
        "a: 2024-01-01T00:00:00+99:99",
        "a: .inf",
        "a: !!binary x",
        "a: !!python/object/apply:os.system [ls]",
        "a: !!timestamp x",
        "? [a, b]\n: c",
        'a: "\\ud800"',
        "a: =",
        "a: 0x_",
        "a: &b c\nd: [" + "*b, " * 200 + "]",
        "".join(f"k{n}: v\n" for n in range(60_000)),
        "x: &x {a: 1}\ny: {<<: [" + "*x, " * 300 + "]}",
    ],
    ids=lambda text: text[:20],
)
def test_a_document_that_grows_recurses_or_cannot_exist_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(documents.DocumentError):
        documents.parse_yaml(text)
    tree = trees_for_tests.write(tmp_path / "tree", {f"{CHART}/values.yaml": text})
    with pytest.raises(ExtensionError, match=r"values\.yaml") as caught:
        extension.read(tree)
    assert len(str(caught.value)) < 5000
    (tmp_path / "form.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"form\.yaml"):
        read_form_values((str(tmp_path / "form.yaml"),))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "NaN", "1e999", "9" * 5000, '"\\ud800"', '{"a":' * 5000, "\ufeff{}", "-Infinity"]
)
def test_json_that_recurses_or_has_no_numbers_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(documents.DocumentError):
        documents.parse_json(text)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UsageError, match=r"run\.json"):
        evidence.read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 5000,
        "x = " + "9" * 5000,
        "tool = 3",
        "[tool]\nkaapana-harness = 3",
        "[tool.kaapana-harness]\nnodes = [[[1]]]",
        "[tool.kaapana-harness]\ncluster = 2024-13-45",
        "[tool.kaapana-harness]\nrun-timeout = nan",
        "[tool.kaapana-harness]\n" + "a." * 3000 + "b = 1",
        "[[tool]]",
        "[[[[",
    ],
    ids=lambda text: text[:30],
)
def test_a_table_of_settings_that_cannot_be_read_names_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        Settings.load(environ={}, start=tmp_path)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("make", [_pipe, _socket, _device, _endless, Path.mkdir])
def test_a_path_that_is_not_a_regular_file_never_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("x"))
    with pytest.raises(documents.UnreadableError):
        documents.read_bytes(Path("x"))
    with pytest.raises(UsageError, match="--form x"):
        read_form_values(("x",))
    make(Path("run.json"))
    with pytest.raises(UsageError, match=r"run\.json"):
        evidence.read(Path())
    for name in (f"{CHART}/values.yaml", f"{CHART}/requirements.yaml", f"{CHART}/Chart.yaml"):
        tree = trees_for_tests.write(tmp_path / name.replace("/", "-"), {name: None})
        with monkeypatch.context() as inside:
            inside.chdir((tree / name).parent)
            make(Path(Path(name).name))
        with pytest.raises(ExtensionError):
            extension.read(tree)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^(a|a)*$", "(?:x{999}){999}", "(?:(?:x{9}){999}){999}"])
def test_a_pattern_of_a_form_that_takes_too_long_is_named(pattern: str) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "pattern": pattern}}}
    with pytest.raises(FormError, match=r"the DAG's form|does not match"):
        forms.complete({"workflow_form": schema}, {"name": "a" * 5000 + "!"})


def test_a_form_asks_no_server_for_the_rest_of_its_schema() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/schema.json"
        with pytest.raises(FormError, match="not a usable JSON schema"):
            forms.complete({"workflow_form": {"allOf": [{"$ref": url}], "properties": {}}}, {})
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("piece", ["<!--", "<!-- ", "<a b='", "<a x=", "<", "</", "<?", "<a\n", "&#", "<div>"])
def test_a_megabyte_of_markup_that_never_ends_is_read(piece: str) -> None:
    report = Report("report.html", b"<title>T</title><p>before</p>" + piece.encode() * ((1 << 20) // len(piece)))
    assert "before" in report.text
    assert report.title == "T"


@pytest.mark.parametrize("piece", ["{{", "{{/* ", "{{ /*", "\n", "{{ `", "#\n"])
def test_templates_that_never_end_are_searched_for_names(tmp_path: Path, piece: str) -> None:
    text = "{{ .Values.global.known }}" + piece * ((1 << 20) // len(piece))
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        (tmp_path / "x.yaml").write_text(text)
        archive.add(tmp_path / "x.yaml", "x/templates/x.yaml")
    found = find_mentioned_names(tmp_path / "x.tgz")
    assert found is not None
    assert "known" in found


def test_a_parameter_whose_name_asks_for_a_list_of_a_billion_is_refused() -> None:
    with pytest.raises(ExtensionError, match="not a key for a value"):
        values.merge({}, {"a[999999999]": "x"}, {})
    with pytest.raises(ExtensionError, match="not a key for a value"):
        values.merge({}, {".".join("a" * 5000): "x"}, {})


def test_a_file_of_a_gigabyte_in_a_build_context_is_streamed(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    context = make_author_context(tmp_path)
    context.digest()
    size = 0
    with context.tar() as archive:
        while block := archive.read(1 << 20):
            size += len(block)
    assert size > 1 << 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_a_file_that_shrinks_while_it_is_sent_is_named(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "data.bin").write_bytes(bytes(5 << 20))
    context = make_author_context(tmp_path)
    with context.tar() as archive:
        archive.read(1 << 20)
        (tmp_path / "data.bin").write_bytes(b"")
        with pytest.raises(BuildError, match=r"data\.bin changed"):
            archive.read()


def test_a_tree_of_ten_thousand_files_is_read(tmp_path: Path) -> None:
    tree = trees_for_tests.write(tmp_path / "tree")
    for number in range(100):
        folder = tree / f"processing-containers/mean-value/files/{number}"
        folder.mkdir()
        for name in range(100):
            (folder / f"{name}.txt").touch()
    source = extension.read(tree)
    assert len(make_author_context(source.processing_images[0].directory).entries) > 10_000


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**.py", "a.py", True),
        ("**.py", "a/b.py", False),
        ("*a*a*a*a*a*a*a*a*a*b", "a" * 250, False),
        ("a[b-d]?", "acx", True),
        ("a[^b-d]", "ac", False),
        ("[", "[", False),
        ("a\\*", "a*", True),
        ("*/x", "y/x", True),
        ("", "", True),
    ],
)
def test_wildcards_match_as_docker_does_and_never_backtrack(pattern: str, path: str, expected: bool) -> None:
    assert wildcards.matches(pattern, path) is expected
