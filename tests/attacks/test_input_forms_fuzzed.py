"""Forms of DAGs and values for them, put together at random: filled in or refused, within a second."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormError
from harness.extension import forms
from tests.attacks.input_fuzz import fuzzed, nasty_text, nasty_value, refusal

KEYS = [
    "type", "properties", "required", "default", "enum", "const", "oneOf", "anyOf", "allOf", "items", "pattern",
    "title", "minimum", "maximum", "multipleOf", "minLength", "minItems", "uniqueItems", "readOnly", "$ref", "format",
    "if", "then", "not", "additionalProperties", "patternProperties", "dependencies", "x-display", "definitions",
    "contains",
]  # fmt: skip
PATTERNS = ["^(a+)+$", "(", "[", "a{99999}", "(?P<x>a)(?P=y)", "\\", "(a|a)*b", "^.*$", "(?:x{999}){999}", "\\p{L}"]
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "radio", ["string", "null"]]),
    "pattern": st.sampled_from(PATTERNS),
    "$ref": st.sampled_from(["#", "#/properties/a", "http://127.0.0.1:1/x", "file:///etc/passwd", "x"]),
    "multipleOf": st.sampled_from([0, 1e-300, 2, "x"]),
}
names = st.sampled_from(["a", "b", "a#x", "confirmation", "dataset_name", ""]) | nasty_text


def _schema(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    entries = []
    for key in KEYS:
        usual = SPECIAL.get(key, inner)
        if key in {"properties", "patternProperties", "definitions"}:
            usual = st.dictionaries(names | st.sampled_from(PATTERNS), inner, max_size=3)
        elif key in {"oneOf", "anyOf", "allOf"}:
            usual = st.lists(inner, max_size=3)
        entries.append(st.tuples(st.just(key), usual | nasty_value))
    return st.lists(st.one_of(entries), max_size=5).map(dict)


schemas = st.recursive(nasty_value, _schema, max_leaves=12)


@fuzzed
@given(
    st.dictionaries(st.sampled_from(["workflow_form", "data_form", "documentation_form"]) | names, schemas, max_size=3),
    st.dictionaries(names, nasty_value | st.just("a" * 60 + "!"), max_size=3),
    st.dictionaries(names, nasty_text, max_size=3),
)
def test_forms_at_random_are_filled_in_or_refused(
    ui_forms: dict[str, Any], values: dict[str, Any], pairs: dict[str, str]
) -> None:
    for error in (
        refusal(lambda: forms.complete(ui_forms, values)),
        refusal(lambda: forms.parse_text(ui_forms, pairs)),
    ):
        assert error is None or isinstance(error, FormError)
