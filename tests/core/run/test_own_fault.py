from pathlib import Path

import pytest
from trimtab.contracts.controller import Controller, Entry
from trimtab.contracts.errors import TrimtabError
from trimtab.run.controllers import Choice
from trimtab.run.own_fault import own_faults

OWN = Choice("Mine", Entry("user", Controller, ""), files=(Path(__file__),))
SHIPPED = Choice("ours", Entry("classical", Controller, ""))


def test_a_bug_of_another_file_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), own_faults(SHIPPED, tmp_path):
        _ = 1 / 0
    assert not list(tmp_path.iterdir())


def test_an_error_of_ours_passes_as_it_is(tmp_path: Path) -> None:
    ours = TrimtabError("not legal")
    with pytest.raises(TrimtabError, match="^not legal$"), own_faults(OWN, tmp_path):
        raise ours


def test_the_place_is_that_in_the_own_file_however_deep_the_error_lies(tmp_path: Path) -> None:
    said = r"^Mine: FileNotFoundError.*test_own_fault\.py:\d+, in test_the_place"
    with pytest.raises(TrimtabError, match=said), own_faults(OWN, tmp_path / "log"):
        Path("nowhere", "at", "all").read_text()
    assert "Traceback" in (tmp_path / "log" / "traceback.txt").read_text()
