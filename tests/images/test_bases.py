"""Contents of the base images that Dockerfiles of extensions rely on (build 5, shapes 1.2)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BuildError
from harness.images import build_extension_image, ensure
from harness.images.extension_image import LOCAL_BASES
from harness.settings import Settings
from tests.images.conftest import RunImage

Run = Callable[[str, str], str]


@pytest.fixture
def run(run_image: RunImage, settings: Settings) -> Run:
    """Runs a shell command in a base image; what it prints, whatever its status."""
    return lambda name, command: run_image(
        ensure(name, settings=settings), ["sh", "-c", f"({command}) 2>&1; true"]
    ).strip()


def test_every_base_of_the_release_can_be_built_on() -> None:
    assert set(LOCAL_BASES) == {
        "base-python-cpu",
        "base-python-gpu",
        "base-installer",
        "base-model-installer",
        "base-minio-mc",
        "base-nnunet-v2",
        "base-mitk",
        "base-desktop",
        "base-python-cpu-3.10",
        "base-python-gpu-3.10",
    }


@pytest.mark.parametrize("base", ["base-python-cpu", "base-python-cpu-3.10"])
def test_code_in_c_is_compiled_and_the_platforms_tools_are_there(run: Run, base: str) -> None:
    tools = "git htop zip unzip nano dcmdump gcc g++ make wget curl ps"
    assert "NOT" not in run(base, f"for name in {tools}; do command -v $name >/dev/null || echo NOT $name; done")
    extension = (
        "cd /tmp && printf '#include <Python.h>\\nint main(void) { return Py_IsInitialized(); }' > x.c && "
        'gcc -c x.c -I$(python -c "import sysconfig; print(sysconfig.get_paths()[\\"include\\"])") && echo compiled'
    )
    assert run(base, extension) == "compiled"


def test_pytorch_is_left_out_with_a_sentence(run: Run) -> None:
    last = run("base-python-cpu", "python -c 'import torch'").splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: No module named 'torch': the platform's base image has it")
    assert "KAAPANA_HARNESS_TORCH_INDEX" in last


def test_the_base_for_older_code_has_its_python_and_its_pins(run: Run) -> None:
    program = (
        "import sys, pandas, pydicom, SimpleITK, minio, nibabel, requests, opensearchpy; "
        "print(sys.version_info[:2], sys.prefix == sys.base_prefix, pandas.__version__, pydicom.__version__)"
    )
    # pandas warns where the interpreter has no lzma
    assert run("base-python-cpu-3.10", f"/usr/bin/python3 -W ignore -c '{program}'") == "(3, 10) True 1.3.5 2.4.4"
    assert "No module named 'kaapanapy'" in run("base-python-cpu-3.10", "python3 -c 'import kaapanapy'")
    assert run("base-python-gpu-3.10", "echo $NVIDIA_VISIBLE_DEVICES; pip --version").split()[0] == "all"


def test_the_client_of_the_object_store_runs_as_its_own_user(run: Run) -> None:
    assert run("base-minio-mc", "id -u; echo $MC_CONFIG_DIR").split() == ["1000", "/home/kaapana/.mc_config"]
    for name in ("mc", "mcli"):
        assert "manage server credentials" in run("base-minio-mc", f"{name} alias --help")
        assert run("base-minio-mc", f"{name} --version").startswith(f"{name} version")


def test_models_are_brought_by_the_program_of_their_base(run: Run) -> None:
    lookup = 'echo "{}" > /model_lookup.json'
    assert "task total is not in /model_lookup.json" in run(
        "base-model-installer", f"{lookup}; TASK_IDS=total python3 /kaapana/app/provide_models.py -e; echo $?"
    )
    assert run("base-model-installer", "python -c 'import tqdm, kaapanapy; print(1)'") == "1"


@pytest.mark.parametrize(
    ("base", "command", "lacks"),
    [
        ("base-mitk", "/kaapana/app/apps/MitkFileConverter.sh -i a -o b", "MITK v2025.08"),
        ("base-mitk", "/kaapana/app/MitkCLResampleImageToReference.sh", "MITK v2025.08"),
        ("base-nnunet-v2", "nnUNetv2_train 1 3d_fullres 0", "nnU-Net 2.6.2"),
        ("base-desktop", "/startup.sh", "a desktop"),
    ],
)
def test_a_stand_in_says_what_is_missing_and_what_to_set(run: Run, base: str, command: str, lacks: str) -> None:
    said = run(base, f"{command}; echo status $?")
    assert f"the image local-only/{base} is a stand-in of the harness without {lacks}" in said
    assert f"KAAPANA_HARNESS_BASE_IMAGES={base}=REFERENCE" in said
    assert said.endswith("status 1")


@pytest.mark.usefixtures("builder")
def test_a_file_of_the_site_is_downloaded_and_added_in_place_of_a_url(
    run_image: RunImage, tmp_path: Path, tag: str, settings: Settings
) -> None:
    url = "https://codes.invalid/"
    site = tmp_path / "site"
    site.mkdir()
    (site / "constraints.txt").write_text("six==1.17.0\n")
    (site / "weights.tar.gz").write_bytes(b"no archive")
    folder = tmp_path / "container"
    folder.mkdir()
    text = (
        f"FROM local-only/base-installer:latest\nRUN pip install -c {url}constraints.txt six\n"
        f"ADD {url}weights.tar.gz /opt/weights/\nRUN echo {secrets.token_hex(4)} > /unique\n"
    )
    (folder / "Dockerfile").write_text(text)
    mapped = Settings(build_urls=((url, str(site)),))
    image = build_extension_image(folder, tag, settings=mapped)
    program = "import six; print(six.__version__, open('/opt/weights/weights.tar.gz').read())"
    assert run_image(image, ["python", "-c", program]) == "1.17.0 no archive\n"
    assert (folder / "Dockerfile").read_text() == text


@pytest.mark.parametrize(
    "line",
    [
        "RUN pip install --retries 0 -c https://codes.invalid/c.txt six",
        "RUN python -c 'pass' && git clone https://codes.invalid/c.txt",
        "RUN curl -fsSL https://codes.invalid/c.txt",
        "ADD https://codes.invalid/c.txt /",
    ],
)
@pytest.mark.usefixtures("builder")
def test_a_build_that_does_not_reach_a_url_names_it_with_its_line_and_the_setting(
    tmp_path: Path, tag: str, settings: Settings, line: str
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM local-only/base-python-cpu:latest\n\n{line}\n")
    with pytest.raises(BuildError) as caught:
        build_extension_image(tmp_path, tag, settings=settings)
    assert caught.value.cause == (
        f"{tmp_path}/Dockerfile does not build: line 3 needs https://codes.invalid/c.txt, which the build does "
        "not reach"
    )
    assert "KAAPANA_HARNESS_BUILD_URLS=https://codes.invalid/c.txt=FILE" in caught.value.fix
