import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from trimtab.run.checkpoints import file_of
from trimtab.run.claims import Claimed, Claimer, LeaseLostError
from trimtab.run.control import cancel_run
from trimtab.run.lease import DiskFullError, Heartbeat, JobCancelledError, Lease
from trimtab.run.rows import NewJob, NewRun
from trimtab.run.store import Store

SCENARIO = {"hash": "h", "domain": "d", "schema": "trimtab/scenario/1", "text": "{}"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        jobs = [NewJob(f"j{i}", "episode", "c", i, '{"batch": true}') for i in range(2)]
        opened.begin_run(NewRun("r", SCENARIO, "n", ("c",), (0, 1)), jobs)
        yield opened


def held(store: Store, min_free_bytes: int = 0) -> tuple[Lease, Heartbeat]:
    claimed = Claimer(store.db, store.workspace, "elsewhere:1:1").claim()
    assert claimed is not None
    beat = Heartbeat(store.workspace, grace_s=3600.0)
    lease = Lease(claimed, store.workspace, store.db, store.db, beat, 0.0, min_free_bytes)
    return lease, beat


def held_anew(store: Store) -> tuple[Lease, Heartbeat]:
    store.db.execute("update job set state='queued'")
    return held(store)


def test_figures_and_results_of_a_group_are_stored_per_job(store: Store) -> None:
    lease, _ = held(store)
    lease.advance(1, 0.5, [[("x", 1, 1.0)], [("x", 1, 2.0)]])
    lease.done([{"metrics": {"m": 1.0}}, {"metrics": {"m": 2.0}}], [[("x", 2, 3.0)], ()])
    rows = store.db.execute("select * from metric where step>0 order by job, step").fetchall()
    assert rows == [("j0", "x", 1, 1.0), ("j0", "x", 2, 3.0), ("j1", "x", 1, 2.0)]
    assert [job.result for job in store.jobs("r")] == [
        {"metrics": {"m": 1.0}}, {"metrics": {"m": 2.0}},
    ]  # fmt: skip


def test_a_full_disk_pauses_the_jobs_with_what_is_stored(store: Store) -> None:
    lease, _ = held(store, min_free_bytes=1 << 62)
    with pytest.raises(DiskFullError):
        lease.advance(1, 0.5, [[("x", 1, 1.0)], ()])
    with pytest.raises(DiskFullError):
        lease.checkpoint(1, {"a": np.eye(2)}, {})
    lease.pause()
    assert [(j.state, j.reason) for j in store.jobs("r")] == [("paused", "disk full")] * 2
    assert not (store.workspace / "runs" / "r").exists()


def test_a_store_that_cannot_grow_is_a_full_disk(store: Store) -> None:
    lease, _ = held(store)
    store.db.execute("pragma max_page_count=1")
    many = [("x", step, 1.0) for step in range(1, 20_000)]
    with pytest.raises(DiskFullError):
        lease.advance(1, 0.5, [many, ()])
    assert store.db.execute("select count(*) from metric").fetchone() == (0,)
    lease.advance(1, 0.5)


def test_a_checkpoint_carries_what_was_put_in(store: Store) -> None:
    lease, _ = held(store)
    assert lease.restored() is None
    lease.checkpoint(3, {"a": np.eye(2)}, {"k": [1, 2]}, 0.3)
    store.db.execute("update job set state='queued'")
    again, _ = held(store)
    kept = again.restored()
    assert kept is not None
    assert (kept.step, kept.plain) == (3, {"k": [1, 2]})
    np.testing.assert_array_equal(kept.arrays["a"], np.eye(2))
    assert [job.step for job in store.jobs("r")] == [3, 3]


def test_a_checkpoint_is_due_again_only_after_its_time(store: Store) -> None:
    lease, beat = held(store)
    assert lease.checkpoint_is_due
    claimed = Claimed(lease.claims, lease.task)
    patient = Lease(claimed, store.workspace, store.db, store.db, beat, 1e9, 0)
    assert not patient.checkpoint_is_due


def test_a_member_that_begins_alone_leaves_nothing_of_the_group_behind(store: Store) -> None:
    lease, _ = held(store)
    lease.checkpoint(3, {}, {}, 0.3, [[("x", 1, 1.0)], [("x", 1, 2.0)]])
    own = lease.alone(lease.claims[1])
    assert own.restored() is None
    assert store.db.execute("select job from metric").fetchall() == [("j0",)]
    assert store.db.execute("select job from checkpoint").fetchall() == [("j0",)]
    assert [(job.step, job.progress) for job in store.jobs("r")] == [(3, 0.3), (0, 0.0)]
    own.fail("why", 2)
    assert [(j.state, j.exit_code) for j in store.jobs("r")] == [("running", 0), ("failed", 2)]


def test_a_cancel_reaches_the_job_at_its_next_check(store: Store) -> None:
    lease, beat = held(store)
    beat.hold(lease.claims)
    lease.check()
    cancel_run(store.db, "r")
    assert beat.cancelled.wait(10)
    with pytest.raises(JobCancelledError):
        lease.check()
    lease.cancel()
    assert store.states("r") == {"cancelled": 2}


def test_a_lost_lease_is_noticed_at_the_next_check(store: Store) -> None:
    lease, beat = held(store)
    beat.hold(lease.claims)
    store.db.execute("update job set attempt=attempt+1")
    assert beat.lost.wait(10)
    with pytest.raises(LeaseLostError):
        lease.check()
    beat.drop(lease.claims)


def test_a_heartbeat_outlives_the_loss_of_a_lease_that_was_due(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    lease, _ = held(store)
    beat = Heartbeat(store.workspace, lease_s=0.0, grace_s=3600.0)  # always due
    store.db.execute("update job set attempt=attempt+1")
    beat.hold(lease.claims)
    assert beat.lost.wait(10)
    beat.drop(lease.claims)
    again, _ = held_anew(store)
    beat.hold(again.claims)
    cancel_run(store.db, "r")
    assert beat.cancelled.wait(10)
    beat.drop(again.claims)
    assert died == []


def test_an_orphaned_worker_gives_its_jobs_back(store: Store) -> None:
    lease, beat = held(store)
    beat.hold(lease.claims)
    beat.orphaned()
    assert store.states("r") == {"queued": 2}
    beat.drop(lease.claims)


def test_cancelling_one_run_gives_back_a_member_that_another_needs(store: Store) -> None:
    lease, _ = held(store)
    other = NewRun("s", SCENARIO, "n", ("c",), (1,))
    store.begin_run(other, [NewJob("j1", "episode", "c", 1, '{"batch": true}')])
    cancel_run(store.db, "r")
    lease.cancel()
    assert [job.state for job in store.jobs("r")] == ["cancelled", "queued"]


def blocked_by_a_full_disk(store: Store, lease: Lease, step: int) -> None:
    """The device that is always full stands where the checkpoint would be written."""
    path = store.workspace / file_of(lease.claims, step)
    path.parent.mkdir(parents=True)
    path.with_name(f".{path.name}.part").symlink_to("/dev/full")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_fills_while_a_checkpoint_is_written_leaves_no_checkpoint(
    store: Store,
) -> None:
    lease, _ = held(store)
    blocked_by_a_full_disk(store, lease, 3)
    with pytest.raises(DiskFullError):
        lease.checkpoint(3, {"a": np.zeros(9)}, {})
    folder = (store.workspace / file_of(lease.claims, 3)).parent
    assert list(folder.iterdir()) == []
    assert store.db.execute("select count(*) from checkpoint").fetchone() == (0,)


def test_other_troubles_of_the_store_are_not_called_a_full_disk(store: Store) -> None:
    lease, _ = held(store)
    store.db.execute("alter table metric rename to elsewhere")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        lease.advance(1, 0.5, [[("x", 1, 1.0)], ()])


def test_other_troubles_of_a_file_are_not_called_a_full_disk(store: Store) -> None:
    lease, _ = held(store)
    (store.workspace / "runs" / "r").write_text("a file where the run's folder should be")
    with pytest.raises(NotADirectoryError):
        lease.checkpoint(3, {}, {})


def test_a_checkpoint_whose_content_is_none_lets_the_job_begin_again(store: Store) -> None:
    lease, _ = held(store)
    lease.checkpoint(3, {"a": np.eye(2)}, {}, 0.3)
    path = store.workspace / file_of(lease.claims, 3)
    path.write_bytes(b"no checkpoint at all")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    store.db.execute("update checkpoint set sha256=?", (sha256,))
    store.db.execute("update job set state='queued'")
    again, _ = held(store)
    assert again.restored() is None
    (said,) = [text for _, level, text in store.events("r") if level == "warning"]
    assert "not a whole checkpoint" in said
    assert "remove it, and the job begins again" in said
