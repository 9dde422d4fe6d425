import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.problem import DesignProblem, DesignSpec, Evaluation
from trimtab.contracts.space import Categorical, Condition, Float, Integer, Space
from trimtab.contracts.spec import Metric
from trimtab.search.cache import CachedProblem


class Counted(DesignProblem):
    """Counts its simulations; one design in ten fails."""

    def __init__(self, identity: str = "counted-1") -> None:
        self.calls, self._identity = 0, identity
        self.spec = DesignSpec(
            "counted",
            Space(
                (
                    Categorical("mode", ("a", "b")),
                    Integer("size", 0, 9),
                    Float("gain", 0.0, 1.0, active_if=Condition("mode", ("a",))),
                )
            ),
            (Metric("cost", "1", "min"),),
            fidelities=("short", "full"),
        )

    @property
    def identity(self) -> str:
        return self._identity

    def evaluate(self, designs, fidelity, seed):
        n = len(designs)
        self.calls += n
        value = designs @ np.array([1.0, 1 / 3, np.pi]) + seed + (fidelity == "short")
        value = np.where(designs[:, 1] == 9, np.nan, value)
        status = tuple("failed" if np.isnan(v) else "ok" for v in value)
        return Evaluation(
            value[:, None], np.empty((n, 0)), np.ones(n), status, np.zeros(n, bool), {"v": value}
        )


ROWS = np.array([[0.0, 3.0, 0.25], [1.0, 4.0, 0.75], [1.0, 4.0, 0.5], [0.0, 9.0, 0.1]])


def test_no_design_is_simulated_twice_even_after_a_restart(tmp_path: Path) -> None:
    first, again = Counted(), Counted()
    cold = CachedProblem(first, tmp_path / "c.sqlite").evaluate(ROWS, "full", 7)
    warm = CachedProblem(again, tmp_path / "c.sqlite").evaluate(ROWS, "full", 7)
    assert (first.calls, again.calls) == (3, 0)  # rows 1 and 2 are one design: gain is off
    assert cold.cached.tolist() == [False, False, True, False]
    assert warm.cached.all()
    assert np.array_equal(cold.objectives, warm.objectives, equal_nan=True)
    assert np.array_equal(cold.metrics["v"], warm.metrics["v"], equal_nan=True)
    assert warm.status == ("ok", "ok", "ok", "failed")
    assert (cold.cost_s.sum(), warm.cost_s.sum()) == (3.0, 0.0)


@pytest.mark.parametrize(
    ("identity", "fidelity", "seed"),
    [("counted-2", "full", 7), ("counted-1", "short", 7), ("counted-1", "full", 8)],
)
def test_another_engine_fidelity_or_seed_is_another_result(
    tmp_path: Path, identity: str, fidelity: str, seed: int
) -> None:
    CachedProblem(Counted(), tmp_path / "c.sqlite").evaluate(ROWS[:1], "full", 7)
    other = Counted(identity)
    CachedProblem(other, tmp_path / "c.sqlite").evaluate(ROWS[:1], fidelity, seed)
    assert other.calls == 1


def test_a_damaged_entry_is_noticed_and_simulated_again(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    good = CachedProblem(Counted(), path).evaluate(ROWS[:2], "full", 0)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE results SET content = replace(content, 'ok', 'OK')")
    problem = Counted()
    cached = CachedProblem(problem, path)
    assert np.array_equal(cached.evaluate(ROWS[:2], "full", 0).objectives, good.objectives)
    assert (cached.counts.damaged, cached.counts.simulated, problem.calls) == (2, 2, 2)


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"not a database" * 100)
    CachedProblem(Counted(), path).evaluate(ROWS[:1], "full", 0)
    assert (tmp_path / "c.sqlite.damaged").exists()


def test_a_claim_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    problem = Counted()
    cached = CachedProblem(problem, path)
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           capture_output=True, check=True, text=True)  # fmt: skip
    cached._claim([b"k"])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE claims SET pid = ?", (int(child.stdout),))
    assert cached._claim([b"k"]) == [b"k"]


def test_a_failing_simulator_leaves_no_claim_behind(tmp_path: Path) -> None:
    class Broken(Counted):
        def evaluate(self, designs, fidelity, seed):
            msg = "boom"
            raise RuntimeError(msg)

    path = tmp_path / "c.sqlite"
    with pytest.raises(RuntimeError, match="boom"):
        CachedProblem(Broken(), path).evaluate(ROWS[:1], "full", 0)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM claims").fetchone() == (0,)


WORKER = """
import sys
from pathlib import Path
import numpy as np
from trimtab.search.cache import CachedProblem
from trimtab.testing.toys.beam import BeamModel, BeamProblem
problem = CachedProblem(BeamProblem(BeamModel()), Path(sys.argv[1]))
space = problem.spec.space
for k in range(6):
    problem.evaluate(space.sample(10, np.random.default_rng(k)), "full", 0)
print(problem.counts.simulated)
"""


def test_processes_share_the_work_without_simulating_a_design_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path / "c.sqlite")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sum(int(process.communicate(timeout=60)[0]) for process in both) == 60


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 39), min_size=1, max_size=8))
def test_cached_and_plain_evaluations_are_equal(tmp_path_factory, numbers: list[int]) -> None:
    rows = np.array([[k % 2, k // 4, k / 40] for k in numbers])
    plain = Counted()
    cached = CachedProblem(Counted(), tmp_path_factory.mktemp("c") / "c.sqlite")
    expected = plain.evaluate(plain.canonical(rows), "full", 1)
    got = cached.evaluate(rows, "full", 1)
    assert np.array_equal(got.objectives, expected.objectives, equal_nan=True)
    assert got.status == expected.status
