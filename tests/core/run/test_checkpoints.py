from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import CheckpointError
from trimtab.run.checkpoints import file_of, read_file, remove_strays, write_file
from trimtab.run.claims import Claimer
from trimtab.run.rows import NewJob, NewRun
from trimtab.run.store import Store

SCENARIO = {"hash": "h", "domain": "d", "schema": "trimtab/scenario/1", "text": "{}"}


def test_a_checkpoint_that_cannot_be_put_in_place_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write_file(tmp_path / "c", {"a": np.zeros(3)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"x" * 100])
def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"c\.safetensors: not a whole checkpoint .* remove"):
        read_file(tmp_path / "c.safetensors", 3)


def test_files_of_a_job_that_no_row_lists_are_removed_and_the_others_kept(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        job = NewJob("j0", "episode", "c", 0, "{}")
        store.begin_run(NewRun("r", SCENARIO, "n", ("c",), (0,)), [job])
        claimed = Claimer(store.db, tmp_path, "elsewhere:1:1").claim()
        assert claimed is not None
        kept, stray = (tmp_path / file_of(claimed.claims, step) for step in (3, 4))
        for path in (kept, stray):
            write_file(path, {}, {})
        row = ("j0", 3, file_of(claimed.claims, 3), "", 1, False)
        store.db.execute("insert into checkpoint values(?, ?, ?, ?, ?, ?)", row)
        remove_strays(store.db, tmp_path, claimed.claims)
    assert (kept.exists(), stray.exists()) == (True, False)
