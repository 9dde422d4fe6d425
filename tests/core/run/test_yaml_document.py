import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import ScenarioError
from trimtab.run.yaml_document import MAX_BYTES, decode, dotted, parse, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10:30", "10:30"),
        ("07:30", "07:30"),
        ("on", "on"),
        ("No", "No"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("2026-01-01", "2026-01-01"),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        (".inf", float("inf")),
        ("1_000", "1_000"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    result = scalar(text)
    assert result == value
    assert type(result) is type(value)


def test_a_path_that_is_not_there_is_marked_at_its_nearest_part() -> None:
    document = parse("a:\n  b: 1\n", "f")
    near = document.value_mark(("a", "x"))
    assert near == document.value_mark(("a",)) == document.value_mark(("a", "x", "y"))
    assert near != document.value_mark(())


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_what_is_no_number_is_read_as_such(text: str) -> None:
    assert str(scalar(text)) == "nan"


def test_a_tag_is_refused_at_its_place_with_what_to_write() -> None:
    with pytest.raises(ScenarioError) as refused:
        parse("a: 1\nb: !mine 2\n", "f")
    assert str(refused.value) == "f:2:4: tag '!mine' is not accepted: write a plain value"


def test_quoted_scalars_stay_text() -> None:
    assert parse("a: '1'\nb: \"true\"\nc: |\n  3\n", "f").data == {
        "a": "1",
        "b": "true",
        "c": "3\n",
    }


def test_every_key_and_value_has_its_place() -> None:
    document = parse("a:\n  b: [1, {c: 2}]\n", "f.yaml")
    mark = document.values["a", "b", 1, "c"]
    assert (mark.file, mark.line, mark.column) == ("f.yaml", 2, 14)
    assert document.key_mark(("a", "b")).column == 3
    assert document.value_mark(("a", "b", 7, "x")).column == 6


def test_paths_are_shown_with_dots_and_brackets() -> None:
    assert dotted(("problem", "lanes", 2, "speed")) == "problem.lanes[2].speed"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "f:1:1: is empty"),
        ("a: [", "f:1:5: is not YAML"),
        ("a: 1\nb: [\n\n", "f:2:5: is not YAML"),
        ("a: b: c", "f:1:5: is not YAML: mapping values are not allowed"),
        ("a: &x 1", "f:1:4: anchors and aliases are not accepted"),
        ("b: 1\na: *x", "f:2:4: anchors and aliases are not accepted"),
        ("a: !!python/object:os.system x", "f:1:4: tag 'tag:yaml.org,2002:python/object"),
        ("a: !!str 1", "f:1:4: tag"),
        ("<<: {a: 1}", "f:1:1: merge keys are not accepted"),
        ("? [1]\n: 2", "f:1:3: a key must be plain text"),
        ("a: 1\n---\nb: 2", "f:2:1: a second document starts here"),
        ("[" * 100_000, "f:1:65: is nested deeper than 64 levels"),
        ("[" + "1," * 100_001 + "]", "has more than 100000 values"),
        ("a: \x07", "f:1:4: character 7 is not allowed"),
    ],
)
def test_what_is_not_accepted_is_named_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse(text, "f")
    assert fault in str(error.value)


def test_duplicate_keys_are_faults_at_the_second_one() -> None:
    document = parse("a: 1\nb: 2\na: 3\nb: 4\n", "f")
    assert [str(f) for f in document.faults] == [
        "f:3:1: a: is given twice, first in line 1",
        "f:4:1: b: is given twice, first in line 2",
    ]


def test_an_absurdly_long_number_is_a_fault() -> None:
    assert "too long" in str(parse("a: " + "1" * 5000, "f").faults[0])


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"a: 1\nb: caf\xe9\n", "f:2:7: byte 0xe9 is not UTF-8"),
        (b"a: 1\nb: \0\n", "f:2:4: NUL character"),
        ("a: 1".encode("utf-16"), "f:1:1: is UTF-16: save it as UTF-8"),
        (b" " * (MAX_BYTES + 1), "f:1:1: is larger than 1000000 bytes"),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_their_place(raw: bytes, fault: str) -> None:
    with pytest.raises(ScenarioError) as error:
        decode(raw, "f")
    assert fault in str(error.value)


def test_byte_order_mark_and_windows_line_ends_are_accepted() -> None:
    text = decode(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f")
    assert parse(text, "f").data == {"a": 1, "b": 2}


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=60) | st.text("a:[]{}&*!-?|>'\" \n#")
)
def test_any_text_gives_data_or_faults_and_nothing_else(text: str) -> None:
    with contextlib.suppress(ScenarioError):
        assert () in parse(text, "f").values


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("abc 1.:-", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(_JSON)
def test_json_documents_are_read_as_they_are(value: object) -> None:
    import json

    assert parse(json.dumps(value), "f").data == value
