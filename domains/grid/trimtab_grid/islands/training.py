"""Training of the agents of a cluster: students of a rule, then PPO for the cost of all islands.

All islands share one network that is told which island it acts for and sees what that island sees.
Every agent is paid the mean of all islands' rewards: paid its own alone, none would send surplus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import FloatArray
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.deploy.weights import save_policy
from trimtab.learn.checkpoint import Budget, Checkpoint, Progress, Resumable, Start, recipe_of
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.learn.teach import DaggerConfig, dagger
from trimtab.learn.verdict import judged
from trimtab.learn.wrapped import TeamProblem

from trimtab_grid.islands.building import build
from trimtab_grid.islands.controllers import sharing
from trimtab_grid.islands.domain import DOMAIN
from trimtab_grid.islands.learned import IPPO, weights_name
from trimtab_grid.islands.scenario import IslandsScenario

CPU_S = 120.0
"""Default budget."""
COPIES, ROUNDS, JUDGED = 96, 4, 64
STEPS_PER_CPU_S = 8_000
"""Decisions of a whole cluster per CPU second, for planning the learning rate's fall."""
_FIRST_SEED = 1_000_000


def train(
    scenario: IslandsScenario,
    controller: str,
    seed: int,
    out: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
    copies: int = COPIES,
) -> Mapping[str, Any]:
    """Train the agents; weights and manifest go into `out`.

    Args:
        scenario: the cluster.
        controller: the one that there is, `ippo`.
        seed: of training.
        out: folder.
        cpu_s: budget; None for `CPU_S`.
        progress: told how it goes.
        copies: clusters side by side.

    Returns:
        Parameters of the controller's factory.

    Raises:
        UnknownNameError: no learned controller has that name.
    """
    if controller != IPPO:
        raise UnknownNameError(controller, "learned controller", [IPPO])
    budget = Budget(CPU_S if cpu_s is None else cpu_s)
    tell, path = progress or (lambda line: None), out / weights_name(scenario)
    given = {"controller": controller, "seed": seed, "cpu_s": budget.cpu_s, "copies": copies}
    file, follows = path.with_suffix(".training.safetensors"), recipe_of(DOMAIN, scenario, **given)
    kept = Resumable(budget, Checkpoint(file, follows, progress), progress)
    problem = TeamProblem(build(scenario, copies, autoreset=True))
    net = NetSpec.for_problem(problem.spec, activation="relu", initial_std=0.2)
    begun = kept.begin(lambda: _student(problem, net, budget, seed, tell))
    start, config = begun.policy, _config(problem, begun.facts["left_s"])
    ppo = PPO(problem, net, config, (seed,), teacher=start, initial=start)
    for report in kept.train(ppo):
        tell(f"{int(report.env_steps[0])} steps, {budget.spent_s:.0f} CPU-s")
    costs = [_costs(scenario, policy, seed) for policy in (start, ppo.policy().seed(0))]
    tell(f"mean C: students {costs[0].mean():.1f} L, improved on-policy {costs[1].mean():.1f} L")
    verdict = judged(costs[1], costs[0])
    tell(verdict.told("C", "L", "the students"))
    notes = {
        "controller": IPPO,
        "command": f"trimtab train SCENARIO --controller {IPPO} --seed {seed} "
        f"--cpu-s {budget.cpu_s:g}",
        "seed": seed,
        "cpu_s": round(budget.spent_s, 1),
        "env_steps": begun.facts["env_steps"] + int(ppo.env_steps[0]),
        "step_min": scenario.step_min,
        "kept": "what was learnt" if verdict.better else "the students they began as",
        "against_students": asdict(verdict),
    }
    save_policy(
        path, ppo.policy().seed(0) if verdict.better else start.seed(0), problem.spec, notes
    )
    kept.end()
    return {"weights": str(path)}


def _student(
    problem: ControlProblem, net: NetSpec, budget: Budget, seed: int, tell: Progress
) -> Start:
    config = DaggerConfig(
        rounds=ROUNDS,
        steps=max(1, problem.spec.horizon // 2),
        updates=max(4, min(400, int(5 * budget.cpu_s))),
        batch=1024,
        learning_rate=2e-3,
        compiled=False,
    )
    found = dagger(problem, sharing(problem), net, config, (seed,))
    tell(f"imitation: {budget.spent_s:.0f} CPU-s")
    return Start(found.policy, {"env_steps": found.env_steps, "left_s": budget.left(0.9)})


def _config(problem: ControlProblem, left_s: float) -> PPOConfig:
    """A rollout is an episode; the leash is gone after half of the run."""
    step_h = problem.spec.dt_s / 3600.0
    return PPOConfig(
        steps=int(STEPS_PER_CPU_S * max(5.0, left_s)),
        rollout=problem.spec.horizon,
        minibatches=24,
        discount=1.0 - min(0.5, step_h / 12.0),
        trace=0.98,
        learning_rate=5e-4,
        normalise_reward=True,
        leash=0.05,
        leash_until=0.5,
        critic_warmup=2,
        compiled=False,
    )


def _costs(scenario: IslandsScenario, policy: Policy, seed: int) -> FloatArray:
    """C of whole episodes on seeds that neither training nor evaluation uses, L."""
    problem = build(scenario, JUDGED)
    seeds = np.random.default_rng(seed).integers(_FIRST_SEED, 2**50, JUDGED)
    player: Controller = PolicyController(problem, policy)
    obs = problem.reset(seeds)
    player.reset(seeds)
    while obs.alive.any():
        step = problem.step(player.act(obs))
        obs = step.obs
    return np.asarray(step.metrics["cost_l"])
