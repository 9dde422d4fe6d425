"""Training of the learned controllers of microgrids, on generated seeds that no evaluation uses.

- `ppo`: a student of load following (DAgger), improved on-policy on a leash to that student.
- `sac`: soft actor-critic from the student's actor, learning from what was proposed.
- `sac_lagrangian`: the same with the domain's cost channels (unserved, surplus, missing reserve,
  interventions) priced by multipliers instead of fixed weights.
- `cvar`: the student improved on a day's cost augmented by its stock, for the worst 5 % of days.
- `offline_online`: implicit Q-learning from logs of load following, then online.

Every learner is paid the default scalar C in litres. Where an episode is a day that is settled by
itself, its end is an end and the terminal charge is part of it; in longer scenarios training
episodes are cut pieces, so what follows is bootstrapped and the terminal charge has no weight:
either way an emptier battery is not free. Evaluations must use seeds below `TRAINING_SEEDS`;
training draws its own from 63 bits, spawned from the training seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.problem import ControlProblem
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy
from trimtab.deploy.weights import save_policy
from trimtab.learn.dataset import record
from trimtab.learn.iql import IQL, IQLConfig
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.learn.report import Report
from trimtab.learn.risk import StockProblem, choose_stock
from trimtab.learn.sac import SAC, SACConfig
from trimtab.learn.teach import DaggerConfig, dagger

from trimtab_grid.controllers.learned import interface_of, weights_name
from trimtab_grid.controllers.players import DAY_H, teacher
from trimtab_grid.domain import DOMAIN
from trimtab_grid.scenario import GridScenario
from trimtab_grid.seasons import Seasons, season_scenarios

TRAINING_SEEDS = 1_000_000
"""Evaluation seeds are smaller; those drawn for training are larger with near certainty."""
LEARNED = ("ppo", "sac", "sac_lagrangian", "cvar", "offline_online")
TAIL = 0.05
"""Share of worst days whose mean cost the `cvar` controller lowers."""
PLAYED = 240
"""Plants side by side where learning is off-policy."""
STOCK_DAYS = 240
"""Days on which each stock is tried: twelve lie in the tail."""
STEPS_PER_CPU_S = 18_000
"""Decisions of one whole PPO iteration per CPU second, for planning the learning rate's fall."""

Teacher = Callable[[ControlProblem], Controller]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What depends on the scenario.

    Attributes:
        interface: action interface that is learnt.
        copies: plants side by side.
        rollout: decisions per iteration: a day at least, so that no hour is learnt alone.
        seasons: begin days, spread over what the scenario covers.
        episode_h: length of training episodes, h.
        ends: the end of an episode is an end, not a cut.
        discount: γ per step.
        cpu_s: default budget.
    """

    interface: str
    copies: int
    rollout: int
    seasons: int
    episode_h: float
    ends: bool
    discount: float
    cpu_s: float

    @classmethod
    def of(cls, scenario: GridScenario) -> Recipe:
        """Time constants follow the step: a battery is full or empty within hours."""
        ends = scenario.horizon_h <= DAY_H
        look_ahead_h = 12.0 if ends else 100.0
        discount = 1.0 - min(0.5, scenario.step_min / 60.0 / look_ahead_h)
        interface = interface_of(scenario)
        hours = scenario.horizon_h if ends else 336.0
        rollout = min(round(hours * 60.0 / scenario.step_min), 1440 if ends else 168)
        copies = 60 if ends else 192
        return cls(interface, copies, rollout, 1 if ends else 12, hours, ends, discount, 240.0)


class Budget:
    """CPU seconds since it was made."""

    def __init__(self, cpu_s: float) -> None:
        self.cpu_s, self._start = cpu_s, time.process_time()

    @property
    def spent_s(self) -> float:
        """So far."""
        return time.process_time() - self._start

    def left(self, share: float = 1.0) -> float:
        """Of a share of the budget, s; negative when it is used up."""
        return self.cpu_s * share - self.spent_s


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training left.

    Attributes:
        policy: of one seed.
        problem: that it was trained on.
        env_steps: decisions × plants.
        extra: what the controller needs besides (the stock of `cvar`).
    """

    policy: Policy
    problem: ControlProblem
    env_steps: int
    extra: Mapping[str, float]


def training_problem(scenario: GridScenario, recipe: Recipe, *, copies: int) -> Seasons:
    """Plants of all seasons side by side, charge at random."""
    parts = season_scenarios(scenario, recipe.seasons, recipe.episode_h)
    each = max(1, copies // len(parts))
    built = [DOMAIN.build(s, each, recipe.interface, autoreset=True) for s in parts]
    return Seasons(built, ends=recipe.ends)


def reward_weights(problem: ControlProblem, *, ends: bool) -> tuple[float, ...]:
    """The spec's weights; the terminal charge counts only where episodes end."""
    weights = [channel.weight for channel in problem.spec.rewards]
    if not ends:
        weights[problem.spec.reward_index("terminal")] = 0.0
    return tuple(weights)


def train(
    scenario: GridScenario,
    controller: str,
    seed: int,
    out: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
    taught_by: Teacher = teacher,
) -> Mapping[str, Any]:
    """Train one learned controller; weights and manifest go into `out`.

    Args:
        scenario: what to train on.
        controller: one of `LEARNED`.
        seed: of training.
        out: folder.
        cpu_s: budget; None for the recipe's.
        progress: told of every fourth iteration.
        taught_by: builds the classical controller that is imitated first.

    Returns:
        Parameters of the controller's factory: `weights`, and `stock_l` for `cvar`.

    Raises:
        UnknownNameError: no learned controller has that name.
    """
    if controller not in LEARNED:
        raise UnknownNameError(controller, "learned controller", LEARNED)
    recipe = Recipe.of(scenario)
    if cpu_s is not None:
        recipe = replace(recipe, cpu_s=cpu_s)
    budget = Budget(recipe.cpu_s)
    tell = progress or _silent
    learners: dict[str, Callable[[], Trained]] = {
        "ppo": lambda: by_ppo(scenario, recipe, seed, taught_by, budget, tell),
        "sac": lambda: by_sac(scenario, recipe, seed, taught_by, budget, tell),
        "sac_lagrangian": lambda: by_sac(
            scenario, recipe, seed, taught_by, budget, tell, priced=True
        ),
        "cvar": lambda: by_cvar(scenario, recipe, seed, taught_by, budget, tell),
        "offline_online": lambda: offline_online(scenario, recipe, seed, taught_by, budget, tell),
    }
    trained = learners[controller]()
    path = out / weights_name(controller, scenario)
    notes = {
        "controller": controller,
        "command": f"trimtab train SCENARIO {controller} --seed {seed} --cpu-s {budget.cpu_s:g}",
        "seed": seed,
        "cpu_s": round(budget.spent_s, 1),
        "env_steps": trained.env_steps,
        "step_min": scenario.step_min,
        "interface": recipe.interface,
        **trained.extra,
    }
    save_policy(path, trained.policy, trained.problem.spec, notes)
    return {"weights": str(path), **trained.extra}


def _silent(line: str) -> None:
    """Say nothing."""


def student(
    problem: ControlProblem, seed: int, teacher: Teacher, recipe: Recipe, net: NetSpec
) -> tuple[Policy, int]:
    """A student of the teacher on its own states, and the decisions it took.

    Three rounds of one rollout each: the teacher's own play, then twice the student's.
    """
    config = DaggerConfig(
        rounds=3,
        steps=recipe.rollout,
        updates=max(4, min(400, int(2 * recipe.cpu_s))),
        batch=2048,
        learning_rate=2e-3,
        compiled=False,
    )
    found = dagger(problem, teacher(problem), net, config, (seed,))
    return found.policy, found.env_steps


def by_ppo(
    scenario: GridScenario,
    recipe: Recipe,
    seed: int,
    teacher: Teacher,
    budget: Budget,
    tell: Progress,
) -> Trained:
    """Student of the teacher, then PPO from where it stands."""
    problem = training_problem(scenario, recipe, copies=recipe.copies)
    net = NetSpec.for_problem(problem.spec, activation="relu", initial_std=0.2)
    start, played = student(problem, seed, teacher, recipe, net)
    weights = reward_weights(problem, ends=recipe.ends)
    config = ppo_config(recipe, budget, weights)
    problem = training_problem(scenario, recipe, copies=recipe.copies)
    ppo = PPO(problem, net, config, (seed,), teacher=start, initial=start)
    _run(ppo.train(), budget, tell)
    return Trained(ppo.policy().seed(0), problem, played + int(ppo.env_steps[0]), {})


def ppo_config(recipe: Recipe, budget: Budget, weights: tuple[float, ...] | None) -> PPOConfig:
    """The leash is gone after 40 % of the run; the critic alone learns at first."""
    return PPOConfig(
        steps=int(STEPS_PER_CPU_S * max(10.0, budget.left(0.9))),
        rollout=recipe.rollout,
        minibatches=24,
        discount=recipe.discount,
        trace=0.98 if recipe.ends else 0.95,
        learning_rate=1e-3,
        normalise_reward=True,
        reward_weights=weights,
        leash=0.03,
        leash_until=0.4,
        critic_warmup=2,
        compiled=False,
    )


def _run(reports: Iterator[Report], budget: Budget, tell: Progress) -> None:
    """Iterate until the learner ends or the budget is spent."""
    for number, report in enumerate(reports):
        if number % 4 == 0:
            loss, steps = float(report.loss[0]), int(report.env_steps[0])
            tell(f"{steps} steps, {budget.spent_s:.0f} CPU-s, loss {loss:.3g}")
        if budget.left() <= 0:
            return


def by_sac(
    scenario: GridScenario,
    recipe: Recipe,
    seed: int,
    teacher: Teacher,
    budget: Budget,
    tell: Progress,
    *,
    priced: bool = False,
) -> Trained:
    """Soft actor-critic from the student's actor; `priced`: costs by multipliers."""
    problem = training_problem(scenario, recipe, copies=PLAYED)
    net = off_policy_net(problem)
    start, played = student(problem, seed, teacher, recipe, net)
    weights = list(reward_weights(problem, ends=recipe.ends))
    if priced:
        for name in ("unserved", "intervention"):
            weights[problem.spec.reward_index(name)] = 0.0
    config = SACConfig(
        **off_policy_settings(recipe, tuple(weights)),
        temperature=0.01,
        discrete_entropy=0.05,
        box_entropy=-2.0,
        cost_rate=0.01 if priced else 0.0,
    )
    problem = training_problem(scenario, recipe, copies=PLAYED)
    sac = SAC(problem, net, config, (seed,), initial=start)
    _run(sac.train(), budget, tell)
    return Trained(sac.policy().seed(0), problem, played + int(sac.env_steps[0]), {})


def off_policy_net(problem: ControlProblem) -> NetSpec:
    """Squashed, with a spread that depends on the observation."""
    return NetSpec.for_problem(
        problem.spec, activation="relu", squash=True, state_std=True, initial_std=0.2
    )


def off_policy_settings(recipe: Recipe, weights: tuple[float, ...]) -> dict[str, Any]:
    """What SAC and IQL share: rewards of about 1 a step, few updates for many plants."""
    return {
        "steps": 10**9,
        "start": PLAYED * 32,
        "rollout": 8,
        "update_ratio": 1.0 / 60.0,
        "capacity": 400_000,
        "batch": 1024,
        "learning_rate": 1e-3,
        "discount": recipe.discount,
        "reward_weights": weights,
        "reward_scale": 1.0 if recipe.ends else 0.01,
        "compiled": False,
    }


def by_cvar(
    scenario: GridScenario,
    recipe: Recipe,
    seed: int,
    teacher: Teacher,
    budget: Budget,
    tell: Progress,
) -> Trained:
    """PPO on a day's cost with its stock; then the stock for the worst `TAIL` of days."""
    plain = training_problem(scenario, recipe, copies=recipe.copies)
    weights = np.array(reward_weights(plain, ends=True))
    signed = plain.spec.reward_weights * (weights != 0.0)
    low, high = stock_range(scenario, recipe, signed)
    problem = StockProblem(plain, low, high, weights=list(signed))
    net = NetSpec.for_problem(problem.spec, activation="relu", initial_std=0.2)
    start, played = student(problem, seed, teacher, recipe, net)
    config = ppo_config(recipe, budget, None)
    ppo = PPO(problem, net, config, (seed,), teacher=start, initial=start)
    _run(ppo.train(), budget, tell)
    policy = ppo.policy().seed(0)
    part = season_scenarios(scenario, 1, recipe.episode_h)[0]
    days = DOMAIN.build(part, STOCK_DAYS, recipe.interface)
    tried = StockProblem(days, low, high, weights=list(signed))
    seeds = np.random.default_rng(seed).integers(TRAINING_SEEDS, 2**62, STOCK_DAYS)
    choice = choose_stock(tried, policy, TAIL, seeds, np.linspace(low, high, 7))
    tell(f"stock {choice.stock:.0f} L, CVaR of the cost {-choice.cvar:.0f} L")
    extra = {"stock_l": choice.stock, "stock_low_l": low, "stock_high_l": high}
    return Trained(policy, problem, played + int(ppo.env_steps[0]), extra)


def stock_range(scenario: GridScenario, recipe: Recipe, weights: np.ndarray) -> tuple[float, float]:
    """Stocks worth trying: what an episode may cost if nothing is stored, less nothing at all."""
    plant = scenario.resolved_plant()
    hours = recipe.episode_h
    most = sum(
        (g.fuel.slope_l_kwh or 0.25) * g.prime_kw + (g.fuel.no_load_l_h or 0.0)
        for g in plant.gensets
    )
    fuel = -float(weights[0])
    return 0.1 * fuel * most * hours, 0.7 * fuel * most * hours


def offline_online(
    scenario: GridScenario,
    recipe: Recipe,
    seed: int,
    teacher: Teacher,
    budget: Budget,
    tell: Progress,
) -> Trained:
    """Implicit Q-learning from the teacher's logs, then online; half of each batch stays logs."""
    problem = training_problem(scenario, recipe, copies=recipe.copies)
    net = off_policy_net(problem)
    logs = record(problem, teacher(problem), net, recipe.rollout, seed, chunk=recipe.rollout)
    weights = reward_weights(problem, ends=recipe.ends)
    config = IQLConfig(**off_policy_settings(recipe, weights), expectile=0.8, greed=5.0)
    problem = training_problem(scenario, recipe, copies=PLAYED)
    iql = IQL(problem, net, config, (seed,), data=logs)
    while budget.left(0.4) > 0:
        report = iql.fit(100)
        tell(f"offline, {budget.spent_s:.0f} CPU-s, loss {float(report.loss[0]):.3g}")
    _run(iql.train(), budget, tell)
    return Trained(iql.policy().seed(0), problem, logs.rows + int(iql.env_steps[0]), {})
