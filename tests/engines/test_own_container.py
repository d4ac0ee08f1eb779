"""A process in a container that has the engine's socket: its network decides, and it learns so at once."""

from __future__ import annotations

import contextlib
import io
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import doctor
from harness.doctor.own_container import find_enclosing, find_own_container
from harness.engine import connect

_ID = "4f" * 32
_ASK = "from harness import doctor\ntry:\n  doctor.require_engine()\nexcept Exception as error:\n  print(error)"
_OUTSIDE = "29 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
_INSIDE = f"612 599 254:0 /var/lib/docker/containers/{_ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw\n"
_MOVED = f"612 599 254:0 /data/containers/{_ID}/hostname /etc/hostname rw - btrfs /dev/sda rw\n"
# on the engine's machine, while files are copied
_ROOT = "/var/lib/docker/overlay2/5e/merged"
_COPIED = f"712 29 254:0 /var/lib/docker/containers/{_ID}/hosts {_ROOT}/etc/hosts rw - ext4 /dev/vda rw\n"


@pytest.mark.parametrize(
    ("mounts", "found"), [(_OUTSIDE, ""), (_OUTSIDE + _INSIDE, _ID), (_MOVED, _ID), (_OUTSIDE + _COPIED, "")]
)
def test_a_container_is_known_by_the_files_that_the_engine_mounts_into_it(
    mounts: str, found: str, tmp_path: Path
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(mounts)
    assert find_own_container(table) == found


def test_without_a_table_of_mounts_a_process_is_not_in_a_container(tmp_path: Path) -> None:
    assert find_own_container(tmp_path / "absent") == ""


def _in_network(mode: str, name: str = "/job") -> dict[str, Any]:
    return {"Name": name, "HostConfig": {"NetworkMode": mode}}


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({}, ""),
        ({"a": _in_network("host")}, ""),
        ({"a": _in_network("default")}, "job"),
        ({"a": _in_network("my-network")}, "job"),
        ({"a": _in_network("container:b"), "b": _in_network("host", "/pause")}, ""),
        ({"a": _in_network("container:b"), "b": _in_network("bridge", "/pause")}, "job"),
        ({"a": _in_network("container:a")}, "job"),
    ],
    ids=["of another engine", "host", "default", "own", "joined to the host's", "joined", "joined to itself"],
)
def test_only_a_network_of_its_own_encloses_a_process(known: dict[str, Any], name: str) -> None:
    assert find_enclosing("a", known.get) == name


def _package() -> bytes:
    """What ``harness.doctor`` needs, as an archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(Path(harness.__file__).parent, "here/harness")
    return packed.getvalue()


@pytest.fixture
def said_in(services_image: str) -> Iterator[Any]:
    """Ask for the engine in a container of it; return the output."""
    made: list[str] = []
    socket = doctor.require_engine().socket
    with contextlib.closing(connect()) as client:

        def ask(network: str) -> str:
            name = f"kh-test-{secrets.token_hex(4)}"
            host = client.api.create_host_config(
                binds=[f"{Path(socket).resolve()}:/var/run/docker.sock"],
                network_mode=network,
                security_opt=["label=disable"],
            )
            container = client.api.create_container(
                services_image, ["python", "-c", _ASK], name=name, host_config=host, user="0",
                environment={"PYTHONPATH": "/here"},
            )["Id"]  # fmt: skip
            made.append(container)
            client.api.put_archive(container, "/", _package())
            client.api.start(container)
            client.api.wait(container, timeout=60)
            return client.api.logs(container).decode().replace(name, "NAME")

        yield ask
        for container in made:
            client.api.remove_container(container, force=True)


def test_a_container_with_a_network_of_its_own_is_refused_with_the_way_out(said_in: Any) -> None:
    said = said_in("bridge").splitlines()
    assert said[0].endswith("this process is in its container NAME, from where its published ports are not reached")
    assert "--network host" in said[-1]


def test_a_container_in_the_network_of_the_machine_uses_the_engine(said_in: Any) -> None:
    assert said_in("host") == ""
