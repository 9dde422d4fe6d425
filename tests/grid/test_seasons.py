"""Training batches over all seasons, and learned controllers in small."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.controller import Controller, Entry
from trimtab.contracts.errors import SpecMismatchError, UnknownNameError
from trimtab.contracts.spec import Action, Obs
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Normaliser, Policy
from trimtab.deploy.weights import load_arrays, save_policy
from trimtab.learn import checkpoint
from trimtab.learn.checkpoint import Budget, Resumable
from trimtab.learn.nets import init_params
from trimtab.learn.risk import StockProblem
from trimtab.run.controllers import choose
from trimtab_grid import training
from trimtab_grid.controllers.fuel_account import last_fuel_l
from trimtab_grid.controllers.learned import entries, weights_name
from trimtab_grid.controllers.players import (
    LearnedController,
    StockPlayer,
    planner,
)
from trimtab_grid.controllers.rules import RuleController
from trimtab_grid.controllers.stochastic import StochasticProgram
from trimtab_grid.course import Course, Recipe
from trimtab_grid.domain import DOMAIN
from trimtab_grid.scenario import GridScenario
from trimtab_grid.seasons import Seasons, season_scenarios

HOUR = GridScenario(plant="plant-a", step_min=1, horizon_h=1)
WEEKS = GridScenario(plant="plant-b", step_min=60, horizon_h=8760)


def held(obs: Obs, units: int = 1) -> Action:
    """Hold every unit; the battery at rest."""
    rows = obs.copies
    return Action(np.ones((rows, 1, units), np.int64), np.zeros((rows, 1, 1), np.float32))


def played(scenario: GridScenario, entry: Entry, copies: int = 2, **parameters: Any) -> Any:
    """Metrics of whole episodes."""
    problem, seeds = DOMAIN.build(scenario, copies, entry.interface), np.arange(copies)
    controller = entry.factory(problem, **{**entry.defaults, **parameters})
    obs = problem.reset(seeds)
    controller.reset(seeds)
    while obs.alive.any():
        step = problem.step(controller.act(obs))
        obs = step.obs
    return step.metrics


def random_policy(problem: Any) -> Policy:
    net = NetSpec.for_problem(problem.spec, hidden=(8,))
    return Policy(net, init_params(net, [np.random.default_rng(0)]), Normaliser({}, {}))


class Hold(Controller):
    """A teacher that holds, within the limits of the battery."""

    def act(self, obs: Obs) -> Action:
        return held(obs)


def test_seasons_begin_on_days_spread_over_the_year() -> None:
    parts = season_scenarios(WEEKS, 4, 336.0)
    assert [part.data.first_day for part in parts] == [1, 92, 183, 275]
    assert {part.horizon for part in parts} == {336}
    (day,) = season_scenarios(HOUR, 1, 24.0)
    assert (day.data.first_day, day.horizon) == (1, 60)


def test_each_season_plays_as_it_would_alone() -> None:
    parts = season_scenarios(WEEKS, 2, 24.0)
    both = Seasons([DOMAIN.build(p, 3, autoreset=True) for p in parts], ends=False)
    seeds, context = np.arange(6), np.tile(both.spec.default_context, (6, 1))
    seen = both.reset(seeds, context)
    alone = [DOMAIN.build(p, 3, autoreset=True) for p in parts]
    own = [a.reset(seeds[3 * k : 3 * k + 3], context[:3]) for k, a in enumerate(alone)]
    assert np.array_equal(seen.obs, np.concatenate([o.obs for o in own]))
    for _ in range(30):
        step = both.step(held(seen, 3))
        steps = [a.step(held(o, 3)) for a, o in zip(alone, own, strict=True)]
        seen, own = step.obs, [s.obs for s in steps]
        assert np.array_equal(step.reward, np.concatenate([s.reward for s in steps]))
        assert np.array_equal(seen.action_mask, np.concatenate([o.action_mask for o in own]))
        if step.final_rows is not None:
            assert step.final_rows.tolist() == list(range(6))
            finals = [s.final_obs.obs for s in steps if s.final_obs is not None]
            assert np.array_equal(step.final_obs.obs, np.concatenate(finals))
    assert not np.array_equal(seen.obs[:3], seen.obs[3:])


def test_ends_are_cuts_or_ends_as_asked_and_charge_begins_at_random() -> None:
    for ends in (True, False):
        problem = Seasons([DOMAIN.build(HOUR, 4, "order", autoreset=True)], ends=ends)
        obs = problem.reset(np.arange(4))
        charge = problem.parts[0].resource("state").states["soc_first"]
        assert len(set(charge.tolist())) == 4
        for _ in range(60):
            step = problem.step(held(obs))
            obs = step.obs
        assert step.terminated.all() == ends
        assert step.truncated.all() == (not ends)


def test_a_snapshot_of_seasons_goes_on_alike() -> None:
    problem = Seasons([DOMAIN.build(HOUR, 2, "order", autoreset=True) for _ in range(2)], ends=True)
    obs = problem.reset(np.arange(4))
    kept = problem.snapshot(np.arange(4))
    first = [problem.step(held(obs)).reward for _ in range(5)]
    problem.restore(kept, np.arange(4))
    again = [problem.step(held(obs)).reward for _ in range(5)]
    assert np.array_equal(first, again)


def test_the_terminal_charge_counts_only_where_episodes_end() -> None:
    for scenario, counts in ((HOUR, 1.0), (WEEKS, 0.0)):
        problem = DOMAIN.build(scenario, 1)
        recipe = Recipe.of(scenario)
        course = Course(scenario, recipe, 0, lambda problem: Hold(), Resumable(Budget(1.0)))
        weights = course.reward_weights(problem)
        assert weights[problem.spec.reward_index("terminal")] == counts
        assert recipe.ends == bool(counts)


def test_stocks_worth_trying_are_the_fuel_of_the_larger_half_of_days() -> None:
    course = Course(HOUR, Recipe.of(HOUR), 0, lambda problem: Hold(), Resumable(Budget(1.0)))
    low, high = training.fuel_range(course.days(8), np.arange(8))
    entry = DOMAIN.controllers(HOUR)["combined"]
    fuel = played(HOUR, entry, 8)["fuel_l"]
    assert (low, high) == pytest.approx((np.median(fuel), fuel.max() + 1.0))


def test_a_part_that_is_ahead_ends_its_first_episode_earlier() -> None:
    parts = [DOMAIN.build(HOUR, 1, "order", autoreset=True) for _ in range(2)]
    problem = Seasons(parts, ends=True, ahead=(0, 45))
    obs, ended = problem.reset(np.arange(2)), []
    for t in range(60):
        step = problem.step(held(obs))
        ended += [(t, row) for row in np.flatnonzero(step.done).tolist()]
        obs = step.obs
    assert ended == [(14, 1), (59, 0)]


def test_weights_are_offered_on_their_own_plant_and_step_alone(tmp_path: Path) -> None:
    problem = DOMAIN.build(HOUR, 1, "order")
    notes = {"interface": "order", "env_steps": 10, "cpu_s": 1.0}
    path = tmp_path / weights_name("ppo", HOUR)
    save_policy(path, random_policy(problem), problem.spec, notes)
    offered = entries(HOUR, tmp_path)
    assert [name for name, entry in offered.items() if not entry.untrained] == ["ppo"]
    entry = offered["ppo"]
    assert (entry.role, entry.trained.env_steps) == ("learned", 10)
    longer = DOMAIN.build(HOUR.model_copy(update={"horizon_h": 2.0}), 2, "order")
    controller = entry.factory(longer, **entry.defaults)
    assert isinstance(controller, LearnedController)
    controller.reset(np.arange(2))
    assert controller.act(longer.reset(np.arange(2))).discrete.shape == (2, 1, 1)
    assert entries(WEEKS, tmp_path)["ppo"].untrained
    with pytest.raises(SpecMismatchError, match=r"trained on grid.plant-a-order-1.*train anew"):
        LearnedController(DOMAIN.build(WEEKS, 1), str(path))


def test_the_account_of_the_stock_player_is_the_days_fuel() -> None:
    problem = DOMAIN.build(HOUR, 3, "order")
    obs = problem.reset(np.arange(3))
    fuel, seen = np.zeros(3), np.zeros(3)
    model = problem.resource("model")
    while obs.alive.any():
        step = problem.step(Action(np.full((3, 1, 1), 2), np.zeros((3, 1, 1), np.float32)))
        fuel += step.reward[:, 0, problem.spec.reward_index("fuel")]
        if step.obs.alive.any():
            seen += last_fuel_l(model, step.obs)
            upto = fuel.copy()
        obs = step.obs
    assert seen == pytest.approx(upto, rel=0.001)
    assert fuel.min() > 1.0


def stock_player(scenario: GridScenario, folder: Path) -> tuple[Any, StockPlayer]:
    problem = DOMAIN.build(scenario, 2)
    widened = StockProblem(problem, 10.0, 50.0)
    path = folder / "cvar.safetensors"
    save_policy(path, random_policy(widened), widened.spec)
    return problem, StockPlayer(problem, str(path), 40.0, 10.0, 50.0)


def test_a_stock_player_plays_from_the_stock_that_is_left_and_every_day_anew(
    tmp_path: Path,
) -> None:
    days = GridScenario(plant="plant-b", step_min=60, horizon_h=48)
    problem, player = stock_player(days, tmp_path)
    obs = problem.reset(np.arange(2))
    player.reset(np.arange(2))
    left = []
    for _ in range(26):
        obs = problem.step(player.act(obs)).obs
        left.append(player.state_dict()["stock_l"][0])
    assert left[0] == left[24] == 40.0
    assert left[23] < left[1] < 40.0


def test_an_unknown_learned_controller_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="learned controller 'pp'.*Did you mean 'ppo'"):
        DOMAIN.train(HOUR, "pp", 0, tmp_path)


@pytest.mark.parametrize("name", training.LEARNERS)
def test_every_learned_controller_trains_saves_and_plays(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(Recipe.of(HOUR), copies=8, rollout=60, discount=0.99)
    monkeypatch.setattr(Recipe, "of", classmethod(lambda cls, scenario: small))
    monkeypatch.setattr(training, "PLAYED", 8)
    monkeypatch.setattr(training, "JUDGED_DAYS", 4)
    lines: list[str] = []
    parameters = training.train(HOUR, name, 3, tmp_path, 0.5, lines.append, lambda problem: Hold())
    entry = entries(HOUR, tmp_path)[name]
    notes = json.loads((tmp_path / weights_name(name, HOUR)).with_suffix(".json").read_text())
    command = notes["notes"]["command"]
    assert command == f"trimtab train SCENARIO --controller {name} --seed 3 --cpu-s 0.5"
    assert lines
    if name != "sac_lagrangian":  # held to a limit, not to a cost
        clear = notes["notes"]["less_start_high_l"] < 0.0
        assert notes["notes"]["kept"] == ("what was learnt" if clear else "what it began as")
    assert entry.trained.env_steps > 0
    assert parameters.items() <= {**entry.defaults, **parameters}.items()
    metrics = played(HOUR, entry, **parameters)
    assert np.isfinite(metrics["cost_l"]).all()
    assert metrics["unserved_kwh"].max() == 0.0


class KilledError(Exception):
    """Stands for a kill."""


def killed_at(start: str, count: int, lines: list[str]) -> Callable[[str], None]:
    """Keeps what is told, and kills after the line that is the `count`-th of this kind."""

    def tell(line: str) -> None:
        lines.append(line)
        if sum(start in line for line in lines) == count:
            raise KilledError

    return tell


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of six iterations, saved after each, whose plan the clock does not change."""
    shape = replace(Recipe.of(HOUR), copies=8, rollout=60, discount=0.99)
    taught, settings = training.DaggerConfig, training.off_policy_settings
    monkeypatch.setattr(Recipe, "of", classmethod(lambda cls, scenario: shape))
    monkeypatch.setattr(training, "PLAYED", 8)
    monkeypatch.setattr(training, "JUDGED_DAYS", 4)
    monkeypatch.setattr(training, "STEPS_PER_CPU_S", 8 * 60 * 6 / 10)
    monkeypatch.setattr(training, "DaggerConfig", lambda **k: taught(**{**k, "updates": 4}))
    steps = {"steps": 8 * 32 + 8 * 16 * 6}
    monkeypatch.setattr(training, "off_policy_settings", lambda *a: {**settings(*a), **steps})
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["ppo", "sac", "sac_lagrangian", "cvar"])
def test_a_training_that_was_killed_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    def train(folder: str, tell: Callable[[str], None]) -> tuple[Any, Any]:
        (tmp_path / folder).mkdir(exist_ok=True)
        training.train(HOUR, name, 3, tmp_path / folder, 11.0, tell, lambda problem: Hold())
        arrays, manifest = load_arrays(tmp_path / folder / weights_name(name, HOUR))
        return arrays, dict(manifest["notes"], cpu_s=0)

    told: list[str] = []
    with pytest.raises(KilledError):
        train("killed", killed_at(" steps, ", 2, []))
    resumed, through = train("killed", told.append), train("through", lambda line: None)
    assert any(line.startswith("goes on after 4 iterations, ") for line in told)
    assert not any(line.startswith("imitation") for line in told)
    assert all(np.array_equal(x, through[0][name]) for name, x in resumed[0].items())
    assert resumed[1] == through[1]
    assert len(list((tmp_path / "killed").iterdir())) == 2


@pytest.mark.usefixtures("small")
def test_what_was_learnt_offline_is_not_learnt_again(tmp_path: Path) -> None:
    told: list[str] = []

    def train(tell: Callable[[str], None]) -> None:
        training.train(HOUR, "offline_online", 3, tmp_path, 1.0, tell, lambda problem: Hold())

    with pytest.raises(KilledError):
        train(killed_at(" steps, ", 1, []))
    train(told.append)
    assert told[0].startswith("goes on after 0 iterations, ")
    assert not any(line.startswith(("logs", "offline, ")) for line in told)


def test_every_learned_controller_is_offered_everywhere_and_plays_a_rule_until_trained() -> None:
    scenario = GridScenario(plant="plant-b", step_min=60, horizon_h=12)
    offered = entries(scenario, Path("nowhere"))
    assert set(offered) == set(training.LEARNERS)
    assert all(entry.role == "learned" and entry.untrained for entry in offered.values())
    rule = played(scenario, DOMAIN.controllers(scenario)["combined"])["cost_l"]
    for name in ("ppo", "cvar"):
        assert np.array_equal(played(scenario, offered[name])["cost_l"], rule)


def test_without_names_a_run_leaves_out_what_was_not_trained() -> None:
    scenario = GridScenario(plant="plant-b", step_min=15, horizon_h=12)
    names = [choice.name for choice in choose(DOMAIN, scenario)]
    assert "load_following" in names
    assert "sac" not in names
    given = {"sac": {"weights": "w.safetensors"}}
    assert "sac" in [choice.name for choice in choose(DOMAIN, scenario, parameters=given)]
    assert [choice.name for choice in choose(DOMAIN, scenario, ["sac"])] == ["sac"]


def test_students_of_the_planner_are_taught_by_the_stochastic_program_where_data_are_generated(
    tmp_path: Path,
) -> None:
    problem = DOMAIN.build(HOUR, 1, "order")
    assert isinstance(planner(HOUR)(problem), StochasticProgram)
    own = HOUR.model_copy(update={"data": HOUR.data.model_copy(update={"kind": "weather"})})
    assert isinstance(planner(own)(problem), RuleController)
