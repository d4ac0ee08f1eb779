from __future__ import annotations

from typing import Any

import pytest

from harness.platform.values import merge


def merged(
    platform: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    chart: dict[str, Any] | None = None,
    sets: dict[str, Any] | None = None,
) -> Any:
    return merge(platform or {}, params or {}, chart or {}, sets)["global"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # precedence, one step after the other
        ({"platform": {"a": "p"}}, {"a": "p"}),
        ({"platform": {"a": "p"}, "params": {"a": "e"}}, {"a": "e"}),
        ({"platform": {"a": "p"}, "params": {"a": "e"}, "chart": {"a": "c"}}, {"a": "c"}),
        ({"params": {"a": "e"}, "chart": {"a": "c"}, "sets": {"global.a": "s"}}, {"a": "s"}),
        # of the chart only strings and lists that are not empty are taken
        ({"platform": {"a": "p"}, "chart": {"a": ""}}, {"a": "p"}),
        ({"platform": {"a": "p"}, "chart": {"a": True}}, {"a": "p"}),
        ({"platform": {"a": "p"}, "chart": {"a": 5}}, {"a": "p"}),
        ({"platform": {"a": "p"}, "chart": {"a": {"b": "c"}}}, {"a": "p"}),
        ({"platform": {"a": "p"}, "chart": {"a": []}}, {"a": "p"}),
        ({"platform": {"z": 1}, "chart": {"a": ["x", "y"]}}, {"z": 1, "a": ["x", "y"]}),
        (
            {"platform": {"z": 1}, "chart": {"links": [{"name": "n", "url": "u"}]}},
            {"z": 1, "links": [{"name": "n", "url": "u"}]},
        ),
        # parameters: a pair with `;` vanishes, and the escaping of the request makes one of & < > and quotes
        ({"platform": {"z": 1}, "params": {"a": "x;y"}}, {"z": 1}),
        ({"platform": {"z": 1}, "params": {"a": "x & y"}}, {"z": 1}),
        ({"platform": {"z": 1}, "params": {"a": "it's"}}, {"z": 1}),
        ({"platform": {"z": 1}, "params": {"a;b": "x"}}, {"z": 1}),
        ({"params": {"a": "total,lung"}}, {"a": "total,lung"}),
        # what the command line does to values
        ({"chart": {"a": "two words"}}, {"a": "twowords"}),
        ({"chart": {"a": "it's"}}, {"a": 'it"s'}),
        ({"chart": {"a": "{x}"}}, {"a": "{x}"}),
        ({"chart": {"a": "back\\slash"}}, {"a": "backslash"}),
        ({"platform": {"a": "true"}}, {"a": "true"}),
        ({"platform": {"a": True}}, {"a": True}),
        ({"platform": {"a": 7}}, {"a": 7}),
        ({"platform": {"a": 1.5}}, {"a": "1.5"}),
        ({"platform": {"a": "007"}}, {"a": "007"}),
        # two globals of the platform are not passed on
        ({"platform": {"a": "p", "preinstall_extensions": "x", "kaapana_collections": "y"}}, {"a": "p"}),
        # empty sets change nothing
        ({"platform": {"a": "p"}, "sets": {}}, {"a": "p"}),
    ],
)
def test_values_are_merged_as_the_platform_merges_them(arguments: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merged(**arguments) == expected


def test_a_set_may_name_a_value_outside_global() -> None:
    assert merge({"a": 1}, {}, {}, {"model_installer_chart.image": "x"}) == {
        "global": {"a": 1},
        "model_installer_chart": {"image": "x"},
    }
