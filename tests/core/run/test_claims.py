import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimtab.run.checkpoints import file_of, keep_checkpoint, read_file, write_file
from trimtab.run.claims import (
    Claim,
    Claimed,
    Claimer,
    Ending,
    LeaseLostError,
    Update,
    advance,
    count_death,
    is_dead,
    reap,
    release,
    renew,
    settle,
)
from trimtab.run.control import cancel_run, resume_run
from trimtab.run.identity import is_whole
from trimtab.run.rows import NewJob, NewRun
from trimtab.run.schema import writing
from trimtab.run.scope import Scope
from trimtab.run.store import Store

SCENARIO = {"hash": "h", "domain": "d", "schema": "trimtab/scenario/1", "text": "{}"}
HERE = f"{os.uname().nodename}:{os.getpid()}:{os.getpgrp()}"


def run_of(store: Store, jobs: list[NewJob], run: str = "r") -> None:
    store.begin_run(NewRun(run, SCENARIO, "n", ("c",), (1,)), jobs)


def seeds(n: int, task: str = '{"batch": true}') -> list[NewJob]:
    return [NewJob(f"j{i}", "episode", "c", i, task) for i in range(n)]


def claim(store: Store, **more: Any) -> Claimed:
    claimed = Claimer(store.db, store.workspace, **{"worker": HERE, **more}).claim()
    assert claimed is not None
    return claimed


def state(store: Store, job: str = "j0") -> str:
    return str(store.db.execute("select state from job where id=?", (job,)).fetchone()[0])


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path) as opened:
        yield opened


def test_seeds_of_a_task_are_shared_among_workers(store: Store) -> None:
    run_of(store, seeds(10))
    sizes = []
    while (claimed := Claimer(store.db, store.workspace, HERE, share=3).claim()) is not None:
        sizes.append(len(claimed.claims))
    assert sizes == [4, 2, 2, 1, 1]
    assert sum(sizes) == 10


def test_jobs_that_are_no_batch_are_claimed_one_by_one_in_order(store: Store) -> None:
    run_of(store, seeds(3, "{}"))
    assert [claim(store).seeds for _ in range(3)] == [[0], [1], [2]]
    assert Claimer(store.db, store.workspace, HERE).claim() is None


def test_a_scope_claims_only_its_own_jobs(store: Store) -> None:
    run_of(store, seeds(2, "{}"))
    store.begin_run(
        NewRun("s", SCENARIO, "n", ("c",), (1,), sweep="sw"), [NewJob("k", "episode", "c", 9, "{}")]
    )
    assert claim(store, scope=Scope("s")).claims[0].job == "k"
    release(store.db, [Claim("k", "s", "episode", "c", 9, 1)])
    assert claim(store, scope=Scope(sweep="sw")).claims[0].job == "k"
    assert Claimer(store.db, store.workspace, HERE, Scope(sweep="sw")).claim() is None


def test_a_stale_attempt_writes_nothing_whatever_it_tries(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    (old,) = claim(store, worker="elsewhere:1:1", lease_s=0.0).claims
    reap(store.db)
    (new,) = claim(store).claims
    assert (old.attempt, new.attempt) == (1, 2)
    advance(store.db, [Update(new, 1, 0.5, [("x", 1, 1.0)])])
    path = file_of([old], 9)
    sha256 = write_file(store.workspace / path, {}, {})
    before = list(store.db.iterdump())
    attempts = [
        lambda: advance(store.db, [Update(old, 2, 0.9, [("x", 2, 6.0)])]),
        lambda: renew(store.db, [old]),
        lambda: settle(store.db, [Ending(old, "done", result={"metrics": {"m": 1.0}})]),
        lambda: release(store.db, [old]),
        lambda: keep_checkpoint(store.db, store.workspace, [Update(old, 9, 1.0)], path, sha256),
    ]
    for attempt in attempts:
        with pytest.raises(LeaseLostError):
            attempt()
    assert list(store.db.iterdump()) == before
    settle(store.db, [Ending(new, "done", result={})])


def test_one_stale_member_stops_the_whole_groups_write(store: Store) -> None:
    run_of(store, seeds(2))
    claimed = claim(store)
    store.db.execute("update job set attempt=attempt+1 where id='j1'")
    with pytest.raises(LeaseLostError):
        advance(store.db, [Update(c, 1, 0.1, [("x", 1, 1.0)]) for c in claimed.claims])
    assert store.db.execute("select count(*) from metric").fetchone() == (0,)


def test_a_step_is_stored_once_or_not_at_all(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    (held,) = claim(store).claims
    advance(store.db, [Update(held, 1, 0.1, [("x", 1, 1.0)])])
    with pytest.raises(sqlite3.IntegrityError):
        advance(store.db, [Update(held, 2, 0.2, [("x", 1, 2.0), ("x", 2, 2.0)])])
    assert store.db.execute("select step, value from metric").fetchall() == [(1, 1.0)]


def test_a_live_lease_is_left_alone_and_a_lapsed_one_is_not(store: Store) -> None:
    run_of(store, seeds(2, "{}"))
    live, lapsed = claim(store).claims[0], claim(store, lease_s=-1.0).claims[0]
    reap(store.db)
    assert (state(store, live.job), state(store, lapsed.job)) == ("running", "queued")
    ((_, level, text),) = store.events("r")
    assert (level, text) == ("warning", f"lease of {HERE} lapsed: the job is given up")
    renew(store.db, [live], lease_s=-1.0)
    reap(store.db)
    assert state(store, live.job) == "queued"


def test_a_lease_of_another_boot_is_lapsed_whatever_its_clock_says(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    claim(store)
    store.db.execute("update job set boot_id='another'")
    reap(store.db)
    assert state(store) == "queued"


def test_the_job_of_a_dead_worker_is_queued_again_before_its_lease_lapses(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    claim(store, worker=f"{os.uname().nodename}:{child.pid}:{child.pid}")
    reap(store.db)
    assert state(store) == "queued"


def deaths(store: Store, steps: list[int]) -> list[str]:
    """States after deaths at these stored steps."""
    found = []
    for step in steps:
        (held,) = claim(store).claims
        advance(store.db, [Update(held, step, 0.0)])
        with writing(store.db):
            count_death(store.db, ["j0"], "worker died")
        found.append(state(store))
    return found


def test_three_deaths_without_a_new_step_fail_a_job(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    assert deaths(store, [5, 5, 5]) == ["queued", "queued", "failed"]


def test_deaths_that_each_got_further_never_fail_a_job(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    assert deaths(store, [1, 2, 3, 4, 5, 6]) == ["queued"] * 6
    assert deaths(store, [6, 6]) == ["queued", "failed"]


def test_the_last_lines_of_the_log_come_with_a_failure(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    deaths(store, [0, 0])
    claim(store)
    with writing(store.db):
        count_death(store.db, ["j0"], "c, seed 0: worker died (signal 11)", "last words", "died")
    (job,) = store.jobs("r")
    assert (job.state, job.reason, job.exit_code) == ("failed", "died", 1)
    assert [text for _, _, text in store.events("r")] == [
        "c, seed 0: worker died (signal 11)\nlast words"
    ]


def test_a_resumed_job_goes_on_from_its_newest_whole_checkpoint(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    (held,) = claim(store).claims
    for step in (2, 4, 6):
        path = file_of([held], step)
        sha256 = write_file(store.workspace / path, {"x": np.arange(step)}, {"at": step})
        rows = [("x", s, float(s)) for s in (step - 1, step)]
        keep_checkpoint(store.db, store.workspace, [Update(held, step, 0.1, rows)], path, sha256)
    advance(store.db, [Update(held, 7, 0.7, [("x", 7, 7.0)])])
    files = sorted(p.name for p in (store.workspace / path).parent.iterdir())
    assert files == ["step_4-1.safetensors", "step_6-1.safetensors"]
    assert path == "runs/r/checkpoints/j0/step_6-1.safetensors"
    (store.workspace / path).write_bytes(b"torn")
    release(store.db, [held])
    again = claim(store)
    assert again.restored is not None
    assert again.restored.step == 4
    kept = read_file(store.workspace / again.restored.path, 4)
    assert (kept.plain, kept.arrays["x"].tolist()) == ({"at": 4}, [0, 1, 2, 3])
    steps = store.db.execute("select step from metric order by step").fetchall()
    assert steps == [(1,), (2,), (3,), (4,)]
    assert store.db.execute("select step from checkpoint").fetchall() == [(4,)]
    assert ["damaged" in text for _, _, text in store.events("r")] == [True]


def test_the_best_checkpoint_is_kept_beyond_the_last_two(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    (held,) = claim(store).claims
    for step in range(1, 6):
        path = file_of([held], step)
        sha256 = write_file(store.workspace / path, {}, {})
        update = [Update(held, step, 0.0)]
        keep_checkpoint(store.db, store.workspace, update, path, sha256, best=step == 2)
    steps = store.db.execute("select step from checkpoint order by step").fetchall()
    assert steps == [(2,), (4,), (5,)]


def test_a_checkpoint_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "c.safetensors"
    sha256 = write_file(path, {"x": np.eye(3)}, {"k": [1]})
    assert is_whole(path, sha256)
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_whole(path, sha256)
    assert not is_whole(tmp_path / "none", sha256)
    assert [p.name for p in path.parent.iterdir()] == ["c.safetensors"]


def test_arrays_and_single_numbers_come_back_in_their_shape(tmp_path: Path) -> None:
    arrays = {"calls": np.array(7), "step": np.arange(6.0).reshape(2, 3).T}
    write_file(tmp_path / "c.safetensors", arrays, {})
    back = read_file(tmp_path / "c.safetensors", 1).arrays
    assert {name: array.shape for name, array in back.items()} == {"calls": (), "step": (3, 2)}
    assert all(np.array_equal(back[name], array) for name, array in arrays.items())


def test_a_group_is_resumed_as_the_group_that_it_was(store: Store) -> None:
    run_of(store, seeds(4))
    first = claim(store, share=2)
    path = file_of(first.claims, 3)
    sha256 = write_file(store.workspace / path, {}, {})
    updates = [Update(c, 3, 0.1) for c in first.claims]
    keep_checkpoint(store.db, store.workspace, updates, path, sha256)
    release(store.db, first.claims)
    again, rest = claim(store, share=2), claim(store)
    assert (again.seeds, again.restored is not None) == (first.seeds, True)
    assert (rest.seeds, rest.restored) == ([2, 3], None)


def test_the_last_try_of_a_job_begins_again_and_alone(store: Store) -> None:
    run_of(store, seeds(2))
    first = claim(store)
    path = file_of(first.claims, 3)
    sha256 = write_file(store.workspace / path, {}, {})
    updates = [Update(c, 3, 0.1) for c in first.claims]
    keep_checkpoint(store.db, store.workspace, updates, path, sha256)
    with writing(store.db):
        count_death(store.db, ["j0", "j1"], "died")
    again = claim(store)
    assert again.restored is not None
    assert (again.seeds, again.restored.step) == ([0, 1], 3)
    with writing(store.db):
        count_death(store.db, ["j0", "j1"], "died")
    for seed in (0, 1):
        last = claim(store)
        assert (last.seeds, last.restored) == ([seed], None)


def test_a_report_waits_for_every_other_job_of_its_run(store: Store) -> None:
    report = NewJob("report:r", "report", "(report)", 0, "{}", ready=False)
    run_of(store, [*seeds(2, "{}"), report])
    for expected in (["j0"], ["j1"], ["report:r"]):
        held = claim(store).claims
        assert [c.job for c in held] == expected
        if expected != ["j1"]:
            settle(store.db, [Ending(c, "done", result={}) for c in held])
            continue
        assert Claimer(store.db, store.workspace, HERE).claim() is None
        settle(store.db, [Ending(c, "failed", "why", 1) for c in held])
    assert store.run("r").states == {"done": 2, "failed": 1}


def test_cancelling_flags_running_jobs_and_resuming_queues_them(store: Store) -> None:
    run_of(store, seeds(2, "{}"))
    (held,) = claim(store).claims
    assert cancel_run(store.db, "r") == 2
    assert store.states("r") == {"cancelled": 1, "running": 1}
    assert [job.cancelling for job in store.jobs("r")] == [True, False]
    with writing(store.db):
        count_death(store.db, [held.job], "killed")
    assert store.states("r") == {"cancelled": 2}
    assert resume_run(store.db, "r") == 2
    assert store.states("r") == {"queued": 2}


def test_times_of_leases_are_monotonic(store: Store) -> None:
    run_of(store, seeds(1, "{}"))
    claim(store, lease_s=60.0)
    (lease,) = store.db.execute("select lease from job").fetchone()
    assert 0 < lease - time.monotonic() <= 60.0


def test_a_worker_of_another_user_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError(pid, signal)

    monkeypatch.setattr(os, "kill", refuse)
    assert not is_dead(f"{os.uname().nodename}:1:1")


def test_a_worker_of_another_machine_is_not_taken_for_dead() -> None:
    assert not is_dead("elsewhere:4194304:4194304")
