"""What the machine refuses is said in one line with what to do."""

import errno
import sqlite3
from pathlib import Path

import pytest
from trimtab.run.machine_faults import machine_fault


def test_a_store_in_a_read_only_folder_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "store.db").close()
    (tmp_path / "store.db").touch()
    reader = sqlite3.connect(f"file:{tmp_path / 'store.db'}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as read_only:
        reader.execute("create table t (x)")
    reader.close()
    assert "give yourself write permission" in str(machine_fault(read_only.value))
    damaged = machine_fault(sqlite3.DatabaseError("file is not a database"))
    assert "restore it from a copy" in str(damaged)
    full = machine_fault(sqlite3.OperationalError("database or disk is full"))
    assert "make room" in str(full)


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.EACCES, "permission"), (errno.EROFS, "read-only"), (errno.ENOSPC, "make room")],
)
def test_a_refused_file_is_named_with_its_remedy(number: int, advice: str) -> None:
    said = str(machine_fault(OSError(number, "refused", "runs/a/result.json")))
    assert said.startswith("runs/a/result.json: refused: ")
    assert advice in said


def test_a_bug_stays_a_bug() -> None:
    assert machine_fault(KeyError("x")) is None
    assert machine_fault(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None
