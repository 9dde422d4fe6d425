"""A training that is killed goes on to the same bits, and never from a foreign checkpoint."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.errors import CheckpointError
from trimtab.deploy.network import NetSpec
from trimtab.deploy.weights import load_arrays
from trimtab.learn import checkpoint, pupil
from trimtab.learn.checkpoint import Budget, Checkpoint, Resumable, Start, recipe_of
from trimtab.learn.curriculum import FreshSeeds
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.testing.classics.cartpole import CartPole
from trimtab.testing.classics.spread import SimpleSpread
from trimtab.testing.toys.tank import DOMAIN, LevelBand, TankModel, TankProblem

DAY = TankModel(horizon_h=12)
STEPS = 64 * 12 * 24
Tell = Callable[[str], None]


def fix_the_clock() -> None:
    """Save after each iteration; what the clock decides of a plan is the same each time."""
    checkpoint.EVERY_S, checkpoint.SHARE = 0.0, float("inf")
    imitated = pupil._imitated

    def planned(*arguments: Any) -> tuple[Any, dict[str, Any]]:
        policy, facts = imitated(*arguments)
        return policy, {**facts, "steps": STEPS}

    pupil.IMITATION, pupil._imitated = 0.0, planned


def train(out: Path, tell: Tell, seed: int = 3, day: TankModel = DAY) -> Path:
    return Path(DOMAIN.train(day, "pupil", seed, out, 1e4, tell)["weights"])


def wait_in_the_middle(line: str) -> None:
    """Say it, and in the middle of the training wait for the kill."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    if " steps, " in line and int(line.split()[0]) > STEPS // 3:
        sys.stdout.write("waiting\n")
        sys.stdout.flush()
        signal.pause()


@pytest.fixture(autouse=True)
def _fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, names in ((checkpoint, ("EVERY_S", "SHARE")), (pupil, ("IMITATION", "_imitated"))):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    fix_the_clock()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that ended by SIGKILL."""
    out = tmp_path_factory.mktemp("killed")
    with subprocess.Popen(
        [sys.executable, __file__, str(out)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        assert child.stdout is not None
        assert any(line == "waiting\n" for line in child.stdout)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    return out


def copied(folder: Path, to: Path) -> Path:
    (file,) = folder.iterdir()
    (to / file.name).write_bytes(file.read_bytes())
    return to


def test_a_training_that_was_killed_goes_on_to_the_same_bits(killed: Path, tmp_path: Path) -> None:
    for name in ("through", "resumed"):
        (tmp_path / name).mkdir()
    told: list[str] = []
    through = train(tmp_path / "through", lambda _: None)
    resumed = train(copied(killed, tmp_path / "resumed"), told.append)
    assert told[0].startswith("goes on after ")
    assert not any(line.startswith(("teacher", "imitation")) for line in told)
    ours, theirs = load_arrays(resumed), load_arrays(through)
    assert all(np.array_equal(x, theirs[0][name]) for name, x in ours[0].items())
    notes = [dict(manifest["notes"], cpu_s=0) for _, manifest in (ours, theirs)]
    assert notes[0] == notes[1]
    names = ["pupil.json", "pupil.safetensors"]
    assert sorted(path.name for path in resumed.parent.iterdir()) == names


@pytest.mark.parametrize(
    "other", [{"seed": 4}, {"day": TankModel(horizon_h=12, tariff_peak=2.5)}], ids=str
)
def test_another_seed_or_scenario_begins_anew(
    killed: Path, tmp_path: Path, other: dict[str, Any]
) -> None:
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if line.startswith("imitation"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(copied(killed, tmp_path), tell, **other)
    assert told[0] == "pupil.training.safetensors is of another training: this one begins anew"


def test_a_damaged_checkpoint_is_said_and_not_used(tmp_path: Path) -> None:
    told: list[str] = []
    file = Checkpoint(tmp_path / "x.training.safetensors", {"seed": 1}, told.append)
    assert file.load() is None
    file.save({"a": np.arange(3)}, {"b": 2})
    arrays, plain = file.load() or ({}, {})
    assert (arrays["a"].tolist(), plain["b"], told) == ([0, 1, 2], 2, [])
    file.path.write_bytes(file.path.read_bytes()[:-5])
    assert file.load() is None
    assert told == ["x.training.safetensors is no whole checkpoint: this training begins anew"]
    file.remove()
    assert not list(tmp_path.iterdir())


def test_a_recipe_names_settings_and_the_content_of_files(tmp_path: Path) -> None:
    data = tmp_path / "series.csv"
    data.write_text("1")

    class Filed(type(DOMAIN)):  # type: ignore[misc]
        def data_files(self, problem: TankModel) -> tuple[Path, ...]:
            return (data,)

    before = recipe_of(Filed(), DAY, seed=1)
    assert before == recipe_of(Filed(), DAY, seed=1)
    assert before != recipe_of(Filed(), TankModel(horizon_h=13), seed=1)
    data.write_text("2")
    assert before != recipe_of(Filed(), DAY, seed=1)


def cartpole(kept: Resumable, learning_rate: float = 3e-4) -> PPO:
    problem = CartPole(4)
    net = NetSpec.for_problem(problem.spec, hidden=(8,))
    config = PPOConfig(steps=4 * 8 * 5, rollout=8, learning_rate=learning_rate, compiled=False)
    start = kept.begin(lambda: Start(PPO(problem, net, config, (0,)).policy(), {"n": 7}))
    assert start.facts == {"n": 7}
    return PPO(problem, net, config, (0,), initial=start.policy)


def kept_in(folder: Path, cpu_s: float = 1e4) -> Resumable:
    return Resumable(Budget(cpu_s), Checkpoint(folder / "c.safetensors", {}))


def test_a_budget_counts_what_was_spent_before_the_kill(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    kept.budget.resume(100.0)
    next(kept.train(cartpole(kept)))
    again = kept_in(tmp_path, 90.0)
    assert again.budget.left() < -10.0
    ppo = cartpole(again)
    assert len(list(again.train(ppo))) == 1  # one at least was promised, none was finished


def test_a_trainer_of_other_settings_is_refused(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    assert len(list(kept.train(cartpole(kept)))) == 5
    again = kept_in(tmp_path)
    with pytest.raises(CheckpointError, match="trainer with other settings; remove it"):
        next(again.train(cartpole(again, learning_rate=1e-3)))


def test_without_a_checkpoint_nothing_is_kept() -> None:
    kept = Resumable(Budget(1e4))
    assert len(list(kept.train(cartpole(kept)))) == 5
    kept.end()


def taught(problem: TankProblem) -> PPO:
    net = NetSpec.for_problem(problem.spec, hidden=(8,))
    config = PPOConfig(steps=4 * 7 * 6, rollout=7, leash=1.0, leash_until=9.0, compiled=False)
    source = FreshSeeds(np.random.default_rng(5))
    return PPO(problem, net, config, (0,), teacher=LevelBand(problem), source=source)


def test_what_a_teacher_remembers_is_part_of_the_state() -> None:
    through = taught(TankProblem(DAY, 4, autoreset=False))
    for _ in range(2):
        through.iterate()
    state = through.state_dict()
    resumed = taught(TankProblem(DAY, 4, autoreset=False))
    resumed.load_state_dict(*state)
    for ppo in (through, resumed):
        assert len(list(ppo.train())) == 4
    assert np.array_equal(through.learner.flat.numpy(), resumed.learner.flat.numpy())


def test_where_a_problem_cannot_be_snapshot_its_episodes_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build() -> PPO:
        problem = SimpleSpread(2, autoreset=False)
        object.__setattr__(problem.spec, "supports_snapshot", False)
        net = NetSpec.for_problem(problem.spec, hidden=(8,))
        return PPO(problem, net, PPOConfig(steps=2 * 10 * 3, rollout=10, compiled=False), (0,))

    through = build()
    through.iterate()
    state = json.loads(json.dumps(through.state_dict()[1]))
    assert not state["collector"]["whole"]
    resumed = build()
    resumed.load_state_dict(through.state_dict()[0], state)
    assert resumed.iteration == 1
    assert resumed.collector._decision.tolist() == [0, 0]
    assert len(list(resumed.train())) == 2


if __name__ == "__main__":
    fix_the_clock()
    train(Path(sys.argv[1]), wait_in_the_middle)
