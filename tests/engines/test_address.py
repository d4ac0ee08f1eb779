"""The engine that the user's ``docker`` uses is the one that the harness uses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import doctor, engine, images
from harness.cluster import open_cluster
from harness.doctor.address import Origin, find_address
from harness.doctor.engine import ask_engine
from harness.engine import connect
from harness.errors import EngineError, HarnessError
from harness.settings import Settings
from tests.engines import contexts

DEFAULT = "unix:///var/run/docker.sock"
COLIMA, RANCHER = "unix:///home/ada/.colima/default/docker.sock", "unix:///home/ada/.rd/docker.sock"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A client's configuration with two contexts, of which ``colima`` is the current one."""
    folder = tmp_path / "configuration of Zoë"
    contexts.add(folder, "colima", COLIMA)
    contexts.add(folder, "rancher desktop/2", RANCHER)
    contexts.use(folder, "colima")
    return folder


ORDER = [
    ({}, COLIMA),
    ({"DOCKER_CONTEXT": "rancher desktop/2"}, RANCHER),
    ({"DOCKER_CONTEXT": "default"}, DEFAULT),
    ({"DOCKER_CONTEXT": ""}, COLIMA),
    ({"DOCKER_HOST": "unix:///run/other.sock"}, "unix:///run/other.sock"),
    ({"DOCKER_HOST": "unix:///run/other.sock", "DOCKER_CONTEXT": "rancher desktop/2"}, "unix:///run/other.sock"),
    ({"DOCKER_HOST": "", "DOCKER_CONTEXT": "rancher desktop/2"}, RANCHER),
]


@pytest.mark.parametrize(("environ", "url"), ORDER)
def test_the_variable_goes_before_the_context_and_that_before_the_configuration(
    environ: dict[str, str], url: str, folder: Path
) -> None:
    assert find_address({"DOCKER_CONFIG": str(folder), **environ}).url == url


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no program docker to compare with")
@pytest.mark.parametrize(("environ", "url"), ORDER)
def test_the_program_docker_names_the_same_engine(environ: dict[str, str], url: str, folder: Path) -> None:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    form = "{{.Endpoints.docker.Host}}"
    done = subprocess.run(
        ["docker", "context", "inspect", "--format", form],
        env={**inherited, "DOCKER_CONFIG": str(folder), **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == url


def test_without_any_configuration_it_is_the_socket_of_the_system(tmp_path: Path) -> None:
    assert find_address({"HOME": str(tmp_path)}).url == DEFAULT
    contexts.use(tmp_path / ".docker", "default")
    assert find_address({"HOME": str(tmp_path)}).url == DEFAULT


def test_the_configuration_is_found_in_the_home_folder(tmp_path: Path) -> None:
    contexts.add(tmp_path / ".docker", "rootless", "unix:///run/user/1000/docker.sock")
    contexts.use(tmp_path / ".docker", "rootless")
    found = find_address({"HOME": str(tmp_path)})
    assert str(found) == "unix:///run/user/1000/docker.sock (context rootless)"


@pytest.mark.parametrize(
    ("name", "socket"),
    [
        ("desktop-linux", "/home/ada/.docker/desktop/docker.sock"),
        ("desktop-linux", "/home/ada/.docker/run/docker.sock"),
        ("colima", "/home/ada/.colima/default/docker.sock"),
        ("colima-amd64", "/home/ada/.colima/amd64/docker.sock"),
        ("rancher-desktop", "/home/ada/.rd/docker.sock"),
        ("orbstack", "/home/ada/.orbstack/run/docker.sock"),
        ("rootless", "/run/user/1000/docker.sock"),
    ],
)
def test_the_context_that_a_product_makes_current_is_followed_until_another_is_named(
    name: str, socket: str, tmp_path: Path
) -> None:
    contexts.add(tmp_path, name, f"unix://{socket}")
    contexts.use(tmp_path, name)
    found = find_address({"DOCKER_CONFIG": str(tmp_path)})
    assert (found.url, found.context) == (f"unix://{socket}", name)
    assert found.way_out == "`docker context use default`"
    assert find_address({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "default"}).url == DEFAULT


def _unknown(folder: Path) -> None:
    contexts.meta_of(folder, "colima").unlink()


def _no_json(folder: Path) -> None:
    contexts.meta_of(folder, "colima").write_text("{")


def _no_engine(folder: Path) -> None:
    contexts.meta_of(folder, "colima").write_text('{"Name": "colima", "Endpoints": {"kubernetes": {}}}')


def _a_list(folder: Path) -> None:
    contexts.meta_of(folder, "colima").write_text("[]")


def _a_folder(folder: Path) -> None:
    _unknown(folder)
    contexts.meta_of(folder, "colima").mkdir()


def _broken_configuration(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe{}")


def _a_number(folder: Path) -> None:
    (folder / "config.json").write_text('{"currentContext": 3}')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_unknown, "there is no context 'colima' in "),
        (_no_json, "meta.json is not JSON: "),
        (_no_engine, "the context 'colima' names no engine: "),
        (_a_list, "meta.json is not a JSON object"),
        (_a_folder, "meta.json cannot be read: Is a directory"),
        (_broken_configuration, "config.json is not JSON: "),
        (_a_number, "config.json: currentContext is not text"),
    ],
)
def test_a_context_that_is_unknown_or_broken_is_named_and_nothing_is_asked(
    damage: Callable[[Path], None], said: str, folder: Path
) -> None:
    damage(folder)
    with pytest.raises(EngineError) as caught:
        doctor.require_engine({"DOCKER_CONFIG": str(folder), "PATH": os.environ["PATH"]})
    assert said in caught.value.cause
    assert "export DOCKER_HOST=unix:///PATH" in caught.value.fix
    # with a configuration that cannot be read it would not help
    assert ("`docker context use default`" in caught.value.fix) is ("config.json" not in said)
    assert caught.value.exit_status == 3


@pytest.mark.parametrize(
    ("host", "cause"),
    [
        ("tcp://10.0.0.5:2375", "a port may be a tunnel"),
        ("tcp://127.0.0.1:2376", "a port may be a tunnel"),
        ("tcp://[::1", "cannot be read"),
        ("http://localhost:2375", "a port may be a tunnel"),
        ("ssh://alice@host", "it is on another machine"),
        ("npipe:////./pipe/docker_engine", "no engine is asked by npipe:// here"),
        ("unix://docker.sock", "cannot be read"),
        ("unix:/var/run/docker.sock", "cannot be read"),
        ("UNIX:///var/run/docker.sock", "cannot be read"),
        ("unix:///run/a#b.sock", "has the sign '#'"),
        ("unix:///run/a?b.sock", "has the sign '[?]'"),
        ("/var/run/docker.sock", "cannot be read"),
        ("nonsense", "cannot be read"),
        (f"unix:///{'d' * 107}", "has 108 bytes; the path of a socket may have 107"),
    ],
)
@pytest.mark.parametrize("named_by", ["variable", "context"])
def test_an_engine_elsewhere_is_refused_with_the_way_out(host: str, cause: str, named_by: str, tmp_path: Path) -> None:
    environ = {"DOCKER_CONFIG": str(tmp_path), "PATH": os.environ["PATH"]}
    if named_by == "variable":
        environ["DOCKER_HOST"] = host
    else:
        contexts.add(tmp_path, "far", host)
        environ["DOCKER_CONTEXT"] = "far"
    with pytest.raises(EngineError, match=cause) as caught:
        doctor.require_engine(environ)
    assert caught.value.fix.endswith("unset DOCKER_HOST" if named_by == "variable" else "unset DOCKER_CONTEXT")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("unix:///run/other.sock\n", "unix:///run/other.sock"),
        ("unix:///run/other.sock\r", "unix:///run/other.sock"),
        (" unix:///run/of Zoë.sock ", "unix:///run/of Zoë.sock"),
        ("unix://", DEFAULT),
        (" ", DEFAULT),
    ],
)
def test_an_address_from_a_file_may_have_blanks_and_line_ends_around_it(host: str, url: str, tmp_path: Path) -> None:
    contexts.add(tmp_path, "odd", host)
    assert find_address({"DOCKER_HOST": host}).url == url
    assert find_address({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "odd"}).url == url


@pytest.mark.parametrize("content", ["", "null", "{}", '{"currentContext": null}'])
def test_a_configuration_without_content_names_no_engine(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    assert find_address({"DOCKER_CONFIG": str(tmp_path)}) == (DEFAULT, Origin.NOTHING, "", "")


def test_every_way_to_the_engine_says_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    expected = f"container engine: no answer from {COLIMA} (context colima): there is no socket {COLIMA[7:]}"
    ways: list[Callable[[], object]] = [
        doctor.require_engine,
        connect,
        engine.connect_api,
        lambda: images.ensure("services", settings=Settings()),
        lambda: open_cluster("docker", Settings(), environment_id="x"),
    ]
    for way in ways:
        with pytest.raises(HarnessError) as caught:
            way()
        assert (caught.value.cause, caught.value.exit_status) == (expected, 3)
    assert expected.removeprefix("container engine: ") in str(doctor.examine())


@pytest.mark.parametrize("name", ["../../../etc", "a\nb", "\udcff", "x" * 5_000])
def test_an_invalid_name_is_an_unknown_context(name: str, folder: Path) -> None:
    found = find_address({"DOCKER_CONFIG": str(folder), "DOCKER_CONTEXT": name})
    assert found.problem.startswith("there is no context ")
    assert ask_engine({"DOCKER_CONFIG": str(folder), "DOCKER_CONTEXT": name}).state == "unnamed"
