"""Training of the learned adaptation policy, and how it is offered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import Entry
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.problem import Budget
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray

from trimtab_hardware.dram.adapt.controllers import LocalityThreshold
from trimtab_hardware.dram.adapt.learned import (
    ACTIONS,
    SCHEDULER,
    STATES,
    EpochTable,
    Table,
    empty_table,
    states_of,
)
from trimtab_hardware.dram.adapt.problem import AdaptProblem
from trimtab_hardware.dram.adapt.scenario import AdaptScenario

WEIGHTS = Path(__file__).parent / "weights" / "epoch_table.safetensors"
TRAINING_S = 20.0
"""CPU seconds of training, if the user says nothing."""


def learned_entry(weights: Path = WEIGHTS) -> Entry:
    """The table that ships, with what its training took."""
    notes = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))["notes"]
    return Entry(
        "learned",
        EpochTable,
        "the threshold rule, improved where a table of trials says so",
        defaults={"weights": str(weights)},
        files=(weights, weights.with_suffix(".json")),
        trained=Budget(env_steps=int(notes["env_steps"]), cpu_s=float(notes["cpu_s"])),
    )


def train(
    scenario: AdaptScenario, controller: str, seed: int, out: Path, cpu_s: float | None,
    progress: Callable[[str], None] | None,
) -> Mapping[str, Any]:  # fmt: skip
    """Train the table on the scenario's traffic; see `Domain.train`.

    Raises:
        TrimtabError: another controller.
    """
    if controller != "epoch_table":
        msg = f"hardware.dramadapt: {controller!r} is not trained; epoch_table is"
        raise TrimtabError(msg)
    begun = time.process_time()
    table, played = learn(scenario, seed, cpu_s or TRAINING_S, progress)
    path = out / WEIGHTS.name
    spent = round(time.process_time() - begun, 1)
    table.save(path, {"env_steps": played, "cpu_s": spent, "seed": seed})
    return {"weights": str(path)}


def learn(
    scenario: AdaptScenario,
    seed: int,
    cpu_s: float,
    progress: Callable[[str], None] | None = None,
    *,
    copies: int = 8,
    strewn: float = 0.4,
    discount: float = 0.5,
) -> tuple[Table, int]:
    """Play the rule with random page policies strewn in until the budget is spent.

    Traffic seeds are drawn from 10,000 up, so that none is of those that comparisons use. The load
    varies around the scenario's from episode to episode.

    Args:
        scenario: what to learn on.
        seed: of exploration and traffic.
        cpu_s: CPU seconds.
        progress: called with a line from time to time.
        copies: engines at a time.
        strewn: share of decisions that are random.
        discount: of the next epoch's latency.

    Returns:
        The table and the epochs played.
    """
    rng, begun = np.random.default_rng([seed, 0xADA]), time.process_time()
    problem, table, played = AdaptProblem(scenario, copies, autoreset=False), empty_table(), 0
    ruled = np.zeros((STATES, ACTIONS), np.int64)
    while time.process_time() - begun < cpu_s:
        load = np.clip(scenario.load * np.exp(rng.uniform(-0.3, 0.3, (copies, 1))), 0.02, 0.95)
        seeds = rng.integers(10_000, 1 << 31, copies)
        told = _episode(problem, seeds, load.astype(np.float32), strewn, rng, ruled)
        states, pages, latency = (np.array(column) for column in zip(*told, strict=True))
        cost = latency[:-1] + discount * latency[1:]
        at = (states[:-1].ravel(), pages[:-1].ravel())
        np.add.at(table.trials, at, 1)
        np.add.at(table.total_ns, at, cost.ravel())
        np.add.at(table.squares_ns2, at, cost.ravel() ** 2)
        played += states.size
        if progress is not None:
            progress(f"{played} epochs played")
    table.taught[:] = np.argmax(ruled, axis=1)
    return table, played


def _episode(
    problem: AdaptProblem, seeds: IntArray, load: Float32Array, strewn: float,
    rng: np.random.Generator, ruled: IntArray,
) -> list[tuple[IntArray, IntArray, FloatArray]]:  # fmt: skip
    """State, page policy and latency (ns) of every epoch; the rule's choices are counted."""
    teacher, told = LocalityThreshold(problem), []
    obs = problem.reset(seeds, load)
    for _ in range(problem.spec.horizon):
        action = teacher.act(obs).discrete
        if action is None:
            break
        state, random = states_of(obs), rng.random(problem.copies) < strewn
        np.add.at(ruled, (state, action[:, 0, 0]), 1)
        page = np.where(random, rng.integers(0, ACTIONS, problem.copies), action[:, 0, 0])
        action = np.stack([page, np.full(problem.copies, SCHEDULER)], axis=-1)[:, None]
        step = problem.step(Action(discrete=action.astype(np.int64)))
        told.append((state, page, step.reward[:, 0, 0].astype(np.float64)))
        obs = step.obs
    return told
