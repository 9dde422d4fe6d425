import sqlite3
from pathlib import Path

import pytest
from trimtab.contracts.errors import TrimtabError, UnknownNameError
from trimtab.run.claims import Claimer, Ending, settle
from trimtab.run.rows import NewJob, NewRun
from trimtab.run.store import Store, existing_store
from trimtab.run.workspace import RunQuery, Workspace

SCENARIO = {"hash": "h", "domain": "d", "schema": "trimtab/scenario/1", "text": '{"name": "n"}'}
JOBS = [NewJob("j1", "episode", "fixed", 1, "{}"), NewJob("j2", "episode", "fixed", 2, "{}")]


def new_run(run: str = "r-1", seeds: tuple[int, ...] = (1, 2)) -> NewRun:
    return NewRun(run, SCENARIO, "n", ("fixed",), seeds)


def begun(folder: Path, run: str = "r-1") -> Store:
    store = Store(folder)
    store.begin_run(new_run(run), JOBS)
    return store


def end_next(store: Store, state: str = "done", reason: str = "") -> None:
    claimed = Claimer(store.db, store.workspace, "host:1:1").claim()
    assert claimed is not None
    result = {"metrics": {"delay_s": 3.5}} if state == "done" else None
    settle(store.db, [Ending(claimed.claims[0], state, reason, result=result)])  # type: ignore[arg-type]


def states(store: Store, run: str = "r-1") -> list[str]:
    return [job.state for job in store.jobs(run)]


def test_jobs_go_from_queued_to_done_with_their_result(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        assert states(store) == ["queued", "queued"]
        end_next(store)
        job = store.jobs("r-1")[0]
    assert (job.state, job.attempt, job.result) == ("done", 1, {"metrics": {"delay_s": 3.5}})
    assert (job.progress, job.worker) == (1.0, "host:1:1")


def test_results_survive_reopening(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        end_next(store)
    with Store(tmp_path) as store:
        assert states(store) == ["done", "queued"]
        assert store.jobs("r-1")[0].result == {"metrics": {"delay_s": 3.5}}


def test_runs_share_jobs_and_beginning_again_keeps_what_is_done(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        end_next(store)
        end_next(store, "failed", "why")
        store.begin_run(new_run("r-2"), JOBS)
        assert states(store, "r-2") == ["done", "queued"]
        assert states(store) == ["done", "queued"]


def test_beginning_again_leaves_a_running_job_to_its_worker(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        claimed = Claimer(store.db, tmp_path, "host:1:1").claim()
        store.begin_run(new_run("r-2"), JOBS)
        assert states(store, "r-2") == ["running", "queued"]
        assert claimed is not None
        settle(store.db, [Ending(claimed.claims[0], "done", result={})])
        assert states(store) == ["done", "queued"]


def test_the_tally_of_a_run_follows_its_jobs(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        assert store.states("r-1") == {"queued": 2}
        end_next(store)
        end_next(store, "failed", "why")
        store.begin_run(new_run("r-2", (1,)), JOBS[:1])
        assert store.states("r-1") == {"done": 1, "failed": 1}
        row = store.run("r-2")
        assert (row.states, row.state, row.settled) == ({"done": 1}, "done", True)
        store.forget_run("r-1")
        assert store.states("r-1") == {}


def test_a_forgotten_run_takes_its_unfinished_jobs_with_it(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        store.begin_run(new_run("r-2", (1,)), JOBS[:1])
        store.forget_run("r-1")
        assert states(store, "r-2") == ["queued"]
        assert store.db.execute("select count(*) from job").fetchone() == (1,)
        with pytest.raises(UnknownNameError):
            store.run("r-1")


def test_the_latest_hundred_runs_are_listed(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        for number in range(2, 103):
            store.begin_run(new_run(f"r-{number}"), JOBS[:1])
        assert len(store.runs()) == 100
        assert [row.id for row in store.runs(2)] == ["r-102", "r-101"]


def test_a_run_is_found_by_a_unique_prefix(tmp_path: Path) -> None:
    with begun(tmp_path, "tank-abc") as store:
        store.begin_run(new_run("tank-abd", (1,)), JOBS)
        store.begin_run(new_run("tank", (1,)), JOBS)
        assert store.run("tank-abc").seeds == (1, 2)
        assert store.run("tank").id == "tank"
        with pytest.raises(UnknownNameError, match="tank-abc, tank-abd"):
            store.run("tank-ab")


def test_events_artefacts_and_summary_are_kept(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        store.event("r-1", "warning", "worker died")
        store.summarise("r-1", {"rows": []}, {"cpu": 1}, [("report.html", "abc", "html", 10)], 2.5)
        assert [text for _, _, text in store.events("r-1")] == ["worker died"]
        assert store.artefacts("r-1") == [("report.html", "abc", "html", 10)]
        row = store.run("latest")
        assert (row.id, row.summary, row.manifest, row.headline) == (
            "r-1", {"rows": []}, {"cpu": 1}, 2.5,
        )  # fmt: skip
        assert store.scenario_text("h") == SCENARIO["text"]


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_the_store_writes_ahead_at_two_durabilities(
    tmp_path: Path, durability: str, level: int
) -> None:
    with Store(tmp_path, durability) as store:  # type: ignore[arg-type]
        assert store.db.execute("pragma journal_mode").fetchone() == ("wal",)
        assert store.db.execute("pragma synchronous").fetchone() == (level,)
        assert store.check() == "ok"


def test_a_failed_transaction_leaves_no_half_of_it(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        claimed = Claimer(store.db, tmp_path, "host:1:1").claim()
        assert claimed is not None
        broken = Ending(claimed.claims[0], "done", result={"metrics": {"delay_s": float("nan")}})
        with pytest.raises(ValueError, match="Out of range float"):
            settle(store.db, [broken])
        with pytest.raises(sqlite3.Error):
            store.begin_run(new_run("r-9"), [NewJob("j9", "episode", "x", None)])  # type: ignore[arg-type]
        assert states(store) == ["running", "queued"]
        assert [run.id for run in store.runs()] == ["r-1"]


def test_a_file_that_is_no_store_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("this is not a database, only text" * 100)
    before = (tmp_path / "store.db").read_bytes()
    with pytest.raises(TrimtabError, match="cannot be opened as a job store") as refused:
        Store(tmp_path)
    assert str(refused.value).endswith(": restore it from a copy, or move it away and run again")
    assert (tmp_path / "store.db").read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    begun(tmp_path).close()
    db = sqlite3.connect(tmp_path / "store.db")
    db.execute("pragma user_version=99")
    db.close()
    with pytest.raises(TrimtabError) as refused:
        Store(tmp_path)
    path = tmp_path / "store.db"
    assert str(refused.value) == f"{path}: is of a newer trimtab (store version 99): upgrade"


def test_a_workspace_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("")
    with pytest.raises(TrimtabError) as refused:
        Store(tmp_path / "w")
    assert str(refused.value) == (
        f"{tmp_path / 'w'}: cannot be used as a workspace: Not a directory: "
        "name a folder that you may write with --workspace"
    )


def test_a_store_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(TrimtabError) as refused:
        existing_store(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}: has no job store yet: run a scenario, or name another --workspace"
    )
    assert list(tmp_path.iterdir()) == []
    begun(tmp_path).close()
    with existing_store(tmp_path) as store:
        assert store.check() == "ok"


def test_a_full_disk_is_named_as_such(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        store.db.execute("pragma max_page_count=1")
        jobs = [NewJob(f"k{i}", "episode", "x" * 1000, i) for i in range(1000)]
        with pytest.raises(sqlite3.OperationalError, match="full"):
            store.begin_run(new_run("r-2"), jobs)
        assert [run.id for run in store.runs()] == ["r-1"]
        assert store.check() == "ok"


VERSION_1 = """
create table scenario(
  hash text primary key, domain text not null, schema text not null, text text not null,
  created real not null) without rowid;
create table run(
  id text primary key, scenario text not null, controller text not null, seeds text not null,
  budget text not null default '{}', owner_user text not null default '', summary text,
  manifest text, created real not null) without rowid;
create table job(
  id text primary key, run text not null, kind text not null, controller text not null,
  seed integer not null, state text not null, reason text not null default '',
  attempt integer not null default 0, lease real, boot_id text, worker text,
  cancel integer not null default 0, progress real not null default 0,
  step integer not null default 0, result text,
  created real not null, started real, ended real) without rowid;
create table run_job(run text not null, job text not null, primary key(run, job)) without rowid;
create table metric(
  job text not null, name text not null, step integer not null, value real,
  primary key(job, name, step)) without rowid;
create table checkpoint(
  job text not null, step integer not null, path text not null, sha256 text not null,
  attempt integer not null, primary key(job, step)) without rowid;
create table artefact(
  run text not null, path text not null, sha256 text not null, kind text not null,
  bytes integer not null, primary key(run, path)) without rowid;
create table event(run text not null, t real not null, level text not null, text text not null);
create index job_state on job(state);
create index run_created on run(created);
create index event_run on event(run, t);
pragma user_version=1;
insert into scenario values('h', 'toy.tank', 'trimtab/scenario/1', '{"name": "tank"}', 1.0);
insert into run(id, scenario, controller, seeds, created) values('r', 'h', '["a"]', '[1]', 1.0);
insert into job(id, run, kind, controller, seed, state, attempt, result, created) values
  ('j1', 'r', 'episode', 'a', 1, 'done', 1, '{"metrics": {"c": 2.0}}', 1.0),
  ('j2', 'r', 'episode', 'a', 2, 'running', 1, null, 1.0);
insert into run_job values('r', 'j1'), ('r', 'j2');
insert into metric values('j1', 'c', 0, 2.0);
insert into event values('r', 1.0, 'info', 'begun');
"""


def test_a_store_of_version_1_is_brought_up_with_all_it_holds(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "store.db")
    db.executescript(VERSION_1)
    db.close()
    with Store(tmp_path) as store:
        row = store.run("r")
        assert (row.domain, row.name, row.controllers, row.seeds) == (
            "toy.tank", "tank", ("a",), (1,),
        )  # fmt: skip
        assert row.states == {"done": 1, "cancelled": 1}
        assert store.jobs("r")[0].result == {"metrics": {"c": 2.0}}
        assert [text for _, _, text in store.events("r")] == ["begun"]
        assert store.check() == "ok"
    with Store(tmp_path) as store:
        assert store.db.execute("pragma user_version").fetchone() == (3,)


VERSION_2 = """
drop table run;
drop table outcome;
drop table result;
create table run(
  id text primary key, scenario text not null, domain text not null default '',
  name text not null default '', controller text not null, seeds text not null,
  budget text not null default '{}', owner_user text not null default '', summary text,
  manifest text, config text not null default '{}', sweep text not null default '',
  headline real, cancelled integer not null default 0, created real not null) without rowid;
create table result(job text primary key, text text not null) without rowid;
create index run_created on run(created);
create index run_headline on run(domain, headline);
create index run_sweep on run(sweep) where sweep<>'';
pragma user_version=2;
insert into run(id, scenario, controller, seeds, summary, manifest, sweep, headline, created)
  values('r', 'h', '["a"]', '[1]', '{"headline": "fuel_l", "recommendation": {"name": "a"},
  "rows": [{"metrics": {"fuel_l": {"unit": "L"}}}]}', '{"os": "x"}', 's', 4.5, 1.0),
  ('open', 'h', '["a"]', '[1]', null, null, '', null, 2.0);
insert into result values('j1', '{"metrics": {"c": 2.0}}');
"""


def test_a_store_of_version_2_is_brought_up_with_what_its_runs_found(tmp_path: Path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / "store.db")
    db.executescript(VERSION_2)
    db.close()
    brief, open_ = Workspace(tmp_path).runs(RunQuery(descending=False))
    assert (brief.metric, brief.unit, brief.recommended, brief.headline, brief.sweep) == (
        "fuel_l", "L", "a", 4.5, "s",
    )  # fmt: skip
    assert (open_.metric, open_.unit, open_.recommended) == (None, None, None)
    with Store(tmp_path) as store:
        assert store.run("r").manifest == {"os": "x"}
        assert store.run("latest").id == "r"
        assert store.db.execute("select job, text from result").fetchall() == [
            ("j1", '{"metrics": {"c": 2.0}}')
        ]
        assert store.check() == "ok"


def test_a_scenario_that_is_not_stored_is_refused_by_its_hash(tmp_path: Path) -> None:
    with begun(tmp_path) as store, pytest.raises(UnknownNameError, match="stored scenario 'abc'"):
        store.scenario_text("abc")


def test_a_run_knows_how_many_of_its_jobs_are_done(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        assert (store.run("r-1").done, store.run("r-1").total) == (0, 2)
        store.db.execute("update job set state='done' where id=(select min(id) from job)")
        assert (store.run("r-1").done, store.run("r-1").total) == (1, 2)
