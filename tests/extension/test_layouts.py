"""Trees in the layouts of real extensions are read, or refused by name (shapes 1.1, 1.4, 2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ExtensionError
from harness.extension import read
from tests.extension.trees_for_tests import FILES, write

Changes = dict[str, str | None]

DOCKERFILE = "extension/docker/Dockerfile"
DAG = "extension/docker/files/dag_mean.py"
CHART = "extension/mean-workflow/Chart.yaml"
VALUES = "extension/mean-workflow/values.yaml"
CONTAINER = "processing-containers/mean-value/Dockerfile"
VIEWER = "processing-containers/mean-value/viewer-chart"


def without(*folders: str) -> Changes:
    """Return the changes that leave folders out."""
    return {path: None for path in FILES if path.startswith(folders)}


def moved(folder: str, to: str) -> Changes:
    """Return the changes that move what is below a folder."""
    return {
        **without(folder),
        **{to + path.removeprefix(folder): FILES[path] for path in FILES if path.startswith(folder)},
    }


BUILT_IN_ONLY: Changes = {
    **without("processing-containers/", "extension/docker/files/mean-value/"),
    DOCKERFILE: """\
FROM local-only/base-installer:latest
LABEL IMAGE="dag-mean"
COPY files/dag_mean.py /kaapana/tmp/dags/
""",
    DAG: """\
from airflow.models import DAG
from kaapana.operators.GetInputOperator import GetInputOperator

with DAG(dag_id="mean-value", default_args={"ui_visible": True}, schedule_interval=None) as dag:
    GetInputOperator(dag=dag)
""",
}
APPLICATION: Changes = {
    f"{VIEWER}/Chart.yaml": """\
apiVersion: v1
name: viewer-chart
version: 0.0.0
version: 0.0.0
keywords: [kaapanaint]
""",
    f"{VIEWER}/requirements.yaml": "dependencies:\n  - name: kaapana-library-chart\n    version: 0.0.0\n",
    f"{VIEWER}/values.yaml": "dynamicVolumes: []\n",
    f"{VIEWER}/templates/name space.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: viewer\n",
}
FIRST_GENERATION: Changes = {
    CHART: FILES[CHART].replace("v2", "v1").replace('"0.1.0"', "0.0.0")
    + "  - kaapanaexperimental\n  - gpurequired\nappVersion: any text\ndeprecated: true\nmaintainers: [{name: A}]\n"
}
TWO_BASES = 'FROM local-only/base-python-gpu:latest\nFROM local-only/base-python-cpu:latest\nLABEL IMAGE="mean-value"\n'
WITH_JSON: Changes = {
    "extension/docker/files/mean_trigger_rule.json": "{}",
    DOCKERFILE: FILES[DOCKERFILE] + "COPY files/mean_trigger_rule.json /kaapana/tmp/dags/\n",
}
MEAN = ["dags/dag_mean.py", "dags/mean_value/MeanOperator.py"]


@pytest.mark.parametrize(
    ("changes", "images", "installed"),
    [
        pytest.param(BUILT_IN_ONLY, [], ["dags/dag_mean.py"], id="no container of its own"),
        pytest.param(moved("processing-containers/", ""), ["mean-value"], MEAN, id="a container beside extension/"),
        pytest.param(moved("extension/", ""), ["mean-value"], MEAN, id="docker/ and chart without extension/"),
        pytest.param(APPLICATION, ["mean-value"], MEAN, id="a second chart that a task starts"),
        pytest.param(WITH_JSON, ["mean-value"], [*MEAN, "dags/mean_trigger_rule.json"], id="a file beside the DAG"),
        pytest.param(FIRST_GENERATION, ["mean-value"], MEAN, id="apiVersion v1 with keywords and other fields"),
        pytest.param(
            {CHART: FILES[CHART].replace('"0.1.0"', "0.2.0-12-gabc123")}, ["mean-value"], MEAN, id="version of git"
        ),
        pytest.param(
            {VALUES: FILES[VALUES] + '  version: "0.1.0"\n  pull_policy_jobs: ""\n'},
            ["mean-value"],
            MEAN,
            id="old globals",
        ),
        pytest.param({CONTAINER: TWO_BASES}, ["mean-value"], MEAN, id="two FROM lines, of which the last counts"),
        pytest.param(
            {CONTAINER: FILES[CONTAINER].replace('"0.1.0"', '"2022.10"') + "ENTRYPOINT []\nCMD python3 x.py   \n"},
            ["mean-value"],
            MEAN,
            id="any VERSION, blanks behind CMD",
        ),
        pytest.param(
            {CONTAINER: FILES[CONTAINER].replace('"mean-value"', '"mean_value"')}, ["mean_value"], MEAN, id="underscore"
        ),
    ],
)
def test_a_layout_of_real_extensions_is_read(
    tmp_path: Path, changes: Changes, images: list[str], installed: list[str]
) -> None:
    source = read(write(tmp_path, changes))
    assert source.dag_image.image == "dag-mean"
    assert [container.image for container in source.processing_images] == images
    assert [file.installed for file in source.contents.files] == installed
    assert [file.installed for file in source.contents.dag_files] == ["dags/dag_mean.py"]


def test_the_chart_of_an_application_is_not_the_one_that_is_installed(tmp_path: Path) -> None:
    source = read(write(tmp_path, APPLICATION))
    assert [folder.name for folder in source.charts] == ["mean-workflow", "viewer-chart"]
    assert source.chart.name == "mean-workflow"


@pytest.mark.parametrize(
    ("changes", "cause", "fix"),
    [
        pytest.param(without("extension/"), "has no Chart.yaml", "extension/<name>-workflow/", id="containers only"),
        pytest.param(
            {path: None for path in FILES if path != DAG},
            "has no Chart.yaml",
            "extension/<name>-workflow/",
            id="a DAG only",
        ),
        pytest.param(
            {DOCKERFILE: None, f"{DOCKERFILE}.mean": FILES[DOCKERFILE]},
            "no Dockerfile has LABEL IMAGE='dag-mean'",
            "rename extension/docker/Dockerfile.mean",
            id="a Dockerfile with a suffix",
        ),
        pytest.param(
            {DOCKERFILE: FILES[DOCKERFILE].replace("/kaapana/tmp/", "/tmp/")},
            "installs no DAG file",
            "/kaapana/tmp/dags/",
            id="the folder of releases up to 0.1.3",
        ),
        pytest.param(
            {
                "extension/docker/files/weights": "x",
                DOCKERFILE: FILES[DOCKERFILE] + "COPY files/weights /kaapana/tmp/models/\n",
            },
            "the installer aborts on the folder 'models'",
            "plugins/",
            id="a folder that the installer does not know",
        ),
        pytest.param(
            {CONTAINER: FILES[CONTAINER].replace('"mean-value"', '"Mean-Value"')},
            "cannot be the name of an image",
            "lower-case",
            id="upper case",
        ),
        pytest.param(
            {
                VALUES: FILES[VALUES].replace("dag-mean", "dag_mean"),
                DOCKERFILE: FILES[DOCKERFILE].replace("dag-mean", "dag_mean"),
            },
            "'dag_mean' cannot name the installer's Job",
            "lower-case",
            id="an underscore in global.image",
        ),
    ],
)
def test_a_layout_that_the_platform_does_not_take_is_refused_by_name(
    tmp_path: Path, changes: Changes, cause: str, fix: str
) -> None:
    with pytest.raises(ExtensionError) as caught:
        read(write(tmp_path, changes))
    assert cause in caught.value.cause
    assert fix in caught.value.fix
