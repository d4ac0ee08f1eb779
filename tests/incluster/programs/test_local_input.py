"""Parameters and ``data_form`` of LocalGetInputDataOperator (operators 6.5)."""

from __future__ import annotations

import pytest

from harness.incluster.programs.common import ProgramError, RunFolder
from harness.incluster.programs.local_input import Options, fetch

OPTIONS = Options(data_type="json", check_modality=False, parallel=1, include="", exclude="")
ALL = ["1.1", "1.2", "1.3"]


@pytest.fixture
def fetched(run_folder, platform, monkeypatch):
    """Run the operator's work with a conf; the series that came."""
    for name, value in run_folder.env.items():
        monkeypatch.setenv(name, value)

    def start(**conf):
        fetch(RunFolder(run_folder.root, "batch"), "get-input-data", conf, OPTIONS)
        return sorted(path.parent.parent.name for path in run_folder.root.rglob("metadata.json"))

    return start


@pytest.mark.parametrize(("limit", "count"), [(1, 1), ("2", 2), (0, 3), (-1, 3), (5, 3)])
def test_the_limit_of_the_form_counts_and_none_below_one(fetched, limit, count):
    assert len(fetched(data_form={"identifiers": ALL, "dataset_limit": limit})) == count


def test_without_a_limit_in_the_form_all_series_come(fetched):
    assert fetched(data_form={"identifiers": ALL}) == ALL


def test_without_a_data_form_there_is_no_work(fetched):
    assert fetched(workflow_form={}) == []


@pytest.mark.parametrize(
    ("form", "cause"),
    [
        ({}, "data_form has no identifiers"),
        (None, "data_form is None"),
        ({"identifiers": []}, "data_form has no identifiers"),
        ({"identifiers": ALL, "query": {"match_all": {}}}, "query and identifiers"),
        ({"identifiers": ALL, "dataset_limit": None}, "dataset_limit None of data_form is not a whole number"),
        ({"identifiers": ALL, "dataset_limit": "all"}, "dataset_limit 'all' of data_form is not a whole number"),
    ],
)
def test_a_data_form_that_names_nothing_fails(fetched, form, cause):
    with pytest.raises(ProgramError, match=cause):
        fetched(data_form=form)
