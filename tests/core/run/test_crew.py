import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trimtab.run.child import Child
from trimtab.run.control import cancel_run
from trimtab.run.crew import Crew, Watcher
from trimtab.run.drive import drive
from trimtab.run.duty import Duty
from trimtab.run.plan import Plan, RunOptions
from trimtab.run.scenario_file import LoadedScenario, load_scenario
from trimtab.run.scope import Scope
from trimtab.run.store import Store

Load = Callable[..., LoadedScenario]
OWN = """
import os, signal, time
from pathlib import Path

import numpy as np

from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import Action

HERE = Path(__file__).parent


class Idle(Controller):
    def __init__(self, problem):
        self.shape = (problem.copies, problem.spec.n_agents, 1)

    def act(self, obs):
        return Action(discrete=np.zeros(self.shape, np.int64))


class Fragile(Idle):
    '''Remembers how often it acted, tells it to a file, and dies once, at the 30th step.'''

    def __init__(self, problem):
        super().__init__(problem)
        self.acted = np.zeros(1, np.int64)

    def act(self, obs):
        self.acted += 1
        with (HERE / "acts").open("a") as log:
            log.write(f"{int(self.acted[0])} ")
        if self.acted[0] == 30 and not (HERE / "died").exists():
            (HERE / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        pump = np.full(self.shape, int(self.acted[0]) % 2, np.int64)
        return Action(discrete=pump)

    def state_dict(self):
        return {"acted": self.acted}

    def load_state_dict(self, state):
        self.acted = state["acted"].copy()


class Sleeps(Idle):
    '''A long call that releases the interpreter lock, as compiled kernels do.'''

    def act(self, obs):
        (HERE / "reached").touch()
        time.sleep(3600)


class HoldsTheLock(Idle):
    '''A long native call that holds the interpreter lock.'''

    def act(self, obs):
        (HERE / "reached").touch()
        sum(range(10**13))
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[str]:
    """Name of an importable module with controllers that misbehave."""
    folder = tmp_path / "own"
    folder.mkdir()
    name = f"crew_own_{abs(hash(tmp_path)) % 10**9}"
    (folder / f"{name}.py").write_text(OWN, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield name
    sys.path.remove(str(folder))
    sys.modules.pop(name, None)


def begun(store: Store, loaded: LoadedScenario, **options: Any) -> str:
    plan = Plan.of(loaded, RunOptions(**options))
    plan.begin(store)
    return plan.run_id


def until(happened: Callable[[], Any], tick: Callable[[], None] | None = None) -> None:
    """Wait for something, letting a crew work meanwhile."""
    pause = threading.Event()
    while not happened():
        if tick is None:
            pause.wait(0.05)
        else:
            tick()


def rows(store: Store) -> dict[tuple[str, int], float]:
    found = store.db.execute("select name, step, value from metric where step>0")
    return {(name, step): value for name, step, value in found}


def test_a_killed_worker_goes_on_from_its_checkpoint_to_the_same_bits(
    own: str, scenario: Load, tmp_path: Path
) -> None:
    loaded = scenario("problem.horizon_h=60", "seeds=[1]", "controllers=[tariff]")
    kept = []
    for name in ("killed", "calm"):
        with Store(tmp_path / name) as store:
            run = begun(store, loaded, own=(f"{own}:Fragile",))
            duty = Duty(str(store.workspace), run, checkpoint_every_s=0.0)
            with Crew(store, duty, 1) as crew:
                drive(store, Scope(run), crew)
            jobs = {job.controller: job for job in store.jobs(run)}
            metrics = (jobs["Fragile"].result or {})["metrics"]
            kept.append((rows(store), metrics, jobs["Fragile"].attempt))
    assert kept[0][:2] == kept[1][:2]
    assert (kept[0][2], kept[1][2]) == (2, 1)
    acts = [int(n) for n in (tmp_path / "own" / "acts").read_text().split()]
    assert acts[:60] == [*range(1, 31), *range(30, 60)]  # steps 1 to 29 were not asked again


def test_a_worker_stopped_past_its_lease_writes_nothing_afterwards(
    scenario: Load, tmp_path: Path
) -> None:
    loaded = scenario("problem.horizon_h=3000", "seeds=[1]", "controllers=[tariff]")
    with Store(tmp_path / "work") as store:
        run = begun(store, loaded)
        duty = Duty(str(store.workspace), run, lease_s=2.0)
        stopped = Child("trimtab.run.worker", tmp_path / "log.txt")
        stopped.send({"duty": duty.plain()})
        playing = "select 1 from job where kind='episode' and state='running' and step>0"
        until(lambda: store.db.execute(playing).fetchone())
        os.kill(stopped.process.pid, signal.SIGSTOP)
        with Crew(store, duty, 1) as crew:
            drive(store, Scope(run), crew)
        (episode,) = [job for job in store.jobs(run) if job.kind == "episode"]
        assert (episode.state, episode.attempt) == ("done", 2)
        assert any("lapsed" in text for _, _, text in store.events(run))
        before = list(store.db.iterdump())
        os.kill(stopped.process.pid, signal.SIGCONT)
        stopped.process.wait()
        assert list(store.db.iterdump()) == before
        assert store.check() == "ok"
        stopped.kill()


@pytest.mark.parametrize("name", ["Sleeps", "HoldsTheLock"])
def test_a_controller_that_never_returns_is_cancelled(
    own: str, scenario: Load, tmp_path: Path, name: str
) -> None:
    loaded = scenario("seeds=[1]", "controllers=[tariff]")
    with Store(tmp_path / "work") as store:
        run = begun(store, loaded, own=(f"{own}:{name}",))
        with Crew(store, Duty(str(store.workspace), run), 1) as crew:
            until((tmp_path / "own" / "reached").exists, crew.tick)
            assert cancel_run(store.db, run) == 1
            drive(store, Scope(run), crew)
        states = {job.controller: job.state for job in store.jobs(run)}
    assert states == {"(bound)": "done", "tariff": "done", name: "cancelled"}


def test_a_hung_simulator_is_cancelled_and_leaves_no_process(
    tmp_path: Path, group_is_gone: Callable[[int], bool]
) -> None:
    settings = ["problem.hang_at_min=5", "seeds=[1]", "controllers=[one_desk]"]
    with Store(tmp_path / "work") as store:
        run = begun(store, load_scenario("toy/queue-hour", settings))
        with Crew(store, Duty(str(store.workspace), run), 1) as crew:
            until(lambda: any(d.kind == "episode" and d.step for d in crew.doing), crew.tick)
            (worker,) = crew.processes
            cancel_run(store.db, run)
            drive(store, Scope(run), crew)
        states = {job.kind: job.state for job in store.jobs(run)}
    assert states == {"bound": "done", "episode": "cancelled"}
    assert group_is_gone(worker)


def test_a_disk_that_is_full_from_the_beginning_is_told(scenario: Load, tmp_path: Path) -> None:
    with Store(tmp_path / "work") as store:
        run = begun(store, scenario("seeds=[1]"))
        told: list[str] = []
        duty = Duty(str(store.workspace), run, min_free_bytes=1 << 62)
        with Crew(store, duty, 1, Watcher(noted=told.append)) as crew:
            for _ in range(12):
                crew.tick()
        assert set(store.states(run)) == {"queued"}
    assert [line.endswith("jobs wait until there is room") for line in told] == [True]


def test_without_room_jobs_pause_and_go_on_when_there_is_room(
    scenario: Load, tmp_path: Path
) -> None:
    loaded = scenario("seeds=[1]", "problem.horizon_h=3000")
    with Store(tmp_path / "work") as store:
        run = begun(store, loaded)
        store.db.execute("update job set state='paused', reason='disk full' where kind='episode'")
        duty = Duty(str(store.workspace), run, min_free_bytes=1 << 62)
        told: list[str] = []
        with Crew(store, duty, 1, Watcher(noted=told.append)) as crew:
            for _ in range(12):
                crew.tick()
        assert [line.endswith("jobs wait until there is room") for line in told] == [True]
        assert store.states(run) == {"paused": 2, "queued": 1}
        with Crew(store, Duty(str(store.workspace), run), 1) as crew:
            drive(store, Scope(run), crew)
        assert store.states(run) == {"done": 3}
