"""Training of the learned controllers of microgrids, on generated seeds that no evaluation uses.

- `ppo`: a student of a dispatch rule (DAgger), improved on-policy on a leash to that student.
- `student`: the same, of the best planner without foresight in place of the rule; so are the
  teachers of those that follow.
- `sac`: soft actor-critic from a student's actor, on a leash to it; fuel is counted beyond an
  ideal plant (`excess`), returns run over the rest of a rollout.
- `sac_lagrangian`: the same with a limit on the battery's throughput in place of its fixed price;
  a multiplier finds the price that keeps the limit.
- `cvar`: a student of the averse program (`controllers.averse`), improved for the mean of C plus
  the CVaR of a day's fuel, its worst 5 % of days, with what is left of the day's stock in sight.
- `offline_online`: implicit Q-learning from the teacher's logs, then online.

Every learner is paid the default scalar C in litres. Where an episode is a day that is settled by
itself, its end is an end and the terminal charge is part of it; in longer scenarios training
episodes are cut pieces, so what follows is bootstrapped and the terminal charge has no weight:
either way an emptier battery is not free. Evaluations must use seeds below `TRAINING_SEEDS`;
training draws its own from 63 bits, spawned from the training seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.deploy.weights import save_policy
from trimtab.learn.checkpoint import Budget, Checkpoint, Progress, Resumable, Start, recipe_of
from trimtab.learn.dataset import Dataset, record
from trimtab.learn.iql import IQL, IQLConfig
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.learn.report import Trainer
from trimtab.learn.risk import StockProblem, choose_stock
from trimtab.learn.sac import SAC, SACConfig
from trimtab.learn.teach import DaggerConfig, dagger
from trimtab.learn.verdict import Verdict, judged
from trimtab.learn.wrapped import LimitedProblem

from trimtab_grid.controllers.averse import TAIL
from trimtab_grid.controllers.averse import WEIGHT as CVAR_WEIGHT
from trimtab_grid.controllers.learned import weights_name
from trimtab_grid.controllers.players import averse_planner, planner, teacher
from trimtab_grid.course import Course, Recipe, Teacher, Trained
from trimtab_grid.domain import DOMAIN
from trimtab_grid.excess import ExcessProblem
from trimtab_grid.scenario import GridScenario

TRAINING_SEEDS = 1_000_000
"""Evaluation seeds are smaller; those drawn for training are larger with near certainty."""
CPU_S = 240.0
"""Default budget."""
PLAYED = 240
"""Plants side by side where learning is off-policy."""
CREDITED = 16
"""Decisions of a rollout there, over which returns run."""
NEAR_STEPS = 120.0
"""Decisions that action values look ahead: they cannot tell apart what is worth far more."""
WARM_UP = 20
"""Iterations in which only the critics of an actor that was taught learn."""
LEASH = 0.3
"""Weight of the divergence from the student, in litres a minute."""
WEAR_CYCLES_A_DAY = 1.0
"""Equivalent full cycles of the battery that `sac_lagrangian` may use."""
PRICE_RATE = 0.01
"""How fast the price of throughput follows the excess, L/kWh per kWh a decision and iteration."""
JUDGED_DAYS = 240
"""Days on which a training judges what it found: twelve lie in the tail."""
STOCKS = 7
"""How many of them."""
UNTRUSTED = 0.02 / 15.0
"""1 - λ of a day per minute of the step: what is done is credited for hours at any step."""
STEPS_PER_CPU_S = 25_000
"""Decisions of one whole PPO iteration per CPU second, for planning the learning rate's fall."""


def train(
    scenario: GridScenario,
    controller: str,
    seed: int,
    out: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
    taught_by: Teacher | None = None,
) -> Mapping[str, Any]:
    """Train one learned controller; weights and manifest go into `out`.

    Args:
        scenario: what to train on.
        controller: one of `LEARNERS`.
        seed: of training.
        out: folder.
        cpu_s: budget; None for `CPU_S`.
        progress: told of every fourth iteration.
        taught_by: builds the classical controller that is imitated first; None for the learner's.

    Returns:
        Parameters of the controller's factory: `weights`, and `stock_l` for `cvar`.

    Raises:
        UnknownNameError: no learned controller has that name.
    """
    if controller not in LEARNERS:
        raise UnknownNameError(controller, "learned controller", LEARNERS)
    tutor = taught_by or tutor_of(controller, scenario)
    budget, recipe = Budget(CPU_S if cpu_s is None else cpu_s), Recipe.of(scenario)
    given = {"controller": controller, "seed": seed, "cpu_s": budget.cpu_s}
    path = (out / weights_name(controller, scenario)).with_suffix(".training.safetensors")
    follows = recipe_of(DOMAIN, scenario, **given, recipe=asdict(recipe))
    kept = Resumable(budget, Checkpoint(path, follows, progress), progress)
    course = Course(scenario, recipe, seed, tutor, kept, progress)
    trained = LEARNERS[controller](course)
    return save(course, controller, trained, out)


def tutor_of(controller: str, scenario: GridScenario) -> Teacher:
    """Who a learned controller begins as a student of."""
    if controller == "ppo":
        return teacher
    return averse_planner(scenario, CVAR_WEIGHT) if controller == "cvar" else planner(scenario)


def save(course: Course, controller: str, trained: Trained, out: Path) -> Mapping[str, Any]:
    """Write weights and manifest into `out`; the parameters of the controller's factory."""
    path, budget, seed = out / weights_name(controller, course.scenario), course.budget, course.seed
    given = f"--controller {controller} --seed {seed} --cpu-s {budget.cpu_s:g}"
    notes = {
        "controller": controller,
        "command": f"trimtab train SCENARIO {given}",
        "seed": seed,
        "cpu_s": round(budget.spent_s, 1),
        "env_steps": trained.env_steps,
        "step_min": course.scenario.step_min,
        "interface": course.recipe.interface,
        "kept": "what was learnt" if trained.better else "what it began as",
        **trained.extra,
        **trained.told,
    }
    save_policy(path, trained.policy, trained.problem.spec, notes)
    course.kept.end()
    return {"weights": str(path), **trained.extra}


def student(course: Course, problem: ControlProblem, net: NetSpec) -> Start:
    """A student of the teacher on its own states, the decisions it took, and the CPU-s left then.

    The first round is the teacher's own play. Plants that run ahead of each other in the day pass
    half a day in the four rounds.
    """
    rounds, recipe = 4, course.recipe
    config = DaggerConfig(
        rounds=rounds,
        steps=max(1, recipe.rollout * (2 if recipe.phases > 1 else 4) // rounds),
        updates=max(4, min(400, int(20 * course.budget.cpu_s))),
        batch=2048,
        learning_rate=2e-3,
        compiled=False,
    )

    def imitate() -> Start:
        found = dagger(problem, course.teacher(problem), net, config, (course.seed,))
        spent, agree = f"{course.budget.spent_s:.0f} CPU-s", f"{found.agreement[-1, 0]:.3f} agree"
        course.tell(f"imitation: {spent}, {agree}")
        facts = {"env_steps": found.env_steps, "left_s": course.budget.left(0.9)}
        return Start(found.policy, facts)

    return course.kept.begin(imitate)


def by_ppo(course: Course) -> Trained:
    """Student of the teacher, then PPO from where it stands."""
    weights = course.reward_weights(course.plants(1))
    start, found = improved(course, course.plants, weights, course.recipe.discount)
    return cheaper(course, start, found)


def cheaper(course: Course, start: Policy, found: Trained) -> Trained:
    """What was trained if the paired interval shows it cheaper than `start` on unseen days."""
    theirs, ours = judged_days(course, "cost_l", start, found.policy)
    course.tell(f"mean C: began at {theirs.mean():.1f} L, what was learnt {ours.mean():.1f} L")
    return accepted(course, judged(ours, theirs), start, found)


def accepted(course: Course, verdict: Verdict, start: Policy, found: Trained) -> Trained:
    """What was trained, or `start` where the verdict does not show it better."""
    course.tell(verdict.told("C", "L", "what it began as"))
    told = {f"less_start_{name}_l": getattr(verdict, name) for name in ("mean", "low", "high")}
    found = replace(found, told={**found.told, **told})
    return found if verdict.better else replace(found, policy=start.seed(0), better=False)


def judged_days(course: Course, metric: str, *policies: Policy) -> list[FloatArray]:
    """A metric of each on the same days of neither training nor evaluation."""
    days = course.days(JUDGED_DAYS)
    seeds = fresh_seeds(course, days)
    players = [PolicyController(days, policy) for policy in policies]
    return [play(days, player, seeds)[metric] for player in players]


def fresh_seeds(course: Course, days: ControlProblem) -> IntArray:
    """Seeds of days on which a training judges what it found, [N]."""
    draw = np.random.default_rng(course.seed)
    return draw.integers(TRAINING_SEEDS, 2**62, days.copies)


def play(days: ControlProblem, controller: Controller, seeds: IntArray) -> Mapping[str, FloatArray]:
    """Metrics of one whole episode per seed, from the charge of the default context."""
    obs = days.reset(seeds, np.repeat(days.spec.default_context[None], len(seeds), axis=0))
    controller.reset(seeds)
    while True:
        step = days.step(controller.act(obs))
        obs = step.obs
        if not obs.alive.any():
            return step.metrics


def improved(
    course: Course,
    plants: Callable[[int], ControlProblem],
    weights: tuple[float, ...] | None,
    discount: float,
) -> tuple[Policy, Trained]:
    """A student on so many plants, and what it became on-policy."""
    problem = plants(course.recipe.copies)
    net = NetSpec.for_problem(problem.spec, activation="relu", initial_std=0.2)
    begun = student(course, plants(course.imitating), net)
    start, left_s = begun.policy, begun.facts["left_s"]
    settings = ppo_config(course, weights, discount, left_s)
    ppo = PPO(problem, net, settings, (course.seed,), teacher=start, initial=start)
    _run(ppo, course)
    played = begun.facts["env_steps"] + int(ppo.env_steps[0])
    return start, Trained(ppo.policy().seed(0), problem, played, {})


def ppo_config(
    course: Course, weights: tuple[float, ...] | None, discount: float, left_s: float
) -> PPOConfig:
    """The leash is gone after half of the run; the critic alone learns at first."""
    recipe = course.recipe
    return PPOConfig(
        steps=int(STEPS_PER_CPU_S * max(10.0, left_s)),
        rollout=recipe.rollout,
        minibatches=24,
        discount=discount,
        trace=max(0.95, 1.0 - UNTRUSTED * course.scenario.step_min) if recipe.ends else 0.95,
        learning_rate=5e-4,
        normalise_reward=True,
        reward_weights=weights,
        leash=0.05,
        leash_until=0.5,
        critic_warmup=2,
        compiled=False,
    )


def _run(trainer: Trainer, course: Course) -> None:
    """Iterate until the learner ends or the budget is spent."""
    for number, report in enumerate(course.kept.train(trainer)):
        if number % 4 == 0:
            loss, steps = float(report.loss[0]), int(report.env_steps[0])
            course.tell(f"{steps} steps, {course.budget.spent_s:.0f} CPU-s, loss {loss:.3g}")


def by_sac(course: Course) -> Trained:
    """Soft actor-critic from the student's actor."""
    problem = course.plants(course.imitating)
    start = student(course, problem, off_policy_net(problem))
    weights = course.reward_weights(problem)
    found, _ = soft(course, ExcessProblem(course.plants(PLAYED)), start, weights)
    return cheaper(course, start.policy, found)


def by_lagrangian(course: Course) -> Trained:
    """The same, with the battery's wear not at its fixed price but below a limit."""
    problem = course.plants(course.imitating)
    start = student(course, problem, off_policy_net(problem))
    weights = list(course.reward_weights(problem))
    weights[problem.spec.reward_index("throughput")] = 0.0
    plant = problem.parts[0].arrays
    a_day = WEAR_CYCLES_A_DAY * 2.0 * float(plant.energy_kwh)
    limit = a_day * float(plant.step_h) / 24.0
    limited = LimitedProblem(ExcessProblem(course.plants(PLAYED)), "throughput", limit)
    found, price = soft(course, limited, start, tuple(weights), cost_rate=PRICE_RATE)
    (each,) = judged_days(course, "throughput_kwh", found.policy)
    spent = float(each.mean()) * 24.0 / course.recipe.episode_h
    told = {"limit_kwh_a_day": a_day, "price_l_kwh": price, "spent_kwh_a_day": spent}
    course.tell(f"throughput {spent:.0f} of at most {a_day:.0f} kWh a day, at {price:.4f} L/kWh")
    return replace(found, told=told)


def soft(
    course: Course,
    problem: ControlProblem,
    start: Start,
    weights: tuple[float, ...],
    cost_rate: float = 0.0,
) -> tuple[Trained, float]:
    """Soft actor-critic from where `start` stands, and the multiplier of the first cost."""
    config = SACConfig(
        **off_policy_settings(course, weights),
        temperature=0.01,
        automatic=False,
        cost_rate=cost_rate,
        critic_warmup=WARM_UP,
        leash=LEASH,
    )
    sac = SAC(problem, off_policy_net(problem), config, (course.seed,), initial=start.policy)
    _run(sac, course)
    played = start.facts["env_steps"] + int(sac.env_steps[0])
    found = Trained(sac.policy().seed(0), problem, played, {})
    return found, float(sac.lagrange.value[0, 0]) * course.scenario.step_min


def off_policy_net(problem: ControlProblem) -> NetSpec:
    """Squashed, with a spread that depends on the observation."""
    return NetSpec.for_problem(
        problem.spec, activation="relu", squash=True, state_std=True, initial_std=0.2
    )


def off_policy_settings(course: Course, weights: tuple[float, ...]) -> dict[str, Any]:
    """What SAC and IQL share: rewards in litres a minute, few updates for many plants."""
    return {
        "steps": 10**9,
        "start": PLAYED * 32,
        "rollout": CREDITED,
        "multi_step": True,
        "update_ratio": 1.0 / 60.0,
        "capacity": 400_000,
        "batch": 512,
        "learning_rate": 1e-3,
        "polyak": 0.02,
        "discount": near_discount(course.recipe),
        "max_grad_norm": 10.0,
        "reward_weights": weights,
        "reward_scale": 1.0 / course.scenario.step_min,
        "compiled": False,
    }


def near_discount(recipe: Recipe) -> float:
    """γ of action values."""
    return min(recipe.discount, 1.0 - 1.0 / NEAR_STEPS)


def by_cvar(course: Course, weight: float = CVAR_WEIGHT) -> Trained:
    """Student of the averse program on days whose stock of fuel is in sight, then PPO.

    At `weight` 0 the learner is neutral to risk; its teacher is the course's.
    """
    course = replace(course, recipe=course.recipe.by_days())
    days = course.days(JUDGED_DAYS)
    seeds = fresh_seeds(course, days)
    low, high = fuel_range(days, seeds)
    course.tell(f"a day's fuel at stake: {low:.0f} to {high:.0f} L")
    start, found = improved(course, lambda n: stocked(course.plants(n), low, high, weight), None, 1)
    tried, stocks = stocked(days, low, high, weight), np.linspace(low, high, STOCKS)
    choice = choose_stock(tried, start.seed(0), TAIL, seeds, stocks)
    same = choose_stock(tried, found.policy, TAIL, seeds, np.array([choice.stock]))
    for name, of in (("student", choice), ("improved on-policy", same)):
        told = f"mean C {-of.beside:.1f} L, CVaR of fuel {-of.cvar:.1f} L"
        course.tell(f"{name}: stock {choice.stock:.0f} L, {told}")
    found = accepted(course, judged(same.costs, choice.costs), start, found)
    extra = {"stock_l": choice.stock, "stock_low_l": low, "stock_high_l": high}
    return replace(found, extra=extra)


def stocked(problem: ControlProblem, low: float, high: float, weight: float) -> StockProblem:
    """Pays −C, and by `weight` what the fuel beyond the day's stock adds to its CVaR."""
    weights = problem.spec.reward_weights
    fuel = np.arange(len(weights)) == problem.spec.reward_index("fuel")
    only = list(np.where(fuel, -1.0, 0.0))
    return StockProblem(problem, low, high, weights=only, risk=weight / TAIL, beside=list(weights))


def fuel_range(days: ControlProblem, seeds: IntArray) -> tuple[float, float]:
    """Stocks worth trying, L: fuel of the larger half of days under the rule of practice."""
    fuel = play(days, teacher(days), seeds)["fuel_l"]
    return float(np.quantile(fuel, 0.5)), float(fuel.max()) + 1.0


def offline_online(course: Course) -> Trained:
    """Implicit Q-learning from the teacher's logs, then online; half of each batch stays logs."""
    logged = ExcessProblem(course.plants(course.imitating))
    net = off_policy_net(logged)
    weights = course.reward_weights(logged)
    config = IQLConfig(**off_policy_settings(course, weights), expectile=0.8, greed=3.0)
    played = ExcessProblem(course.plants(PLAYED))
    logs = _logs(course, logged, net) if course.kept.facts is None else None  # else in the replay
    iql = IQL(played, net, config, (course.seed,), data=logs)

    def fit() -> Start:
        while course.budget.left(0.5) > 0:
            loss = float(iql.fit(100).loss[0])
            course.tell(f"offline, {course.budget.spent_s:.0f} CPU-s, loss {loss:.3g}")
        return Start(iql.policy().seed(0), {"env_steps": iql.replay.filled})

    offline = course.kept.begin(fit, iql)
    _run(iql, course)
    env_steps = offline.facts["env_steps"] + int(iql.env_steps[0])
    return cheaper(course, offline.policy, Trained(iql.policy().seed(0), played, env_steps, {}))


def _logs(course: Course, problem: ControlProblem, net: NetSpec) -> Dataset:
    """Logs of the teacher."""
    steps = course.recipe.rollout
    chunk, discount = min(CREDITED, steps), near_discount(course.recipe)
    rule = course.teacher(problem)
    logs = record(problem, rule, net, steps, course.seed, chunk=chunk, discount=discount)
    course.tell(f"logs: {logs.rows} decisions, {course.budget.spent_s:.0f} CPU-s")
    return logs


LEARNERS: Mapping[str, Callable[[Course], Trained]] = {
    "ppo": by_ppo,
    "student": by_ppo,
    "sac": by_sac,
    "sac_lagrangian": by_lagrangian,
    "cvar": by_cvar,
    "offline_online": offline_online,
}
"""How each learned controller is trained."""
