"""Parameters of the install dialog: through templates and Jobs to the DAG's form, the operator and its container."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import FormError

EXTENSION = Path(__file__).with_name("extension")


def test_the_parameters_of_the_install_reach_the_container_and_another_install_replaces_them(kaapana):
    chosen = {"site": "Heidelberg", "language": "de", "task_ids": ["lung_vessels", "liver"]}
    first = kaapana.install(EXTENSION, params=chosen)
    assert first.params == {
        "about": "Report",
        "site": "Heidelberg",
        "language": "de",
        "list_models": True,
        "task_ids": "lung_vessels,liver",
    }
    run = first.run(form={"report_model": "liver"})
    assert run.succeeded
    text = run.reports["site-report.html"].text
    assert "Bericht von Heidelberg" in text
    assert "liver" in text
    assert "Installierte Modelle: lung_vessels, liver" in text

    second = kaapana.install(EXTENSION, params={"site": "Mainz", "list_models": False})
    run = second.run()
    assert run.succeeded
    text = run.reports["site-report.html"].text
    assert "Report of Mainz" in text
    assert "total" in text
    assert "Installed models" not in text


def test_the_form_offers_only_the_models_that_were_installed(kaapana):
    extension = kaapana.install(EXTENSION, params={"task_ids": ["liver"]})
    with pytest.raises(FormError, match="report_model"):
        extension.run(form={"report_model": "lung_vessels"})
    assert extension.run().form["workflow_form"]["report_model"] == "liver"


@pytest.mark.finds("parameter-changed")
def test_every_parameter_is_read_by_a_template_and_the_author_learns_what_becomes_of_blanks(kaapana):
    run = kaapana.install(EXTENSION, params={"site": "Ward 7"}).run()
    assert run.succeeded
    assert "Report of Ward7" in run.reports["site-report.html"].text
    (finding,) = [found for found in run.findings if found.rule.startswith("parameter-")]
    assert (finding.rule, finding.where) == ("parameter-changed", "site")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"sight": "here"}, "has no parameter 'sight'; did you mean site"),
        ({"site": ""}, "site must be text that is not empty"),
        ({"language": "fr"}, 'language must be "en" or "de"'),
        ({"task_ids": []}, "task_ids must be at least one of its choices"),
        ({"list_models": "no"}, "list_models must be true or false"),
    ],
)
def test_parameters_that_the_dialog_would_not_take_install_nothing(kaapana, params, said):
    with pytest.raises(FormError, match=said):
        kaapana.install(EXTENSION, params=params)
