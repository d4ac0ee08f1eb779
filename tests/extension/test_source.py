from __future__ import annotations

from pathlib import Path

import pytest

from harness import extension
from harness.errors import ExtensionError
from harness.extension import operators
from tests.extension.trees_for_tests import FILES, write

CHART = "extension/mean-workflow"
DOCKERFILE = "extension/docker/Dockerfile"


def test_an_extension_in_the_layout_of_the_guide_is_read(tmp_path: Path) -> None:
    source = extension.read(write(tmp_path))
    assert source.chart.name == "mean-workflow"
    assert source.chart.image == source.dag_image.image == "dag-mean"
    assert [(c.image, c.directory.name) for c in source.processing_images] == [("mean-value", "mean-value")]
    assert {file.installed: file.shown for file in source.contents.files} == {
        "dags/dag_mean.py": "extension/docker/files/dag_mean.py",
        "dags/mean_value/MeanOperator.py": "extension/docker/files/mean-value/MeanOperator.py",
    }
    assert [file.installed for file in source.contents.dag_files] == ["dags/dag_mean.py"]
    assert source.contents.modules == {"dag_mean", "mean_value"}
    (image,) = source.contents.operator_images
    assert image.name == "mean-value"
    assert image.seen_by_build_script
    assert image.resolve("localhost:5000", "0.6.0") == "localhost:5000/mean-value:0.6.0"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({f"{CHART}/Chart.yaml": None}, "no Chart.yaml"),
        ({f"{CHART}/requirements.yaml": None}, "no requirements.yaml"),
        ({f"{CHART}/requirements.yaml": ""}, "names no dependencies"),
        ({f"{CHART}/requirements.yaml": "dependencies:\n- name: dag-installer\n"}, "does not depend on"),
        (
            {
                f"{CHART}/requirements.yaml": "dependencies:\n- name: other\n- name: dag-installer-chart\n",
                f"{CHART}/Chart.yaml": FILES[f"{CHART}/Chart.yaml"].replace("kaapanaworkflow", "mine"),
            },
            "must be the first dependency",
        ),
        ({f"{CHART}/requirements.yaml": "dependencies:\n- version: 1\n"}, "dependency 1 has no name"),
        ({f"{CHART}/requirements.yaml": "dependencies: dag-installer-chart\n"}, "must be a list"),
        ({f"{CHART}/values.yaml": None}, "no values.yaml"),
        ({f"{CHART}/values.yaml": "image: dag-mean\n"}, "no map `global`"),
        ({f"{CHART}/values.yaml": "global: {action: copy}\n"}, "global.image is missing"),
        ({f"{CHART}/values.yaml": "global: {image: Dag_Mean}\n"}, "cannot name the installer's Job"),
        ({f"{CHART}/values.yaml": "global: {image: dag-other}\n"}, "no Dockerfile has LABEL IMAGE='dag-other'"),
        ({f"{CHART}/Chart.yaml": "apiVersion: v2\nname: mean\n"}, "has no version"),
        ({f"{CHART}/Chart.yaml": "apiVersion: v2\nname: mean\nversion: 0.1\n"}, "version must be text, got 0.1"),
        ({f"{CHART}/Chart.yaml": "name: mean\nversion: '1.0.0'\n"}, "apiVersion must be v1 or v2"),
        ({f"{CHART}/Chart.yaml": "a: 1\n---\nb: 2\n"}, "holds 2 YAML documents"),
        ({f"{CHART}/Chart.yaml": "a: [1\n"}, "is not valid YAML"),
        ({f"{CHART}/Chart.yaml": "- a\n"}, "must hold a mapping, not a list"),
        ({DOCKERFILE: None, "processing-containers/mean-value/Dockerfile": None}, "no Dockerfile"),
        ({DOCKERFILE: "FROM local-only/base-installer:latest\n"}, "has no LABEL IMAGE"),
        (
            {DOCKERFILE: FILES[DOCKERFILE].replace("COPY files/dag_mean.py", "#").replace("COPY", "#")},
            "installs no DAG file",
        ),
        (
            {DOCKERFILE: FILES[DOCKERFILE].replace("/kaapana/tmp/dags/\n", "/kaapana/tmp/dag/\n")},
            "the installer aborts on the folder 'dag'",
        ),
        (
            {
                "second/Chart.yaml": FILES[f"{CHART}/Chart.yaml"],
                "second/requirements.yaml": FILES[f"{CHART}/requirements.yaml"],
            },
            "2 workflow charts",
        ),
    ],
)
def test_a_damaged_extension_is_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, str | None], message: str
) -> None:
    with pytest.raises(ExtensionError, match=r"(?s).*") as caught:
        extension.read(write(tmp_path, changes))
    assert message in caught.value.cause
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("label", ['LABEL image="x"', 'LABEL IMAGE = "x"', 'LABEL VERSION="1" IMAGE="x"'])
def test_a_label_that_the_build_script_does_not_read_is_shown_with_its_line(tmp_path: Path, label: str) -> None:
    text = f"FROM local-only/base-installer:latest\n{label}\n"
    with pytest.raises(ExtensionError) as caught:
        extension.read(write(tmp_path, {DOCKERFILE: text}))
    assert "line 2" in caught.value.last_seen
    assert label in caught.value.last_seen


def test_a_path_that_is_missing_and_one_that_is_a_file_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(ExtensionError, match="does not exist"):
        extension.read(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExtensionError, match="is not a folder"):
        extension.read(tmp_path / "file")


def test_a_chart_that_is_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside")
    inside = write(tmp_path / "inside", {f"{CHART}/values.yaml": None})
    (inside / CHART / "values.yaml").symlink_to(outside / CHART / "values.yaml")
    with pytest.raises(ExtensionError, match="leads out of the extension"):
        extension.read(inside)


def test_a_dag_file_copied_by_a_link_out_of_the_tree_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "in", {"extension/docker/files/dag_mean.py": None})
    (tmp_path / "secret.py").write_text("import airflow  # dag")
    (root / "extension/docker/files/dag_mean.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(ExtensionError, match="leads out of the extension"):
        extension.read(root)


def test_yaml_with_objects_or_with_countless_aliases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExtensionError, match="not valid YAML"):
        extension.read(write(tmp_path / "a", {f"{CHART}/Chart.yaml": "name: !!python/object/apply:os.system [ls]\n"}))
    bomb = "a: &a [x]\n" + "b: [" + ", ".join(["*a"] * 200) + "]\n"
    with pytest.raises(ExtensionError, match="not valid YAML"):
        extension.read(write(tmp_path / "b", {f"{CHART}/Chart.yaml": bomb}))


def test_a_file_beyond_the_size_limit_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path, {f"{CHART}/values.yaml": "#" * (3 << 20)})
    with pytest.raises(ExtensionError, match="larger than"):
        extension.read(root)


def test_reading_does_not_execute_the_dag_file(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    text = f"# airflow dag\nopen({str(marker)!r}, 'w')\n"
    extension.read(write(tmp_path / "x", {"extension/docker/files/dag_mean.py": text}))
    assert not marker.exists()


def test_a_build_ignored_container_and_a_local_base_are_marked(tmp_path: Path) -> None:
    local = 'FROM local-only/base-python-cpu:latest\nLABEL REGISTRY="local-only"\nLABEL IMAGE="my-base"\n'
    ignored = (
        'FROM local-only/base-python-cpu:latest AS build\nFROM build\nLABEL IMAGE="old"\nLABEL BUILD_IGNORE="True"\n'
    )
    source = extension.read(
        write(
            tmp_path,
            {"processing-containers/z-base/Dockerfile": local, "processing-containers/old/Dockerfile": ignored},
        )
    )
    by_name = {container.image: container for container in source.processing_images}
    assert by_name["my-base"].local
    assert source.processing_images[0].image == "my-base"
    assert by_name["old"].ignored
    assert by_name["old"].bases == ("local-only/base-python-cpu:latest",)


@pytest.mark.parametrize(
    ("lines", "installed"),
    [
        ("COPY files/dag_mean.py /kaapana/tmp/dags/renamed.py", ["dags/renamed.py"]),
        ("COPY files/*.py /kaapana/tmp/dags/", ["dags/dag_mean.py"]),
        ('COPY ["files/dag_mean.py", "/kaapana/tmp/dags/"]', ["dags/dag_mean.py"]),
        ("COPY --chown=0:0 files/dag_mean.py \\\n  /kaapana/tmp/dags/", ["dags/dag_mean.py"]),
        ("WORKDIR /kaapana/tmp\nCOPY files/dag_mean.py dags/", ["dags/dag_mean.py"]),
        ("COPY files /kaapana/tmp/dags", ["dags/dag_mean.py", "dags/mean-value/MeanOperator.py"]),
        ("COPY files/dag_mean.py /elsewhere/\nCOPY files/dag_mean.py /kaapana/tmp/dags/", ["dags/dag_mean.py"]),
    ],
)
def test_copy_follows_dockers_rules(tmp_path: Path, lines: str, installed: list[str]) -> None:
    text = f'FROM local-only/base-installer:latest\nLABEL IMAGE="dag-mean"\n{lines}\n'
    source = extension.read(write(tmp_path, {DOCKERFILE: text}))
    assert sorted(file.installed for file in source.contents.files) == installed


@pytest.mark.parametrize(
    ("code", "reference", "seen"),
    [
        ('f(\n  image=f"{DEFAULT_REGISTRY}/x:{KAAPANA_BUILD_VERSION}",\n)', "R/x:V", True),
        ("f(\n  image = f'{DEFAULT_REGISTRY}/x:{KAAPANA_BUILD_VERSION}')", "R/x:V", True),
        ('f(image=f"{DEFAULT_REGISTRY}/x:{KAAPANA_BUILD_VERSION}")', "R/x:V", False),
        ('f(\n  image="{}/x:{}".format(DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION))', "R/x:V", False),
        ('f(image="{1}/x:{0}".format(KAAPANA_BUILD_VERSION, DEFAULT_REGISTRY))', "R/x:V", False),
        ('f(image="%s/x:%s" % (DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION))', "R/x:V", False),
        ('f(image="%s/x:1" % DEFAULT_REGISTRY)', "R/x:1", False),
        ('f(image=f"{variables.DEFAULT_REGISTRY}/x:{variables.KAAPANA_BUILD_VERSION}")', "R/x:V", False),
        ('from g import DEFAULT_REGISTRY as HERE\nf(image=f"{HERE}/x:{KAAPANA_BUILD_VERSION}")', "R/x:V", False),
        ('IMAGE: str = f"{DEFAULT_REGISTRY}/x:{KAAPANA_BUILD_VERSION}"\nf(image=IMAGE)', "R/x:V", False),
        ('self.image = f"{DEFAULT_REGISTRY}/x:{KAAPANA_BUILD_VERSION}"', "R/x:V", False),
        ('f(**{"image": f"{DEFAULT_REGISTRY}/x:{KAAPANA_BUILD_VERSION}"})', "R/x:V", False),
        ('f(\n  image=DEFAULT_REGISTRY + "/x:" + KAAPANA_BUILD_VERSION)', "R/x:V", False),
        ('IMAGE = f"{default_registry}/x:{kaapana_build_version}"\nf(image=IMAGE)', "R/x:V", False),
        ('def g(image=f"{DEFAULT_REGISTRY}/x:1.2"):\n  f(image=image)', "R/x:1.2", False),
        ('f(\n  image=f"localhost:32000/x:{KAAPANA_BUILD_VERSION}",\n)', "localhost:32000/x:V", False),
        ('f(\n  image=f"{DEFAULT_REGISTRY}/{name}:{KAAPANA_BUILD_VERSION}")', "R/{?}:V", True),
    ],
)
def test_an_operators_image_is_found_in_every_spelling(tmp_path: Path, code: str, reference: str, seen: bool) -> None:
    file = tmp_path / "XOperator.py"
    file.write_text(code)
    found = operators.find_images(file.read_text("utf-8"), file.name, file.name)
    assert found[-1].resolve("R", "V") == reference
    assert found[-1].seen_by_build_script is seen


def test_the_build_script_only_looks_into_files_named_operator(tmp_path: Path) -> None:
    file = tmp_path / "tasks.py"
    file.write_text('f(\n  image=f"{DEFAULT_REGISTRY}/x:{KAAPANA_BUILD_VERSION}",\n)')
    assert [
        image.seen_by_build_script for image in operators.find_images(file.read_text("utf-8"), file.name, file.name)
    ] == [False]


def test_images_count_where_a_dag_file_or_what_it_imports_names_them(tmp_path: Path) -> None:
    folder = "extension/docker/files/mean-value"
    operator = FILES[f"{folder}/MeanOperator.py"]
    changes: dict[str, str | None] = {
        f"{folder}/MeanOperator.py": "from mean_value.base import B\nfrom .near import N\nimport json\n" + operator,
        f"{folder}/base.py": operator.replace("/mean-value:", "/base:"),
        f"{folder}/near.py": operator.replace("/mean-value:", "/near:"),
        f"{folder}/UnusedOperator.py": operator.replace("/mean-value:", "/unused:"),
    }
    contents = extension.read(write(tmp_path, changes)).contents
    assert {image.name for image in contents.operator_images} == {"mean-value", "base", "near", "unused"}
    assert {image.name for image in contents.imported_images} == {"mean-value", "base", "near"}


def test_the_images_whose_programs_have_a_text_are_known(tmp_path: Path) -> None:
    program = "processing-containers/mean-value/files/mean.py"
    tree = write(tmp_path, {program: "import os\nos.environ['OPERATOR_IN_DIR']\n"})
    (tree / "processing-containers/mean-value/files/weights.bin").write_bytes(b"\xff\xfe OPERATOR_OUT_DIR")
    source = extension.read(tree)
    assert source.mentioning("OPERATOR_IN_DIR") == ("mean-value",)
    assert source.mentioning("OPERATOR_OUT_DIR") == ()
