"""Source trees that are damaged in every way: they are built or refused, and nothing outside of them is touched."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness import extension
from harness.errors import ExtensionError
from harness.extension import INSTALL_ROOT, copies
from harness.images.context import make_author_context
from harness.images.named_images import list_references
from harness.platform import packaging, upload
from harness.platform.helm import HelmLibrary
from harness.wire import names
from tests.attacks.input_fuzz import fuzzed, nasty_text, nasty_value, refusal, replaced
from tests.extension import trees_for_tests

GLOBALS = {"registry_url": "localhost:5000", "services_namespace": "services", "admin_namespace": names.ADMIN_NAMESPACE}
CHART = "extension/mean-workflow"
FIELDS: dict[str, list[tuple[Any, ...]]] = {
    f"{CHART}/Chart.yaml": [
        ("name",), ("version",), ("apiVersion",), ("keywords",), ("description",), ("dependencies",), ("type",),
        ("keywords", 0), ("annotations",), ("icon",), (1,), (True,),
    ],
    f"{CHART}/requirements.yaml": [
        ("dependencies",), ("dependencies", 0), ("dependencies", 0, "name"), ("dependencies", 0, "version"),
        ("dependencies", 0, "repository"), ("dependencies", 0, "alias"), ("dependencies", 1),
    ],
    f"{CHART}/values.yaml": [
        ("global",), ("global", "image"), ("global", "action"), ("global", "custom_registry_url"),
        ("extension_params",), ("extension_params", "a"), ("extension_params", "a", "type"), ("global", 3),
        ("global", "x[99999999999]"),
    ],
}  # fmt: skip
LINES = [
    "COPY **.py /kaapana/tmp/dags/", "COPY [", 'COPY ["a", 3]', "COPY ../../../../etc /kaapana/tmp/dags/", "COPY / /",
    "COPY . /kaapana/tmp/dags", "COPY [a-] /kaapana/tmp/dags/", "COPY --from=0 a b", "ADD https://x/y /kaapana/tmp/",
    "LABEL IMAGE=", "LABEL IMAGE=../../x", "LABEL IMAGE=$X", "LABEL REGISTRY=http://x", "LABEL REGISTRY=../..", "FROM",
    "FROM --platform=x", "WORKDIR ../../..", "COPY '", "COPY \\", "COPY \0 /x", f"COPY {'*' * 200} /kaapana/tmp/dags/",
    f"COPY {'a' * 300} /kaapana/tmp/dags/", "COPY */*/*/*/*/*/*/* /kaapana/tmp/dags/",
]  # fmt: skip


@st.composite
def _changes(draw: st.DrawFn) -> tuple[str, str, Any]:
    path = draw(st.sampled_from(sorted(trees_for_tests.FILES)))
    kinds = ["text", "cut", "insert", "bytes", "gone", "folder", "pipe", "link", "rename"]
    if path in FIELDS:
        kinds += ["field"] * 9
    if path.endswith("Dockerfile"):
        kinds += ["line"] * 5
    kind = draw(st.sampled_from(kinds))
    values: dict[str, st.SearchStrategy[Any]] = {
        "text": nasty_text,
        "cut": st.integers(0, 200),
        "insert": st.tuples(st.integers(0, 200), nasty_text),
        "bytes": st.binary(max_size=40),
        "link": st.sampled_from([".", "..", "/", "/dev/zero", "/etc/passwd", "loop", "missing"]),
        "rename": st.sampled_from([b"\xff\xfe", b"a\nb", b"\x1b[31m", b"-rf", b"a b", "é".encode(), b".hidden"]),
        "field": st.tuples(st.sampled_from(FIELDS.get(path, [()])), nasty_value),
        "line": st.sampled_from(LINES),
    }
    return path, kind, draw(values[kind]) if kind in values else None


def _damage(root: Path, path: str, kind: str, value: Any) -> None:
    file = root / path
    if not os.path.lexists(file) or file.is_symlink() or not file.is_file():
        return
    text = trees_for_tests.FILES[path] or ""
    if kind == "text":
        file.write_bytes(value.encode("utf-8", "surrogatepass"))
    elif kind == "cut":
        file.write_text(text[:value], "utf-8")
    elif kind == "insert":
        at, more = value
        file.write_bytes((text[:at] + more + text[at:]).encode("utf-8", "surrogatepass"))
    elif kind == "bytes":
        file.write_bytes(value)
    elif kind == "field":
        where, new = value
        file.write_text(yaml.safe_dump(replaced(yaml.safe_load(text), where, new)), "utf-8")
    elif kind == "line":
        file.write_text(f"{text}{value}\n", "utf-8")
    elif kind == "rename":
        os.rename(os.fsencode(file), os.path.join(os.fsencode(file.parent), value))
    else:
        file.unlink()
        if kind == "folder":
            file.mkdir()
        elif kind == "pipe":
            os.mkfifo(file)
        elif kind == "link":
            file.symlink_to(file.name if value == "loop" else value)


def build(root: Path, out: Path) -> None:
    """All that ``kaapana-harness build`` does without an engine, and the upload."""
    source = extension.read(root)
    for container in (*source.processing_images, source.dag_image):
        context = make_author_context(container.directory)
        context.digest()
        list_references(context.entries["Dockerfile"].read().decode(), {})
        copies.find_copies(root.resolve(), container.dockerfile, below=INSTALL_ROOT, base="base-installer")
    assert source.contents.operator_images is not None
    assert source.contents.imported_images is not None
    source.mentioning("OPERATOR_IN_DIR")
    made = packaging.package(source.chart, out, helm=HelmLibrary())
    uploaded = upload.check(HelmLibrary(), made, GLOBALS)
    upload.render(HelmLibrary(), uploaded, GLOBALS, {})


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


@fuzzed
@given(st.lists(_changes(), min_size=1, max_size=3))
def test_a_damaged_tree_is_built_or_refused_by_its_name(scratch: Path, changes: list[tuple[str, str, Any]]) -> None:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        root = trees_for_tests.write(Path(folder) / "inner" / "tree")
        guard = Path(folder) / "guard"
        guard.mkdir()
        (guard / "Chart.yaml").write_text("untouched")
        for change in changes:
            _damage(root, *change)
        before = _listing(Path(folder), but=root)
        error = refusal(lambda: build(root, Path(folder) / "out"))
        shutil.rmtree(Path(folder) / "out", ignore_errors=True)
        assert _listing(Path(folder), but=root) == before
        if isinstance(error, ExtensionError):
            named = [*(Path(path).name for path in trees_for_tests.FILES), str(root), "mean-workflow", "the chart"]
            assert any(name in str(error) for name in named), str(error)


HOSTILE = [
    "..", ".", "/", "../../../../home/me/.ssh", "a/../../b", "/etc", "C:\\x", "-rf", "--set", "a/b", "a\\b", "a b",
    "a:b", "\n", "\x1b[31m", "\u202e", "名", "$(id)", "{{ . }}", "*", "a" * 300, "..a", "a..b/..",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["name", "version", "image", "registry", "dependency", "inner", "label"])
def test_a_name_that_leads_elsewhere_is_refused_where_it_is_read(tmp_path: Path, field: str, text: str) -> None:
    quoted = yaml.safe_dump(text, default_style='"', allow_unicode=False, width=1000).strip()
    files = trees_for_tests.FILES
    second = f"{CHART}/requirements.yaml"
    own = "apiVersion: v1\nname: {}\nversion: 0.0.0\n"
    entry = files[second] + "  - name: {}\n    version: 0.0.0\n    repository: file://../own\n"
    changes = {
        "name": {f"{CHART}/Chart.yaml": files[f"{CHART}/Chart.yaml"].replace("mean-workflow", quoted)},
        "version": {f"{CHART}/Chart.yaml": files[f"{CHART}/Chart.yaml"].replace('"0.1.0"', quoted)},
        "image": {f"{CHART}/values.yaml": files[f"{CHART}/values.yaml"].replace('"dag-mean"', quoted)},
        "registry": {f"{CHART}/values.yaml": files[f"{CHART}/values.yaml"] + f"  custom_registry_url: {quoted}\n"},
        "dependency": {second: entry.format(quoted), "extension/own/Chart.yaml": own.format(quoted)},
        "inner": {second: entry.format("own"), "extension/own/Chart.yaml": own.format(quoted)},
        "label": {
            "extension/docker/Dockerfile": files["extension/docker/Dockerfile"].replace('"dag-mean"', f'"{text}"')
        },
    }[field]
    root = trees_for_tests.write(tmp_path / "a/b/c/tree", changes)
    before = _listing(tmp_path, but=root)
    assert refusal(lambda: build(root, tmp_path / "out")) is not None
    assert _listing(tmp_path, but=root) == before


def test_a_dependency_does_not_bring_what_its_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    requirements = f"{CHART}/requirements.yaml"
    root = trees_for_tests.write(
        tmp_path / "tree",
        {
            requirements: trees_for_tests.FILES[requirements]
            + "  - name: own\n    version: 0.0.0\n    repository: file://../own\n",
            "extension/own/Chart.yaml": "apiVersion: v1\nname: own\nversion: 0.0.0\n",
        },
    )
    (root / "extension/own/stolen.txt").symlink_to(tmp_path / "secret")
    made = packaging.package(extension.read(root).chart, tmp_path / "out", helm=HelmLibrary())
    with tarfile.open(made.path) as archive:
        names_inside = archive.getnames()
    assert "mean-workflow/charts/own/Chart.yaml" in names_inside
    assert not [name for name in names_inside if "stolen" in name]


def _listing(folder: Path, *, but: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if but not in path.parents and path.is_file())
    return {str(path): path.read_bytes() for path in files}
