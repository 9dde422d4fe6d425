import sqlite3
from pathlib import Path

import pytest
from trimtab.contracts.errors import TrimtabError, UnknownNameError
from trimtab.run.store import Store

SCENARIO = {"hash": "h", "domain": "d", "schema": "trimtab/scenario/1", "text": "{}"}
JOBS = [("j1", "episode", "fixed", 1), ("j2", "episode", "fixed", 2)]


def begun(folder: Path, run: str = "r-1") -> Store:
    store = Store(folder)
    store.begin_run(run, SCENARIO, ["fixed"], [1, 2], JOBS)
    return store


def states(store: Store, run: str = "r-1") -> list[str]:
    return [job.state for job in store.jobs(run)]


def test_jobs_go_from_queued_to_done_with_their_result(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        assert states(store) == ["queued", "queued"]
        store.start(["j1"], "host:1:1")
        assert states(store) == ["running", "queued"]
        store.finish("j1", {"metrics": {"delay_s": 3.5}})
        job = store.jobs("r-1")[0]
    assert (job.state, job.attempt, job.result) == ("done", 1, {"metrics": {"delay_s": 3.5}})


def test_results_survive_reopening(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        store.finish("j1", {"metrics": {}})
    with Store(tmp_path) as store:
        assert states(store) == ["done", "queued"]


def test_runs_share_jobs_and_beginning_again_keeps_what_is_done(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        store.finish("j1", None)
        store.settle(["j2"], "failed", "why")
        store.begin_run("r-2", SCENARIO, ["fixed"], [1, 2], JOBS)
        assert states(store, "r-2") == ["done", "queued"]
        assert [run.id for run in store.runs()] == ["r-2", "r-1"]


def test_a_done_job_is_not_started_or_settled_again(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        store.finish("j1", None)
        store.start(["j1"], "w")
        store.settle(["j1"], "cancelled")
        assert states(store)[0] == "done"


def test_forgetting_a_run_keeps_finished_jobs_and_those_of_other_runs(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        store.begin_run("r-2", SCENARIO, ["fixed"], [1], JOBS[:1])
        store.forget_run("r-1")
        assert states(store, "r-2") == ["queued"]
        assert store._db.execute("select count(*) from job").fetchone() == (1,)
        with pytest.raises(UnknownNameError):
            store.run("r-1")


def test_a_run_is_found_by_a_unique_prefix(tmp_path: Path) -> None:
    with begun(tmp_path, "tank-abc") as store:
        store.begin_run("tank-abd", SCENARIO, ["fixed"], [1], JOBS)
        assert store.run("tank-abc").seeds == (1, 2)
        with pytest.raises(UnknownNameError, match="tank-abc, tank-abd"):
            store.run("tank-ab")


def test_events_artefacts_and_summary_are_kept(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        store.event("r-1", "warning", "worker died")
        store.artefact("r-1", "report.html", "abc", "report", 10)
        store.summarise("r-1", {"rows": []}, {"cpu": 1})
        assert [text for _, _, text in store.events("r-1")] == ["worker died"]
        assert store.artefacts("r-1") == [("report.html", "abc", "report", 10)]
        assert store.run("r-1").summary == {"rows": []}
        assert store.scenario_text("h") == "{}"


def test_the_store_writes_ahead_and_checks_out(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        assert store._db.execute("pragma journal_mode").fetchone() == ("wal",)
        assert store.check() == "ok"


def test_a_failed_transaction_leaves_no_half_of_it(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        with pytest.raises(ValueError, match="Out of range float"):
            store.finish("j1", {"metrics": {"delay_s": float("nan")}})
        with pytest.raises(sqlite3.Error):
            store.begin_run("r-9", SCENARIO, [], [], [("j9", "episode", "x", None)])  # type: ignore[list-item]
        assert states(store) == ["queued", "queued"]
        assert [run.id for run in store.runs()] == ["r-1"]


def test_a_file_that_is_no_store_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("this is not a database, only text" * 100)
    before = (tmp_path / "store.db").read_bytes()
    with pytest.raises(TrimtabError, match="cannot be opened as a job store"):
        Store(tmp_path)
    assert (tmp_path / "store.db").read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    begun(tmp_path).close()
    db = sqlite3.connect(tmp_path / "store.db")
    db.execute("pragma user_version=99")
    db.close()
    with pytest.raises(TrimtabError, match="newer trimtab"):
        Store(tmp_path)


def test_a_workspace_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("")
    with pytest.raises(TrimtabError, match="cannot be used as a workspace"):
        Store(tmp_path / "w")
