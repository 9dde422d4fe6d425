"""The folder of imported files appears whole or not at all, and never over another one."""

from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab.run.import_folder import filling, import_folder


def test_what_was_put_into_it_is_there_at_the_end(tmp_path: Path) -> None:
    target = import_folder(tmp_path / "new", "town")
    with filling(target) as whole:
        (whole / "net.xml").write_text("<net/>")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["net.xml"]
    assert [path.name for path in target.parent.iterdir()] == ["town-files"]


def _half_filled(target: Path) -> None:
    with filling(target) as whole:
        (whole / "half").write_text("")
        raise ZeroDivisionError


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _half_filled(import_folder(tmp_path, "town"))
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_there_is_refused_and_another_name_proposed(tmp_path: Path) -> None:
    target = import_folder(tmp_path, "town")
    target.mkdir()
    with (
        pytest.raises(InputFileError, match=r"town-files: is there already.*town-2\.yaml"),
        filling(target),
    ):
        pass
