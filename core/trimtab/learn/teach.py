"""Imitation: behaviour cloning and DAgger (Ross, Gordon, Bagnell 2011) from any controller.

Round 0 is played by the teacher; later rounds by the student, drawing from its distribution, so
that the data cover the student's own mistakes. Every observation is labelled by the teacher and
all rounds are kept. Behaviour cloning is DAgger with one round.

Example, a student of a classical controller, then PPO on a leash from where it stands:

    net = NetSpec.for_problem(problem.spec, hidden=(128, 128))
    student = dagger(problem, teacher, net, DaggerConfig(), seeds=(0,)).policy
    ppo = PPO(problem, net, PPOConfig(leash=1.0), seeds=(0,), teacher=student, initial=student)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.deploy.arrays import Array
from trimtab.deploy.network import NetSpec, actor
from trimtab.deploy.policy import Interface, Normaliser, Policy
from trimtab.learn.collect import Collector
from trimtab.learn.curriculum import ScenarioSource
from trimtab.learn.dormant import dormant_share
from trimtab.learn.heads import teacher_loss
from trimtab.learn.nets import TorchOps, init_params
from trimtab.learn.normalise import RunningNormaliser
from trimtab.learn.step import WORTH_COMPILING, Learner, Tensors
from trimtab.learn.teacher import Teacher

_OPS = TorchOps()


@dataclass(frozen=True, slots=True)
class DaggerConfig:
    """Hyper-parameters.

    Attributes:
        rounds: rollouts; 1 is behaviour cloning.
        steps: decisions per copy and round.
        updates: Adam steps per round.
        batch: joint samples per update.
        learning_rate: of Adam.
        anneal: let the learning rate fall to 0 over all rounds.
        normalise_obs: fit the normaliser to the teacher's round.
        compiled: compile the update; None decides by the number of updates.
    """

    rounds: int = 6
    steps: int = 50
    updates: int = 400
    batch: int = 1024
    learning_rate: float = 1e-3
    anneal: bool = False
    normalise_obs: bool = True
    compiled: bool | None = None


@dataclass(frozen=True, slots=True)
class Student:
    """What imitation left.

    Attributes:
        policy: of all S seeds.
        loss: [rounds, S] mean divergence from the teacher in each round's updates.
        agreement: [rounds, S] share of live agents whose most likely discrete choice was the
            teacher's, on the round's fresh observations, before training on them (NaN for
            box-only actions).
        env_steps: decisions × copies played, all seeds together.
        dormant: [rounds, S] share of dormant units after each round, see `dormant`.
    """

    policy: Policy
    loss: NDArray[np.float32]
    agreement: NDArray[np.float64]
    env_steps: int
    dormant: NDArray[np.float32]


def clone(
    problem: ControlProblem,
    teacher: Controller,
    net: NetSpec,
    config: DaggerConfig,
    seeds: Sequence[int],
) -> Student:
    """Behaviour cloning: imitate the teacher on its own trajectories only."""
    single = replace(config, rounds=1, updates=config.updates * config.rounds)
    return dagger(problem, teacher, net, single, seeds)


def dagger(
    problem: ControlProblem,
    teacher: Controller | Policy,
    net: NetSpec,
    config: DaggerConfig,
    seeds: Sequence[int],
    *,
    source: ScenarioSource | None = None,
) -> Student:
    """Train S students of one teacher.

    Args:
        problem: copies are a multiple of the number of seeds; see `Collector`.
        teacher: a controller built on the same problem, or a policy.
        net: from `NetSpec.for_problem`.
        config: hyper-parameters.
        seeds: training seeds.
        source: scenarios, for problems with autoreset off.
    """
    interface = Interface(net, problem.spec)
    collector = Collector(problem, interface, seeds, Teacher(teacher, interface), source)
    roots = [np.random.SeedSequence(seed, spawn_key=(2,)).spawn(2) for seed in seeds]
    shuffle = np.random.default_rng(roots[0][1])
    params = init_params(net, [np.random.default_rng(root[0]) for root in roots])
    planned = config.rounds * config.updates
    compiled = config.compiled if config.compiled is not None else planned > WORTH_COMPILING

    def loss(
        weights: Tensors, batch: Tensors, coefficients: Tensors
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        out = actor(net, weights, batch, _OPS)
        divergence = teacher_loss(out, batch, interface.discrete)
        alive = batch["alive"]
        return (divergence * alive).sum((1, 2)) / alive.sum((1, 2)).clamp(min=1.0), {}

    learner = Learner(params, loss, compiled=compiled)
    policy = Policy(net, learner.weights, Normaliser({}, {}))
    data: dict[str, Array] = {}
    losses, agreements, shares, played = [], [], [], 0
    for number in range(config.rounds):
        rollout = collector.collect(policy, config.steps, labels=True, teacher_plays=number == 0)
        if number == 0 and config.normalise_obs:
            policy = Policy(net, learner.weights, _fit(net, rollout.inputs, rollout.alive))
        fresh = _samples(policy, rollout.inputs, rollout.alive, rollout.arrays, interface)
        filled = _append(data, fresh, number, config.rounds)
        agreements.append(_agreement(rollout.arrays, rollout.alive))
        played += int(rollout.alive[:, :-1].any(axis=-1).sum())
        batch = {name: torch.from_numpy(x) for name, x in data.items()}
        losses.append(_train(learner, batch, filled, config, number, shuffle))
        shares.append(dormant_share(net, learner.weights, fresh, "actor"))
    final = Policy(net, {k: x.copy() for k, x in learner.weights.items()}, policy.normaliser)
    return Student(final, np.stack(losses), np.stack(agreements), played, np.stack(shares))


def _fit(net: NetSpec, inputs: dict[str, Array], alive: Array) -> Normaliser:
    normaliser = RunningNormaliser(net, alive.shape[0])
    flat = {name: _join(x[:, :-1]) for name, x in inputs.items()}
    normaliser.add(flat, _join(alive[:, :-1]))
    return normaliser.frozen()


def _samples(
    policy: Policy,
    inputs: dict[str, Array],
    alive: Array,
    arrays: dict[str, Array],
    interface: Interface,
) -> dict[str, Array]:
    """Normalised inputs and labels, [S, T·N, A, ...]."""
    flat = {name: _join(x[:, :-1]) for name, x in inputs.items()}
    samples = policy.normaliser.apply(flat, interface)
    samples["alive"] = _join(alive[:, :-1]).astype(np.float32)
    for name in ("teacher_probs", "teacher_raw"):
        if name in arrays:
            samples[name] = _join(arrays[name])
    if "teacher_raw" in samples:
        shape = samples["teacher_raw"].shape
        samples["box_used"] = np.broadcast_to(interface.box_used, shape).copy()
    return samples


def _append(data: dict[str, Array], fresh: dict[str, Array], number: int, rounds: int) -> int:
    """Put a round's samples behind those before; returns how many rows are filled.

    Room for all rounds is made at once: shapes that grow would recompile the step each round.
    """
    for name, x in fresh.items():
        rows = x.shape[1]
        if name not in data:
            data[name] = np.zeros((x.shape[0], rounds * rows, *x.shape[2:]), dtype=x.dtype)
        data[name][:, number * rows : (number + 1) * rows] = x
    return int((number + 1) * fresh["alive"].shape[1])


def _agreement(arrays: dict[str, Array], alive: Array) -> NDArray[np.float64]:
    """[S] share of live agents on which student and teacher agree."""
    if "teacher_probs" not in arrays:
        return np.full(alive.shape[0], np.nan)
    live = alive[:, :-1]
    same = arrays["logits"].argmax(axis=-1) == arrays["teacher_probs"].argmax(axis=-1)
    return np.asarray((same & live).sum(axis=(1, 2, 3)) / np.maximum(live.sum(axis=(1, 2, 3)), 1))


def _train(
    learner: Learner,
    batch: dict[str, torch.Tensor],
    rows: int,
    config: DaggerConfig,
    number: int,
    shuffle: np.random.Generator,
) -> NDArray[np.float32]:
    """`updates` Adam steps on random minibatches of the rows of all rounds yet; mean loss [S]."""
    size = min(config.batch, rows)
    total = torch.zeros(batch["alive"].shape[0])
    for update in range(config.updates):
        index = torch.from_numpy(shuffle.integers(0, rows, size))
        done = (number + update / config.updates) / config.rounds
        rate = config.learning_rate * (1.0 - done if config.anneal else 1.0)
        total += learner.update(batch, index, {}, rate)[0]
    return np.asarray((total / config.updates).numpy())


def _join(x: Array) -> Array:
    """[S, T, N, ...] as [S, T·N, ...]."""
    return np.ascontiguousarray(x).reshape(x.shape[0], -1, *x.shape[3:])
