from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import TrimtabError
from trimtab_traffic.filewrite import shortest, write_csv, write_lines, write_xml, xml_lines
from trimtab_traffic.importers.tables import read_table
from trimtab_traffic.safexml import read_tree

TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=20
)


@given(TEXT)
def test_any_text_survives_an_xml_attribute(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("xml") / "a.xml"
    write_xml(path, "additional", [xml_lines("param", {"value": text})])
    assert read_tree(path).children[0].attributes["value"] == text


@given(TEXT.map(str.strip).filter(lambda text: text and not text.startswith("'")))
def test_any_id_survives_a_table(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = write_csv(tmp_path_factory.mktemp("csv") / "a.csv", ("id", "n"), [(text, 1.5)])
    if len(text.splitlines()) != 1:
        return
    row = next(read_table(path, {"id": (), "n": ()}, ("id", "n")))
    assert (row.text("id"), row.number("n")) == (text, 1.5)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_exactly(number: float) -> None:
    assert float(shortest(number)) == number


def test_formula_in_a_name_is_disarmed(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ("id",), [("=cmd()",)])
    assert path.read_text().splitlines()[1] == "'=cmd()"


def test_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "plan.add.xml", ["old"])

    def broken() -> Iterator[str]:
        yield "new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lines(path, broken())
    assert [p.name for p in tmp_path.iterdir()] == ["plan.add.xml"]
    assert path.read_text() == "old\n"


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrimtabError, match="cannot be written"):
        write_lines(tmp_path / "file" / "plan.add.xml", ["x"])
