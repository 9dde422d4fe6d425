from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trimtab.contracts.registry import load_domain
from trimtab.run.template import scenario_template
from trimtab.run.yaml_document import parse
from trimtab_app.yaml_edit import REMOVED, edited

TEXT = """\
# about the file
name: x   # the name
problem:
  # length of an episode
  # horizon_h: 24
  network: {kind: grid, rows: 3}
  parts:
    - a: 1
      b: two
    - a: 3
seeds: [1, 2]
"""


def data_of(text: str) -> Any:
    return parse(text, "t").data


def test_a_value_is_replaced_in_place() -> None:
    assert edited(TEXT, ("name",), "y") == TEXT.replace("name: x ", "name: y ")


def test_a_value_inside_braces_is_replaced_in_place() -> None:
    assert edited(TEXT, ("problem", "network", "rows"), 4) == TEXT.replace("rows: 3", "rows: 4")


def test_a_key_takes_the_place_of_its_comment() -> None:
    new = edited(TEXT, ("problem", "horizon_h"), 48)
    assert new == TEXT.replace("# horizon_h: 24", "horizon_h: 48")


def test_a_new_key_leaves_the_comments_where_they_are() -> None:
    new = edited(TEXT, ("problem", "tariff"), 2.5)
    assert "# about the file" in new
    assert data_of(new)["problem"]["tariff"] == 2.5


def test_mappings_on_the_way_are_made() -> None:
    new = edited(TEXT, ("problem", "demand", "scale"), 1.5)
    assert data_of(new)["problem"]["demand"] == {"scale": 1.5}
    assert "# about the file" in new


def test_a_key_is_taken_out() -> None:
    assert "network" not in data_of(edited(TEXT, ("problem", "network"), REMOVED))["problem"]


def test_an_item_is_added_and_taken_out() -> None:
    more = edited(TEXT, ("problem", "parts", 2), {"a": 5})
    assert data_of(more)["problem"]["parts"][2] == {"a": 5}
    assert data_of(edited(more, ("problem", "parts", 0), REMOVED))["problem"]["parts"][0] == {
        "a": 3
    }


def test_a_list_grows_and_shrinks_in_its_place_and_comments_elsewhere_stay() -> None:
    text = "a: 1  # one\nparts:\n  - x: 1\n  - x: 2\n# about b\nb: 2\n"
    more = edited(text, ("parts",), [{"x": 1}, {"x": 2}, {}])
    assert more == "a: 1  # one\nparts:\n  [{x: 1}, {x: 2}, {}]\n# about b\nb: 2\n"
    less = edited(text, ("parts", 0), REMOVED)
    assert less == "a: 1  # one\nparts:\n  [{x: 2}]\n# about b\nb: 2\n"


def test_no_edit_writes_a_key_twice() -> None:
    text = "problem:\n  parts:\n  - x: 1\n  - x: 2\n"
    new = edited(text, ("problem", "parts"), [{"x": 2}, {}])
    assert new.count("parts:") == 1
    assert not parse(new, "t").faults


def test_a_template_keeps_its_help() -> None:
    text = scenario_template(load_domain("toy.tank"), "x")
    new = edited(text, ("problem", "tariff_peak"), 4.0)
    assert new.count("#") >= text.count("#") - 1
    assert data_of(new)["problem"]["tariff_peak"] == 4.0


PATHS = [
    ("name",),
    ("description",),
    ("problem", "horizon_h"),
    ("problem", "network"),
    ("problem", "network", "rows"),
    ("problem", "parts", 1, "a"),
    ("problem", "new", "deep"),
    ("seeds", 1),
    ("seeds",),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(PATHS), value=VALUES)
def test_what_is_set_is_what_is_read_and_nothing_else_changes(
    path: tuple[str | int, ...], value: Any
) -> None:
    old, new = data_of(TEXT), data_of(edited(TEXT, path, value))
    found = new
    for part in path:
        found = found[part]
    assert found == value
    untouched = set(old) - {path[0]}
    assert {key: new[key] for key in untouched} == {key: old[key] for key in untouched}


@pytest.mark.parametrize("value", ["yes", "1e3", "- x", "a: b", "#no", "null", "{", "@x", "'"])
def test_awkward_text_stays_text(value: str) -> None:
    assert data_of(edited(TEXT, ("name",), value))["name"] == value
