"""Building an author's container on the engine, by each of the two builders."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest
from docker import APIClient

from harness.engine import find_image, remove_image
from harness.errors import BuildError
from harness.images import build_extension_image
from harness.settings import Settings
from tests.images.conftest import RunImage

pytestmark = pytest.mark.usefixtures("base_installer", "builder")

BASE = "FROM local-only/base-installer:latest\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # unlike any other test's, so that no earlier result is found
    (tmp_path / "unique.txt").write_text(secrets.token_hex(8))
    return tmp_path


def test_a_plain_pip_install_works_in_an_untouched_dockerfile(
    run_image: RunImage, folder: Path, tag: str, settings: Settings
) -> None:
    (folder / "requirements.txt").write_text("six==1.17.0\n")
    (folder / "Dockerfile").write_text(
        f"{BASE}COPY requirements.txt unique.txt /\nRUN pip install -r /requirements.txt\n"
        "RUN python -c \"import os; open('/at-build', 'w').write(os.environ['REQUESTS_CA_BUNDLE'])\"\n"
    )
    image = build_extension_image(folder, tag, settings=settings)
    program = "import six, os, sys; print(six.__version__, sys.prefix, 'REQUESTS_CA_BUNDLE' in os.environ)"
    assert run_image(image, ["python", "-c", program]).split() == ["1.17.0", "/opt/venv", "False"]
    assert run_image(image, ["cat", "/at-build"]) == "/etc/ssl/certs/ca-certificates.crt"


def test_unchanged_input_is_not_built_again_and_a_change_is(
    engine: APIClient, folder: Path, tag: str, settings: Settings
) -> None:
    (folder / "Dockerfile").write_text(f"{BASE}COPY unique.txt /\n")
    lines: list[str] = []
    first = build_extension_image(folder, tag, settings=settings, on_line=lines.append)
    assert any(line.startswith("Step ") for line in lines)
    lines.clear()
    assert build_extension_image(folder, tag, settings=settings, on_line=lines.append) == first
    assert lines == [f"{tag}: nothing has changed"]
    (folder / "unique.txt").write_text("other " + secrets.token_hex(8))
    second = build_extension_image(folder, tag, settings=settings)
    assert second != first
    assert (find_image(engine, tag) or {})["Id"] == second
    for other in (find_image(engine, first) or {"RepoTags": []})["RepoTags"]:
        remove_image(engine, other)


def test_an_image_that_files_are_copied_from_is_an_input_like_the_base(
    engine: APIClient, run_image: RunImage, folder: Path, tag: str, settings: Settings
) -> None:
    tools = folder / "tools"
    tools.mkdir()
    (tools / "Dockerfile").write_text(f"{BASE}COPY word /\n")
    (folder / "Dockerfile").write_text(f"{BASE}COPY --from={tag} /word /\n")
    (folder / ".dockerignore").write_text("tools\n")
    built: list[str] = []
    try:
        for word in (secrets.token_hex(8), secrets.token_hex(8)):
            (tools / "word").write_text(word)
            built.append(build_extension_image(tools, tag, settings=settings))
            built.append(build_extension_image(folder, f"{tag}-copy", settings=settings))
            assert run_image(built[-1], ["cat", "/word"]) == word
    finally:
        for image in reversed(built):
            for name in (find_image(engine, image) or {"RepoTags": []})["RepoTags"]:
                remove_image(engine, name)


def test_a_failing_step_is_named_with_its_output(folder: Path, tag: str, settings: Settings) -> None:
    (folder / "Dockerfile").write_text(f"{BASE}COPY unique.txt /\nRUN echo looking; cat /not-there\n")
    with pytest.raises(
        BuildError, match=r"/Dockerfile does not build: line 3: RUN echo looking; cat /not-there"
    ) as caught:
        build_extension_image(folder, tag, settings=settings)
    assert "looking" in caught.value.last_seen
    assert "No such file or directory" in caught.value.last_seen


@pytest.mark.parametrize(
    ("line", "said"),
    [("RNU true", "(?i)unknown instruction: RNU"), ("COPY /nowhere", "(?i)COPY requires at least two arguments")],
)
def test_a_dockerfile_that_the_engine_cannot_read_is_named_with_its_words(
    folder: Path, tag: str, settings: Settings, line: str, said: str
) -> None:
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(f"{BASE}{line}\n")
    with pytest.raises(BuildError, match=said) as caught:
        build_extension_image(folder, tag, settings=settings)
    assert caught.value.cause.startswith(f"{dockerfile} does not build: ")
    assert re.search(said, caught.value.cause)


@pytest.mark.parametrize("base", ["http://a/b", "-a/b", "a//b", "a:b:c", "a@sha256:0", "[::1]/a"])
def test_a_base_whose_name_no_image_can_have_is_named_with_its_dockerfile(
    folder: Path, tag: str, settings: Settings, base: str
) -> None:
    (folder / "Dockerfile").write_text(f"FROM {base}\n")
    with pytest.raises(BuildError) as caught:
        build_extension_image(folder, tag, settings=settings)
    assert caught.value.cause.startswith(f"{folder / 'Dockerfile'}: the image {base} ")


def test_a_missing_base_is_reported_with_the_existing_ones(folder: Path, tag: str, settings: Settings) -> None:
    (folder / "Dockerfile").write_text("FROM local-only/base-missing:latest\n")
    with pytest.raises(BuildError, match="local-only/base-missing:latest is not on this machine") as caught:
        build_extension_image(folder, tag, settings=settings)
    assert "local-only/base-python-cpu:latest" in caught.value.fix


@pytest.mark.parametrize(("old", "new"), [("dag-installer:0.1.0", "base-installer"), ("mitk-base:latest", "base-mitk")])
def test_a_base_of_an_older_release_is_named_with_what_has_replaced_it(
    folder: Path, tag: str, settings: Settings, old: str, new: str
) -> None:
    (folder / "Dockerfile").write_text(f"FROM local-only/{old}\n")
    with pytest.raises(BuildError, match=f"local-only/{old} is not on this machine") as caught:
        build_extension_image(folder, tag, settings=settings)
    assert caught.value.fix.startswith(f"write local-only/{new}:latest, as it is called since release 0.")


def test_a_base_by_the_development_kits_name_is_built_on_without_a_foreign_name_in_the_engine(
    engine: APIClient, folder: Path, tag: str, settings: Settings
) -> None:
    text = "FROM localhost:32000/base-installer:latest\nCOPY unique.txt /\n"
    (folder / "Dockerfile").write_text(text)
    image = build_extension_image(folder, tag, settings=settings)
    base = (find_image(engine, "local-only/base-installer:latest") or {})["RootFS"]["Layers"]
    assert (find_image(engine, image) or {})["RootFS"]["Layers"][: len(base)] == base
    assert find_image(engine, "localhost:32000/base-installer:latest") is None
    assert (folder / "Dockerfile").read_text() == text
    # the same Dockerfile with the local name is the same image
    (folder / "Dockerfile").write_text(text.replace("localhost:32000", "local-only"))
    assert build_extension_image(folder, tag, settings=settings) == image


def test_a_base_of_ours_with_another_tag_is_refused(folder: Path, tag: str, settings: Settings) -> None:
    (folder / "Dockerfile").write_text("FROM local-only/base-installer:0.6.0\n")
    with pytest.raises(BuildError, match="local-only images have the tag latest"):
        build_extension_image(folder, tag, settings=settings)
