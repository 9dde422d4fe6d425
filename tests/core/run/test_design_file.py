from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError, ScenarioError
from trimtab.run.design_file import read_design, write_design

DESIGN = {"width_m": 0.05, "material": "steel", "order": [2, 0, 1]}


def test_a_written_design_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "best.json"
    write_design(path, DESIGN, {"metrics": {"mass_kg": 3.0}})
    assert read_design(path) == DESIGN


def test_people_write_a_design_as_a_plain_mapping(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("width_m: 0.05   # as sawn\nmaterial: steel\norder: [2, 0, 1]\n")
    assert read_design(path) == DESIGN


@pytest.mark.parametrize("text", ["- 1\n", "schema: trimtab/design/1\n", "{}\n"])
def test_what_holds_no_design_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputFileError, match=r"mine.yaml: is no design: write one"):
        read_design(path)


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for text in ("width_m: 0.05\nmaterial: [steel\n", "", "width_m: 1\nwidth_m: 2\n"):
        path.write_text(text)
        with pytest.raises(ScenarioError, match=r"mine.yaml:\d+:\d+"):
            read_design(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="none.yaml: cannot be read"):
        read_design(tmp_path / "none.yaml")
