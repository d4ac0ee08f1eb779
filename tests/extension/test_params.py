"""Parameters of an extension: what the dialog can show, what it lets a user enter, and what it posts."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from harness import extension
from harness.errors import ExtensionError, FormError
from harness.extension.params import Parameter, check, parse_texts, read
from tests.extension.trees_for_tests import FILES, write

FILE = "values.yaml"
VALUES = "extension/mean-workflow/values.yaml"


def one(**entry: Any) -> Parameter:
    """A parameter ``p`` as values.yaml declares it."""
    (parameter,) = read({"extension_params": {"p": entry}}, FILE)
    return parameter


def tasks(default: Any = ("total",)) -> Parameter:
    return one(type="list_multi", default=list(default), value=["total", "lung", "liver"])


ORGAN = Parameter("organ", "list_single", default="liver", choices=("liver", "kidney"))
SITE = Parameter("site", "string", default="here")
FAST = Parameter("fast", "boolean", default=True)


def test_every_type_is_read_with_everything_that_the_dialog_shows() -> None:
    declared = {
        "intro": {"type": "group_name", "default": "General"},
        "more": {"type": "doc", "html": "<b>read this</b>", "default": ""},
        "site": {"type": "string", "default": "here", "definition": "Site", "title": "T", "help": "which"},
        "fast": {"type": "bool", "default": False},
        "faster": {"type": "boolean", "default": True},
        "organ": {"type": "list_single", "default": "liver", "value": ["liver", "kidney"]},
        "task_ids": {"type": "list_multi", "default": ["a", "b"], "value": ["a", "b", 3]},
    }
    assert read({"extension_params": declared}, FILE) == (
        Parameter("intro", "group_name", default="General"),
        Parameter("more", "doc", default="", html="<b>read this</b>"),
        Parameter("site", "string", default="here", definition="Site", title="T", help="which"),
        Parameter("fast", "bool", default=False),
        Parameter("faster", "boolean", default=True),
        Parameter("organ", "list_single", default="liver", choices=("liver", "kidney")),
        Parameter("task_ids", "list_multi", default=("a", "b"), choices=("a", "b", 3)),
    )


@pytest.mark.parametrize("values", [{}, {"extension_params": None}, {"extension_params": {}}])
def test_a_chart_without_parameters_has_none_and_posts_nothing(values: dict[str, Any]) -> None:
    assert read(values, FILE) == ()
    assert check((), {}) == {}


def test_a_parameter_whose_name_is_a_global_of_the_platform_may_be_left_empty() -> None:
    (parameter,) = read({"extension_params": {"smtp_host": {"type": "string", "default": ""}}}, FILE)
    assert not parameter.required
    assert check([parameter], {}) == {"smtp_host": ""}


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (["a"], "extension_params must be a mapping of names to parameters, not a list"),
        ("text", "extension_params must be a mapping of names to parameters, not text"),
        ({"p": "text"}, "extension_params.p must be a mapping with type, default and definition, not text"),
        ({"p": None}, "extension_params.p must be a mapping with type, default and definition, not nothing"),
        ({5: {"type": "string", "default": ""}}, "extension_params.5: the name must be text"),
        ({"p": {"default": "x"}}, "extension_params.p has no type"),
        ({"p": {"type": "strin", "default": "x"}}, "no field for the type 'strin'; did you mean string?"),
        ({"p": {"type": ["string"], "default": "x"}}, "no field for the type"),
        ({"p": {"type": "string"}}, "extension_params.p has no default"),
        ({"p": {"type": "bool"}}, "extension_params.p has no default"),
        ({"p": {"type": "string", "default": ["x"]}}, "the default must be text, a number or a boolean, not a list"),
        ({"p": {"type": "bool", "default": "maybe"}}, "must be true or false, not 'maybe'"),
        ({"p": {"type": "bool", "default": None}}, "must be true or false, not None"),
        ({"p": {"type": "list_single", "default": "a"}}, "extension_params.p has no choices"),
        ({"p": {"type": "list_single", "default": "a", "value": []}}, "value must be a list of choices, not a list"),
        ({"p": {"type": "list_single", "default": "a", "value": "a"}}, "value must be a list of choices, not text"),
        ({"p": {"type": "list_single", "default": "a", "value": [{}]}}, "a choice must be text, a number or a boolean"),
        ({"p": {"type": "list_multi", "default": "a", "value": ["a"]}}, "the default of a list_multi must be a list"),
        ({"p": {"type": "list_multi", "default": [["a"]], "value": ["a"]}}, "an entry of the default must be text"),
    ],
)
def test_a_declaration_that_the_dialog_cannot_show_names_the_parameter_and_the_file(declared: Any, said: str) -> None:
    with pytest.raises(ExtensionError) as caught:
        read({"extension_params": declared}, FILE)
    assert caught.value.cause.startswith(f"{FILE}: extension_params")
    assert said in caught.value.cause


def test_a_broken_declaration_is_found_when_the_extension_is_read(tmp_path: Any) -> None:
    broken = FILES[VALUES] + "extension_params:\n  p: {type: list_multi, default: [a]}\n"
    with pytest.raises(ExtensionError, match=r"values\.yaml: extension_params\.p has no choices"):
        extension.read(write(tmp_path / "broken", {VALUES: broken}))
    good = FILES[VALUES] + "extension_params:\n  p: {type: string, default: a}\n"
    (parameter,) = extension.read(write(tmp_path / "good", {VALUES: good})).chart.parameters
    assert parameter == Parameter("p", "string", default="a")


@pytest.mark.parametrize(
    ("entry", "posted"),
    [
        ({"type": "string", "default": "x"}, "x"),
        ({"type": "string", "default": 5}, 5),
        ({"type": "string", "default": datetime.date(2024, 1, 2)}, "2024-01-02"),
        ({"type": "bool", "default": False}, False),
        ({"type": "boolean", "default": "False"}, "False"),
        ({"type": "list_single", "default": "b", "value": ["a", "b"]}, "b"),
        ({"type": "list_multi", "default": ["a", "b"], "value": ["a", "b"]}, "a,b"),
        ({"type": "list_multi", "default": [1, True], "value": [1, True]}, "1,true"),
        # a value that is not among the choices is still posted
        ({"type": "list_single", "default": "z", "value": ["a", "b"]}, "z"),
        ({"type": "list_multi", "default": ["a", "z"], "value": ["a", "b"]}, "a,z"),
        ({"type": "group_name", "default": "General"}, "General"),
        ({"type": "doc", "default": "", "html": "<b>x</b>"}, ""),
    ],
)
def test_an_unchanged_parameter_is_posted_with_its_default(entry: dict[str, Any], posted: Any) -> None:
    result = check([one(**entry)], {})
    assert result == {"p": posted}
    assert type(result["p"]) is type(posted)


def test_a_heading_without_a_default_posts_nothing() -> None:
    assert check([one(type="doc", html="<b>x</b>")], {}) == {}


@pytest.mark.parametrize(
    ("parameter", "given", "posted"),
    [
        (SITE, "there", "there"),
        (SITE, " ", " "),
        (FAST, False, False),
        (ORGAN, "kidney", "kidney"),
        (one(type="list_single", default=1, value=[1, 2]), "2", 2),
        (tasks(), ["lung", "liver"], "lung,liver"),
        (tasks(), ("lung",), "lung"),
        (tasks(), "lung, liver", "lung,liver"),
        (tasks(), "lung,lung", "lung"),
        (one(type="list_multi", default=["a,b"], value=["a,b", "c"]), "a,b", "a,b"),
        # the dialog keeps an entry of the default that is not among the choices
        (tasks(default=["total", "old"]), ["old", "lung"], "old,lung"),
    ],
)
def test_user_input_is_posted_in_the_notation_of_the_dialog(parameter: Parameter, given: Any, posted: Any) -> None:
    assert check([parameter], {parameter.name: given}) == {parameter.name: posted}


def test_the_other_parameters_keep_their_defaults() -> None:
    assert check([SITE, FAST, ORGAN], {"fast": False}) == {"site": "here", "fast": False, "organ": "liver"}


@pytest.mark.parametrize(
    ("parameter", "given", "said"),
    [
        (SITE, 5, "extension parameter site must be text, got 5 (int)"),
        (SITE, None, "extension parameter site must be text, got None (NoneType)"),
        (SITE, "", "extension parameter site must be text that is not empty"),
        (FAST, "true", "extension parameter fast must be true or false, got 'true' (str)"),
        (FAST, 1, "extension parameter fast must be true or false, got 1 (int)"),
        (ORGAN, "lever", 'extension parameter organ must be "liver" or "kidney", got \'lever\'; did you mean liver?'),
        (ORGAN, "", "extension parameter organ must be one of its choices"),
        (ORGAN, ["liver"], 'extension parameter organ must be "liver" or "kidney", got [\'liver\']'),
        (tasks(), [], "extension parameter p must be at least one of its choices"),
        (tasks(), "", "extension parameter p must be at least one of its choices"),
        (tasks(), ["lunge"], "got 'lunge'; did you mean lung?"),
        (tasks(), "total,bone", "got 'bone'"),
        (tasks(), {"lung": True}, 'extension parameter p must be "total" or "lung" or "liver"'),
        (tasks(), [["lung"]], "got ['lung']"),
        (one(type="doc", html="x"), "x", "extension parameter p is a doc, which takes no value"),
    ],
)
def test_a_value_that_the_dialog_would_refuse_is_an_error_with_the_allowed_values(
    parameter: Parameter, given: Any, said: str
) -> None:
    with pytest.raises(FormError) as caught:
        check([parameter], {parameter.name: given})
    assert said in caught.value.cause
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "string", "default": ""},
        {"type": "string", "default": None},
        {"type": "list_single", "default": None, "value": ["a"]},
        {"type": "list_multi", "default": [], "value": ["a"]},
        {"type": "list_multi", "default": None, "value": ["a"]},
    ],
)
def test_a_field_that_starts_empty_must_be_filled(entry: dict[str, Any]) -> None:
    with pytest.raises(FormError, match=r"extension parameter p must be .*, and has no default"):
        check([one(**entry)], {})


def test_an_unknown_parameter_is_reported_with_similar_and_existing_ones() -> None:
    with pytest.raises(FormError) as caught:
        check([SITE, ORGAN, one(type="doc")], {"orgam": "liver"})
    assert caught.value.cause == "the extension has no parameter 'orgam'; did you mean organ?"
    assert caught.value.last_seen.splitlines() == [
        "the extension's parameters:",
        'site (string, default "here")',
        'organ (list_single, default "liver", one of ["liver", "kidney"])',
    ]


def test_a_parameter_for_an_extension_without_any_is_an_error() -> None:
    with pytest.raises(FormError) as caught:
        check((), {"p": 1})
    assert "no extension_params" in caught.value.last_seen


def test_many_choices_are_counted_in_the_first_line_and_listed_below() -> None:
    many = one(type="list_single", default="c0", value=[f"c{number}" for number in range(104)])
    with pytest.raises(FormError) as caught:
        check([many], {"p": "x"})
    assert caught.value.cause == "extension parameter p must be one of its 104 choices, got 'x'"
    assert '"c103"' in caught.value.fix


@pytest.mark.parametrize(
    ("parameter", "text", "typed"),
    [
        (SITE, "5", "5"),
        (FAST, "True", True),
        (FAST, "false", False),
        (ORGAN, "kidney", "kidney"),
        (tasks(), "lung,liver", "lung,liver"),
        (tasks(), '["lung", "liver"]', ["lung", "liver"]),
        (one(type="list_multi", default=["[a]"], value=["[a]"]), "[a]", "[a]"),
    ],
)
def test_text_of_a_command_line_gets_the_parameters_type(parameter: Parameter, text: str, typed: Any) -> None:
    values = parse_texts([parameter], {parameter.name: text})
    assert values == {parameter.name: typed}
    check([parameter], values)


@pytest.mark.parametrize(
    ("parameter", "text", "said"), [(FAST, "yes", "must be true or false"), (tasks(), "[lung", "must be a JSON list")]
)
def test_text_that_does_not_read_as_the_type_is_an_error(parameter: Parameter, text: str, said: str) -> None:
    with pytest.raises(FormError, match=said):
        parse_texts([parameter], {parameter.name: text})


def test_an_unknown_name_of_a_command_line_is_left_to_the_check() -> None:
    assert parse_texts([SITE], {"sight": "x"}) == {"sight": "x"}
