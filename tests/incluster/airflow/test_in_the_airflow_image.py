"""Runs the tests of ``in_image`` in one container of the airflow image, and reports each file's failures."""

from __future__ import annotations

import subprocess
import uuid
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PROFILES = REPOSITORY / "harness" / "profiles"
IN_IMAGE = Path(__file__).parent / "in_image"
FILES = sorted(path.name for path in IN_IMAGE.glob("test_*.py"))
# a limit for what hangs: three of these containers at a time took nine minutes on two busy cores
SECONDS = 1800

DOCKERFILE = """\
ARG BASE
FROM ${BASE}
RUN uv pip install -q 'pytest>=8,<9'
"""


@pytest.fixture(scope="session")
def image() -> str:
    """The airflow image with pytest in it."""
    from harness import images
    from harness.images.build import build_image
    from harness.images.context import Context, ContextEntry
    from harness.settings import Settings

    settings = Settings.load()
    base = images.ensure("airflow", settings=settings)
    context = Context([ContextEntry("Dockerfile", content=DOCKERFILE.encode())])
    tag = f"kaapana-harness/airflow-tests:{base.rpartition(':')[2]}"
    build_image(context, tag=tag, settings=settings, buildargs={"BASE": base})
    return tag


@pytest.fixture(scope="session")
def failures(image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Texts of the failing tests by test file; empty where all passed."""
    results = tmp_path_factory.mktemp("in-image")
    name = f"kaapana-harness-airflow-tests-{uuid.uuid4().hex[:8]}"
    command = [
        "docker", "run", "--rm", "--init", "--name", name, "--network", "none",
        "-v", f"{REPOSITORY / 'tests'}:/work/tests:ro", "-v", f"{PROFILES}:/work/profiles:ro",
        "-v", f"{results}:/results", "-w", "/work",
        "-e", "PYTHONDONTWRITEBYTECODE=1", "-e", "PYTHONWARNINGS=ignore", image,
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "/work",
        "--confcutdir", "/work/tests/incluster/airflow",
        "--junitxml", "/results/junit.xml", "tests/incluster/airflow/in_image",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
    report = results / "junit.xml"
    if not report.is_file():
        pytest.fail(f"the tests did not run:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    by_file: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        module = case.get("classname", "").rpartition(".")[2] + ".py"
        texts = by_file.setdefault(module, [])
        for kind in ("failure", "error"):
            for problem in case.findall(kind):
                texts.append(f"{case.get('name')}: {problem.get('message')}\n{problem.text}")
    return by_file


@pytest.mark.parametrize("file", FILES)
def test_the_tests_inside_the_image_pass(file: str, failures: dict[str, list[str]]) -> None:
    assert file in failures, f"no test of {file} ran; these did: {', '.join(sorted(failures))}"
    problems = failures[file]
    assert not problems, f"{len(problems)} tests of {file} failed in the airflow image:\n\n" + "\n\n".join(problems)
