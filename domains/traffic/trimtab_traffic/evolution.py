"""Direct policy search: CMA-ES on the cost (delay) of whole episodes, relative to where it started.

Each generation draws a few networks and a new demand seed, and its candidates share them, so that
candidates differ by what they do alone. The final mean of the search distribution is kept, never
the best candidate. The state is saved after each generation; a search that was cut short continues
from there to the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import AnyController
from trimtab.contracts.spec import FloatArray
from trimtab.learn.checkpoint import Checkpoint, Progress, recipe_of
from trimtab.run.runner import evaluate
from trimtab.search.cmaes import CmaEs

from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

Player = Callable[[SignalControl, FloatArray], AnyController]
"""Builds the controller of an offset [width] from the start; zeros are the start itself."""
RETRAIN = "make retrain"
"""The command that makes what ships."""
Cost = Callable[[SignalControl, FloatArray, int], Sequence[float]]
"""Costs of an offset on a network and demand seed, each compared with that of the start."""
WORST = 3.0
"""An episode counts as at most so many times as bad as the start's, so jams do not dominate."""


@dataclass(frozen=True, slots=True)
class Search:
    """Size of a search.

    Attributes:
        generations, population: of CMA-ES.
        networks: networks drawn per generation, at most those there are.
        spread: first standard deviation of each component of the offset.
        first_seed: demand seed of the first generation; each has the next one.
    """

    generations: int = 8
    population: int = 9
    networks: int = 3
    spread: float = 0.25
    first_seed: int = 1000

    @property
    def episodes(self) -> int:
        """Episodes played where there are networks enough."""
        return self.generations * (self.population + 1) * self.networks


@dataclass(frozen=True, slots=True)
class Found:
    """Outcome of a search.

    Attributes:
        offset: [width] from the start.
        cpu_s: CPU time, that before a resumption included.
    """

    offset: FloatArray
    cpu_s: float


_CUBE = 4.0  # width of the search cube in units of offset; its faces mirror


def evolve(
    models: Sequence[SignalsProblem],
    cost: Cost,
    width: int,
    seed: int,
    search: Search,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Found:
    """The offset that lowers the cost.

    Args:
        models: networks, interface `graph`.
        cost: of a candidate, such as `by_delay`.
        width: dimensions.
        seed: of the search and of the draw of networks.
        search: its size.
        checkpoint: `.safetensors` file to continue from and to save to; removed at the end.
        progress: called with one line per generation.
    """
    optimizer = CmaEs(width, seed, sigma=search.spread / _CUBE, population=search.population)
    file = None if checkpoint is None else _file(checkpoint, models, width, seed, search, progress)
    begin, spent_s = _resume(optimizer, file)
    started = time.process_time() - spent_s
    towns: dict[int, SignalControl] = {}
    for generation in range(begin, search.generations):
        order = np.random.default_rng([seed, generation]).permutation(len(models))
        for i in order[: search.networks]:
            if i not in towns:
                towns[i] = SignalControl(models[i], "graph", logs=False)
        chosen = [towns[i] for i in order[: search.networks]]
        demand = search.first_seed + generation
        start = _costs(cost, chosen, np.zeros(width), demand)
        points = optimizer.ask(search.population)
        score = np.array(
            [relative(_costs(cost, chosen, _offset(p), demand), start) for p in points]
        )
        optimizer.tell(points, score)
        if file is not None:
            spent = {"generation": generation + 1, "cpu_s": time.process_time() - started}
            file.save(optimizer.state_dict(), spent)
        if progress is not None:
            progress(f"generation {generation}: median {np.median(score):.3f} of the start's cost")
    for town in towns.values():
        town.close()
    if file is not None:
        file.remove()
    return Found(_offset(optimizer.mean), round(time.process_time() - started, 1))


def provenance(command: str, models: Sequence[SignalsProblem], seed: int) -> dict[str, Any]:
    """What a manifest says of the origin of weights or parameters.

    Args:
        command: that made them.
        models: networks they were made on.
        seed: of search or training.
    """
    networks = [m.network.model_dump(mode="json", exclude_defaults=True) for m in models]
    return {"command": command, "seed": seed, "networks": networks}


def train_command(controller: str, seed: int, *, shipped: bool = False) -> str:
    """The command that trains a controller on a scenario, or anew for the package."""
    ending = " --retrain" if shipped else ""
    return f"trimtab train SCENARIO --controller {controller} --seed {seed}{ending}"


def by_delay(player: Player) -> Cost:
    """The true delay of a player."""
    return lambda town, offset, seed: [delay_s(town, player(town, offset), seed)]


def _costs(
    cost: Cost, towns: Sequence[SignalControl], offset: FloatArray, seed: int
) -> list[float]:
    return [value for town in towns for value in cost(town, offset, seed)]


def delay_s(town: SignalControl, controller: AnyController, seed: int) -> float:
    """True delay of one episode, s."""
    record = evaluate(town, controller, [seed])[0]
    town.session.close()  # libsumo holds one simulation a process
    return float(record.metrics["true_delay_s"])


def relative(costs: Sequence[float], start: Sequence[float]) -> float:
    """Mean of cost / cost of the start, each at most `WORST`."""
    return float(np.mean([min(c / s, WORST) for c, s in zip(costs, start, strict=True)]))


def _offset(point: FloatArray) -> FloatArray:
    return (point - 0.5) * _CUBE


def _file(
    path: Path,
    models: Sequence[SignalsProblem],
    width: int,
    seed: int,
    search: Search,
    tell: Progress | None,
) -> Checkpoint:
    """Where a search goes on; how many generations the budget pays for is not what it follows."""
    recipes = [recipe_of(DOMAIN, model) for model in models]
    size = asdict(replace(search, generations=0))
    follows = {"models": recipes, "width": width, "seed": seed, "search": size}
    return Checkpoint(path, follows, tell)


def _resume(optimizer: CmaEs, checkpoint: Checkpoint | None) -> tuple[int, float]:
    """Continue from a checkpoint, if there is one: generation to begin with, CPU-s spent."""
    found = None if checkpoint is None else checkpoint.load()
    if found is None:
        return 0, 0.0
    arrays, plain = found
    optimizer.load_state_dict(arrays)
    return int(plain["generation"]), float(plain["cpu_s"])
