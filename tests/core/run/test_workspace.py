from collections.abc import Callable
from pathlib import Path

import pytest
from trimtab.contracts.errors import TrimtabError, UnknownNameError
from trimtab.run.claims import Claimer, Ending, settle
from trimtab.run.plan import RunOptions
from trimtab.run.rows import NewJob, NewRun
from trimtab.run.scenario_file import LoadedScenario
from trimtab.run.store import Store
from trimtab.run.supervisor import supervise, supervising, supervisor_pid
from trimtab.run.workspace import RunQuery, Workspace

Load = Callable[..., LoadedScenario]


def test_a_queued_run_is_done_and_judged_by_a_supervisor(scenario: Load, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    run = space.enqueue(scenario(), command="trimtab run tank.yaml", owner="me")
    assert space.progress(run).states == {"queued": 10}
    supervise(space.path, 2, until_idle=True)
    detail = space.run(run)
    assert (detail.row.state, detail.row.states, detail.row.owner) == ("done", {"done": 10}, "me")
    assert detail.result is not None
    assert detail.result["schema"] == "trimtab/result/1"
    assert {job.kind for job in detail.jobs} == {"bound", "episode", "report"}
    assert (detail.folder / "report.html").exists()
    assert {"report.html", "result.json"} <= {path for path, *_ in detail.artefacts}
    (brief,) = space.runs()
    assert (brief.id, brief.state, brief.recommended) == (
        run, "done", detail.result["recommendation"]["name"],
    )  # fmt: skip
    assert brief.headline == detail.result["rows"][0]["metrics"]["pumping_cost"]["mean"]
    assert space.progress(run).share == 1.0


def test_enqueuing_twice_is_one_run_and_one_computation(scenario: Load, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    run = space.enqueue(scenario())
    supervise(space.path, 1, until_idle=True)
    attempts = [job.attempt for job in space.run(run).jobs]
    assert space.enqueue(scenario()) == run
    supervise(space.path, 1, until_idle=True)
    assert [job.attempt for job in space.run(run).jobs] == attempts


def test_waiting_jobs_are_cancelled_at_once_and_resumed_later(
    scenario: Load, tmp_path: Path
) -> None:
    space = Workspace(tmp_path / "work")
    run = space.enqueue(scenario())
    assert space.cancel(run) == 10
    assert space.progress(run).state == "cancelled"
    assert space.cancel(run) == 0
    supervise(space.path, 1, until_idle=True)
    assert space.states() == {"cancelled": 10}
    assert space.resume(run) == 9
    supervise(space.path, 1, until_idle=True)
    assert space.run(run).result is not None


def test_cancelling_leaves_jobs_that_another_run_needs(scenario: Load, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    one = space.enqueue(scenario())
    more = space.enqueue(scenario(), RunOptions(seeds=(1, 2, 3, 4)))
    space.cancel(one)
    assert space.progress(more).states == {"queued": 13}
    space.cancel(more)
    assert space.states() == {"cancelled": 14}


def test_runs_are_filtered_sorted_and_paged(scenario: Load, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    assert space.runs() == []
    runs = [space.enqueue(scenario(f"name=tank-{i}"), sweep="s" if i else "") for i in range(3)]
    space.cancel(runs[2])
    assert [r.name for r in space.runs(RunQuery(order="name", descending=False))] == [
        "tank-0", "tank-1", "tank-2",
    ]  # fmt: skip
    assert [r.id for r in space.runs(RunQuery(text="tank-1"))] == [runs[1]]
    assert {r.id for r in space.runs(RunQuery(sweep="s"))} == set(runs[1:])
    assert [r.id for r in space.runs(RunQuery(limit=1, offset=1, order="name"))] == [runs[1]]
    assert space.runs(RunQuery(domain="toy.queue")) == []
    assert space.count(RunQuery(domain="toy.tank", limit=1)) == 3
    assert space.domains() == ["toy.tank"]


def test_runs_are_filtered_by_their_state(scenario: Load, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    done = space.enqueue(scenario("problem.horizon_h=4"))
    supervise(space.path, 1, until_idle=True)
    waiting, cancelled = (space.enqueue(scenario(f"problem.horizon_h={h}")) for h in (5, 6))
    space.cancel(cancelled)
    for state, run in (("done", done), ("queued", waiting), ("cancelled", cancelled)):
        assert [r.id for r in space.runs(RunQuery(state=state))] == [run]  # type: ignore[arg-type]
    assert space.runs(RunQuery(state="failed")) == []


def test_series_of_a_job_are_read_back(scenario: Load, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    run = space.enqueue(scenario("seeds=[1]", "controllers=[tariff]"))
    supervise(space.path, 1, until_idle=True)
    with Store(space.path) as store:
        (job,) = [job for job in store.jobs(run) if job.kind == "episode"]
    assert space.series_names(job.id) == ["cost/level_outside", "reward/pumping_cost"]
    series = space.series(job.id, "reward/pumping_cost")
    assert series.step == (1, 2, 3, 4, 5, 6)
    assert series.low == series.high
    assert job.result is not None
    assert sum(v or 0.0 for v in series.low) == pytest.approx(job.result["metrics"]["pumping_cost"])
    units = space.step_units(job.id)
    assert units.dt_s == 3600.0
    assert sorted(units.units) == space.series_names(job.id)
    thin = space.series(job.id, "reward/pumping_cost", points=2)
    assert thin.step == (3, 6)
    assert thin.high == (max(series.high[:3]), max(series.high[3:]))  # type: ignore[type-var]


def test_a_deleted_run_leaves_no_rows_and_no_files(scenario: Load, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    kept = space.enqueue(scenario(), RunOptions(seeds=(1,)))
    run = space.enqueue(scenario())
    supervise(space.path, 1, until_idle=True)
    assert space.delete(run) > 0
    assert not (space.path / "runs" / run).exists()
    with pytest.raises(UnknownNameError):
        space.run(run)
    with Store(space.path) as store:
        assert len(store.jobs(kept)) == 4
        jobs = {row[0] for row in store.db.execute("select id from job")}
        for table in ("metric", "result", "run_job"):
            found = store.db.execute(f"select distinct job from {table}")  # noqa: S608
            assert {row[0] for row in found} <= jobs
        assert len(jobs) == 4


def test_jobs_of_a_deleted_run_that_another_has_write_into_the_others_folder(
    scenario: Load, tmp_path: Path
) -> None:
    space = Workspace(tmp_path / "work")
    first = space.enqueue(scenario(), RunOptions(seeds=(1,)))
    kept = space.enqueue(scenario(), RunOptions(seeds=(1, 2)))
    space.delete(first)
    with Store(space.path) as store:
        assert store.db.execute("select distinct run from job").fetchall() == [(kept,)]


def test_one_supervisor_is_enough(tmp_path: Path) -> None:
    assert supervisor_pid(tmp_path) is None
    with supervising(tmp_path):
        assert supervisor_pid(tmp_path) is not None
        with pytest.raises(TrimtabError, match="one is enough"), supervising(tmp_path):
            pass
    assert supervisor_pid(tmp_path) is None


def test_the_stamp_changes_with_the_store(scenario: Load, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    assert space.stamp() == ()
    run = space.enqueue(scenario())
    before = space.stamp()
    assert space.stamp() == before
    space.cancel(run)
    assert space.stamp() != before


def test_a_workspace_without_a_store_says_so(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "none")
    assert (space.exists, space.states(), space.count()) == (False, {}, 0)
    with pytest.raises(TrimtabError, match="no job store yet"):
        space.run("x")


def test_a_job_of_other_versions_is_refused_not_computed(scenario: Load, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    run = space.enqueue(scenario("seeds=[1]", "controllers=[tariff]"))
    with Store(space.path) as store:
        store.db.execute("update task set text=json_set(text, '$.versions.numpy', '0.1')")
    supervise(space.path, 1, until_idle=True)
    reasons = {job.kind: job.reason for job in space.run(run).jobs}
    assert reasons["episode"].startswith("queued under other versions of numpy: run its scenario")
    assert "nothing of" in reasons["report"]
    assert space.progress(run).state == "failed"


def test_long_series_are_kept_thinned_too(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        scenario = {"hash": "h", "domain": "d", "schema": "trimtab/scenario/1", "text": "{}"}
        store.begin_run(
            NewRun("r", scenario, "n", ("c",), (1,)), [NewJob("j", "search", "c", 1, "{}")]
        )
        claimed = Claimer(store.db, tmp_path, "elsewhere:1:1").claim()
        assert claimed is not None
        rows = [("objective", i, float(i % 100)) for i in range(1, 5001)]
        settle(store.db, [Ending(claimed.claims[0], "done", result={}, rows=rows)])
        assert store.db.execute("select count(*) from envelope").fetchone() == (1000,)
    series = Workspace(tmp_path).series("j", "objective", points=1000)
    assert len(series.step) == 1000
    assert (series.low[0], series.high[0], series.step[-1]) == (1.0, 5.0, 5000)
    fewer = Workspace(tmp_path).series("j", "objective", points=10)
    assert fewer.step[-1] == 5000
    assert fewer.low == tuple(min(series.low[i : i + 100]) for i in range(0, 1000, 100))
    assert fewer.high == tuple(max(series.high[i : i + 100]) for i in range(0, 1000, 100))
