import sqlite3
from pathlib import Path
from typing import Any

import pytest
from trimtab.contracts.errors import TrimtabError
from trimtab.run import schema


def test_a_store_file_that_cannot_be_opened_is_answered_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(TrimtabError, match="cannot be written .* give yourself write permission"):
        schema.connect(tmp_path / "store.db")


def test_a_place_without_a_write_ahead_log_is_refused() -> None:
    with pytest.raises(TrimtabError, match="its file system has no write-ahead log"):
        schema.connect(Path(":memory:"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full: free some space and run again"),
        (sqlite3.SQLITE_BUSY, r"cannot be used as a job store \(as SQLite says\)"),
    ],
)
def test_what_sqlite_says_while_opening_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    usual = sqlite3.connect

    def refuse(path: Path, **more: Any) -> sqlite3.Connection:
        if path != tmp_path / "store.db":  # other users of SQLite in this process
            return usual(path, **more)
        error = sqlite3.OperationalError("as SQLite says")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(TrimtabError, match=said):
        schema.connect(tmp_path / "store.db")
