"""Trees in the shapes that extensions really have (shapes 1, 2): each is read as the platform's tools read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import extension
from harness.errors import ExtensionError
from harness.platform.delivery import sort_locally
from tests.extension.trees_for_tests import FILES, write

CHART = "extension/mean-workflow"
DOCKERFILE = "extension/docker/Dockerfile"
MEAN = "processing-containers/mean-value/Dockerfile"
DAG = "dags/dag_mean.py"
OPERATOR = "dags/mean_value/MeanOperator.py"
HEAD = 'FROM local-only/base-installer:latest\nLABEL IMAGE="dag-mean"\n'
INTO_DAGS = "COPY files/dag_mean.py /kaapana/tmp/dags"


def read(tmp_path: Path, lines: str, **changes: str | None) -> extension.ExtensionSource:
    return extension.read(write(tmp_path, {DOCKERFILE: f"{HEAD}{lines}\n", **changes}))


def installed(source: extension.ExtensionSource) -> list[str]:
    return sorted(file.installed for file in source.contents.files)


@pytest.mark.parametrize(
    "before",
    [
        "COPY files/mean-value /kaapana/tmp/dags/mean_value",
        "COPY files/mean-value/MeanOperator.py /kaapana/tmp/dags/mean_value/",
        "RUN mkdir -p /elsewhere /kaapana/tmp/dags\nCOPY files/mean-value /kaapana/tmp/dags/mean_value",
        "WORKDIR /kaapana/tmp/dags/\nCOPY files/mean-value mean_value",
        "ENV TARGET=/kaapana/tmp/dags\nCOPY files/mean-value ${TARGET}/mean_value",
        "ARG TARGET=/kaapana/tmp/dags\nCOPY files/mean-value $TARGET/mean_value",
        'RUN ["mkdir", "-p", "/kaapana/tmp/dags"]\nCOPY files/mean-value /kaapana/tmp/dags/mean_value',
    ],
)
def test_a_file_goes_into_a_folder_that_an_earlier_line_has_made(tmp_path: Path, before: str) -> None:
    source = read(tmp_path, f"{before}\n{INTO_DAGS}")
    assert installed(source) == [DAG, OPERATOR]
    assert source.unread == ()


@pytest.mark.parametrize("before", ["", "RUN mkdir -p /kaapana/tmp\n", "RUN true && mkdir /kaapana; touch dags\n"])
def test_a_file_copied_to_a_name_without_a_folder_is_refused_as_the_file_that_it_becomes(
    tmp_path: Path, before: str
) -> None:
    with pytest.raises(ExtensionError, match="to a file named /kaapana/tmp/dags, because no line before it") as caught:
        read(tmp_path, f"{before}{INTO_DAGS}")
    assert caught.value.fix == "end the target with a slash: COPY ... /kaapana/tmp/dags/"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "COPY files/* /kaapana/tmp/dags/",
            ["dags/MeanOperator.py", DAG],
        ),
        ("COPY files/mean-value files/dag_mean.py /kaapana/tmp/dags/", ["dags/MeanOperator.py", DAG]),
        ("COPY files/dag_?ean.py /kaapana/tmp/dags/dag_x.py", ["dags/dag_x.py"]),
        ("COPY files/ /kaapana/tmp/dags", [DAG, "dags/mean-value/MeanOperator.py"]),
        ('COPY --chmod=644 ["files/dag_mean.py", "/kaapana/tmp/dags/"]', [DAG]),
        ("COPY ../files/dag_mean.py /kaapana/tmp/dags/", [DAG]),
        ("COPY /files/dag_mean.py /kaapana/tmp/dags/.", [DAG]),
    ],
)
def test_globs_folders_and_operators_beside_the_dag_are_installed_where_builders_put_them(
    tmp_path: Path, lines: str, expected: list[str]
) -> None:
    assert installed(read(tmp_path, lines)) == expected


def test_a_value_from_before_the_first_stage_counts_where_the_stage_declares_it(tmp_path: Path) -> None:
    copy = "COPY files/dag_mean.py ${TARGET}/"
    declared = f"ARG TARGET=/kaapana/tmp/dags\n{HEAD}ARG TARGET\n{copy}\n"
    assert installed(extension.read(write(tmp_path / "a", {DOCKERFILE: declared}))) == [DAG]
    # without that the value is empty, which the builder makes something else of
    (unread,) = extension.read(write(tmp_path / "b", {DOCKERFILE: declared.replace("ARG TARGET\n", "")})).unread
    assert copy in unread


def test_a_folder_that_a_shell_may_have_made_is_left_to_the_built_image(tmp_path: Path) -> None:
    source = read(tmp_path, f'SHELL ["bash", "-c"]\nRUN mkdir -p /kaapana/tmp/{{dags,plugins}}\n{INTO_DAGS}')
    assert len(source.unread) == 1
    assert installed(source) == []


def test_operators_beside_the_dag_are_followed_as_top_modules(tmp_path: Path) -> None:
    dag = FILES["extension/docker/files/dag_mean.py"].replace("from mean_value.", "from ")
    source = read(tmp_path, "COPY files/* /kaapana/tmp/dags/", **{"extension/docker/files/dag_mean.py": dag})
    assert source.contents.modules == {"dag_mean", "MeanOperator"}
    assert [image.name for image in source.contents.imported_images] == ["mean-value"]


def test_only_the_last_stage_is_installed_with_what_it_takes_from_others(tmp_path: Path) -> None:
    lines = (
        "FROM local-only/base-installer:latest AS pack\nCOPY files/dag_mean.py /pack/dags/\nCOPY files /elsewhere\n"
        f"{HEAD}COPY --from=pack /pack /kaapana/tmp\nCOPY --from=0 /nothing /kaapana/tmp/dags/"
    )
    text = lines.replace('LABEL IMAGE="dag-mean"\n', "")
    source = extension.read(write(tmp_path, {DOCKERFILE: f'{text}\nLABEL IMAGE="dag-mean"\n'}))
    assert installed(source) == [DAG]
    assert source.unread == ()


@pytest.mark.parametrize(
    "line",
    [
        "COPY --from=registry.site/dags:1 /dags /kaapana/tmp/dags",
        "ADD https://site/dags.tar.gz /kaapana/tmp/dags/",
        "ADD files/dags.tar.gz /",
        "RUN cp -r /opt/dags /kaapana/tmp/dags",
        "WORKDIR /kaapana/tmp\nRUN python3 make_dags.py",
        "COPY <<EOF /kaapana/tmp/dags/dag_x.py\nfrom airflow import DAG as dag\nEOF",
        "COPY files/dag_mean.py ${UNKNOWN}/",
        "FROM registry.site/base-with-dags:1",
    ],
)
def test_a_tree_is_not_refused_for_facts_that_only_the_built_image_shows(tmp_path: Path, line: str) -> None:
    source = read(tmp_path, line)
    (unread,) = source.unread
    assert line.splitlines()[-1].split()[0] in unread or "COPY <<EOF" in unread
    assert not source.contents.dag_files


@pytest.mark.parametrize(
    "line", ["ADD https://site/weights.zip /models/", "RUN pip install x", "RUN mkdir /kaapana/tmp"]
)
def test_a_link_that_leads_elsewhere_does_not_hide_that_no_dag_is_installed(tmp_path: Path, line: str) -> None:
    with pytest.raises(ExtensionError, match="installs no DAG file"):
        read(tmp_path, line)


def test_of_two_dockerfiles_with_one_image_the_first_by_its_path_counts_and_the_other_is_named(tmp_path: Path) -> None:
    source = extension.read(write(tmp_path, {"processing-containers/again/Dockerfile": FILES[MEAN]}))
    assert [container.directory.name for container in source.processing_images] == ["again"]
    (finding,) = source.findings
    assert (finding.rule, finding.where) == ("dropped-dockerfile", MEAN)
    assert "processing-containers/again/Dockerfile has the same LABEL IMAGE mean-value" in finding.message


@pytest.mark.parametrize("registry", ["local-only", "r.site:5000/team"])
def test_two_dockerfiles_of_one_name_in_different_registries_are_two_images(tmp_path: Path, registry: str) -> None:
    other = f'FROM local-only/base-python-cpu:latest\nLABEL REGISTRY="{registry}"\nLABEL IMAGE="mean-value"\n'
    source = extension.read(write(tmp_path, {"processing-containers/again/Dockerfile": other}))
    assert [container.directory.name for container in source.processing_images] == ["again", "mean-value"]
    assert source.findings == ()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("FROM python", "python"),
        ("FROM scratch", "scratch"),
        ("ARG BASE=python:3.12\nFROM ${BASE}", "${BASE}"),
        ("FROM --platform=linux/amd64 python:3.12", "--platform=linux/amd64"),
        ("FROM python:3.12 AS build\nFROM build", "build"),
        ("FROM r.site/a/b/c/python:3.12", "r.site/a/b/c/python:3.12"),
    ],
)
def test_a_base_on_which_the_build_script_aborts_is_a_finding(tmp_path: Path, lines: str, words: str) -> None:
    text = f'{lines}\nLABEL IMAGE="mean-value"\n'
    (finding,) = extension.read(write(tmp_path, {MEAN: text})).findings
    assert (finding.rule, finding.where) == ("refused-base", MEAN)
    assert finding.message.endswith(f"aborts on {words}")


@pytest.mark.parametrize("base", ["r.site:5000/a/b/python:3.12", "python@sha256:0", "r.site/a/b/c/local-only/x:latest"])
def test_a_base_that_the_build_script_reads_has_no_finding(tmp_path: Path, base: str) -> None:
    assert extension.read(write(tmp_path, {MEAN: f'FROM {base}\nLABEL IMAGE="mean-value"\n'})).findings == ()


def test_local_bases_are_built_before_their_children_whatever_their_paths(tmp_path: Path) -> None:
    def local(name: str, base: str) -> str:
        return f'FROM local-only/{base}:latest\nLABEL REGISTRY="local-only"\nLABEL IMAGE="{name}"\n'

    trees = {"a": local("a", "m"), "m": local("m", "z"), "z": local("z", "base-python-cpu")}
    changes = {f"processing-containers/{name}/Dockerfile": text for name, text in trees.items()}
    source = extension.read(write(tmp_path, changes))
    assert [container.image for container in sort_locally(source.processing_images)] == ["z", "m", "a"]


def test_files_that_the_dockerignore_leaves_out_are_not_installed(tmp_path: Path) -> None:
    old = {"extension/docker/files/dag_old.py": FILES["extension/docker/files/dag_mean.py"]}
    ignore = {"extension/docker/.dockerignore": "files/*\n!files/dag_mean.py\n!files/mean-value\n"}
    for lines in ("COPY files/ /kaapana/tmp/dags/", "COPY files/* /kaapana/tmp/dags/"):
        source = read(tmp_path / lines[11], lines, **old, **ignore)
        assert [file.installed for file in source.contents.dag_files] == [DAG]


def test_a_dag_file_that_the_dockerignore_leaves_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExtensionError, match="installs no DAG file") as caught:
        read(tmp_path, f"{INTO_DAGS}/", **{"extension/docker/.dockerignore": "**/*.py\n"})
    assert "left out by the .dockerignore: extension/docker/files/dag_mean.py" in caught.value.last_seen


def test_the_development_kit_would_push_one_of_two_images_over_the_other(tmp_path: Path) -> None:
    root = write(tmp_path, {"processing-containers/again/Dockerfile": FILES[MEAN]})
    with pytest.raises(ExtensionError, match="the development kit pushes one over the other"):
        extension.read(root, edk=True)


def test_with_the_keyword_the_installer_need_not_be_the_first_dependency(tmp_path: Path) -> None:
    requirements = "dependencies:\n- name: model_installer_chart\n- name: dag-installer-chart\n"
    source = extension.read(write(tmp_path, {f"{CHART}/requirements.yaml": requirements}))
    assert [entry.name for entry in source.chart.requirements] == ["model_installer_chart", "dag-installer-chart"]


def test_dependencies_of_a_second_generation_chart_may_be_in_its_chart_yaml(tmp_path: Path) -> None:
    requirements = FILES[f"{CHART}/requirements.yaml"]
    chart = FILES[f"{CHART}/Chart.yaml"] + requirements
    source = extension.read(write(tmp_path, {f"{CHART}/Chart.yaml": chart, f"{CHART}/requirements.yaml": None}))
    assert [entry.name for entry in source.chart.requirements] == ["dag-installer-chart"]
