"""Output of a program in a container, or the engine's message instead."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator

import pytest

from harness import doctor
from harness.engine import connect
from harness.incluster.controlplane.engine import Engine, EngineCallError


@pytest.fixture
def container(services_image: str) -> Iterator[str]:
    with contextlib.closing(connect()) as client:
        name = f"kh-test-{secrets.token_hex(4)}"
        made = client.api.create_container(services_image, ["sleep", "60"], name=name)["Id"]
        try:
            client.api.start(made)
            yield made
        finally:
            client.api.remove_container(made, force=True)


def execute(container: str, *command: str) -> tuple[int, str]:
    found = doctor.require_engine()
    return asyncio.run(Engine(found.socket, found.spoken).execute(container, list(command), 60))


def test_the_end_of_what_a_program_says_is_kept_with_its_exit_code(container: str) -> None:
    assert execute(container, "sh", "-c", "echo no such rule >&2; exit 3") == (3, "no such rule")
    code, said = execute(container, "sh", "-c", "seq 100000; echo end")
    assert (code, said.endswith("99999 100000 end"), len(said) <= 2_000) == (0, True, True)


def test_a_program_that_does_not_start_is_named_by_the_engine(container: str) -> None:
    try:
        code, said = execute(container, "/no/such/program")
    except EngineCallError as refused:
        code, said = refused.status, refused.message
    assert code
    assert "/no/such/program" in said
