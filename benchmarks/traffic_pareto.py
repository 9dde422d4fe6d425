"""The front of `pareto`, from one search, beside five weightings searched one by one.

    python benchmarks/traffic_pareto.py --log pareto.jsonl

Objectives: delay, stops, bus delay and pedestrian delay, on three generated networks with buses and
crossings under `field` rules that nothing was searched on, three seeds each. The five weightings
(each objective alone, and all alike) are searched here with the search of `pareto`, a fifth of its
episodes each, so that both sides have cost the same; they move every weight that `pareto` may
move, and start where `pareto` starts for their weighting. `pareto` is then played under 15
preferences: those five and every pair in equal shares, and each objective at 0.7. Hypervolumes
count below 1.5 times the objectives of `stage_score` on the same network and seed, a point that was
fixed before anything was searched; the hypervolume of that whole box is 1. Printed with the paired
difference over the nine episodes and its 95 % interval. Searches and episodes are appended to the
log, and those that it holds are not done again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from trimtab.contracts.spec import FloatArray
from trimtab.evidence.bootstrap import paired_difference
from trimtab.evidence.pareto import hypervolume
from trimtab_traffic.controllers.pareto import LEVERS, PARETO, PREFERRED, slopes_of, weights_of
from trimtab_traffic.controllers.stage_score import TUNED, StageScore
from trimtab_traffic.evolution import Search, evolve
from trimtab_traffic.pareto_training import (
    DRAWN,
    SCALES,
    SEARCH,
    objectives,
    slopes_at,
)
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.training_networks import held_out_streets, streets

BOX = 1.5
"""Reference point of the hypervolume, in units of `stage_score`'s objectives."""
SEEDS = (9001, 9002, 9003)
FEATURES = tuple(dict.fromkeys(name.partition(".")[2] for name in LEVERS))
"""Weights that a search of one weighting moves."""


def singles() -> list[FloatArray]:
    """The five weightings."""
    return [*np.eye(len(PREFERRED)), np.full(len(PREFERRED), 1.0 / len(PREFERRED))]


def preferences() -> list[FloatArray]:
    """The preferences that `pareto` is played under."""
    corners = np.eye(len(PREFERRED))
    pairs = [(a + b) / 2.0 for a, b in combinations(corners, 2)]
    leaning = [0.7 * a + 0.1 * (1.0 - a) for a in corners]
    return [*singles(), *pairs, *leaning]


def moved(weighting: FloatArray, offset: FloatArray) -> dict[str, float]:
    """Weights of a search of one weighting: where `pareto` starts for it, and an offset."""
    start = weights_of(weighting, slopes_at(np.zeros(len(LEVERS))))
    return start | {f: start[f] + float(x) for f, x in zip(FEATURES, offset, strict=True)}


def searched(weighting: FloatArray) -> dict[str, float]:
    """Weights found for one weighting, at a fifth of the episodes of `pareto`."""
    generations = SEARCH.generations * DRAWN // len(singles())
    search = Search(generations, SEARCH.population, SEARCH.networks, SEARCH.spread, 5000)

    def cost(town: SignalControl, offset: FloatArray, seed: int) -> list[float]:
        rule = StageScore(town, **moved(weighting, offset))
        return [float(weighting @ (objectives(town, rule, seed) / SCALES))]

    return moved(weighting, evolve(streets(), cost, len(FEATURES), 1, search).offset)


class Log:
    """Results by name, kept in a file of lines."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path and path.is_file() else []
        self._found = {row["name"]: row["found"] for row in map(json.loads, lines)}

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __getitem__(self, name: str) -> object:
        return self._found[name]

    def add(self, name: str, found: object) -> None:
        """Keep a result."""
        self._found[name] = found
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"name": name, "found": found}) + "\n")


def play(rules: dict[str, dict[str, float]], log: Log) -> dict[str, FloatArray]:
    """Objectives of each rule, [networks, seeds, 4]."""
    for number, model in enumerate(held_out_streets()):
        with SignalControl(model, "graph", logs=False) as town:
            for rule, weights in rules.items():
                for seed in SEEDS:
                    if (name := f"{rule} {number} {seed}") not in log:
                        seen = objectives(town, StageScore(town, **weights), seed)
                        log.add(name, seen.tolist())
    towns = range(len(held_out_streets()))
    return {
        rule: np.array([[log[f"{rule} {k} {seed}"] for seed in SEEDS] for k in towns])
        for rule in rules
    }


def volumes(points: Sequence[FloatArray], unit: FloatArray) -> FloatArray:
    """Hypervolume of rules' objectives in the box of each episode, [networks, seeds]."""
    relative = np.stack([p / unit for p in points])
    worst = np.full(len(PREFERRED), BOX)
    box = hypervolume(np.zeros((1, len(PREFERRED))), worst)
    towns, seeds = relative.shape[1:3]
    return np.array(
        [[hypervolume(relative[:, k, s], worst) / box for s in range(seeds)] for k in range(towns)]
    )


def main() -> None:
    """Search, play what is missing, print front and hypervolumes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=PARETO, help="slopes of `pareto`")
    parser.add_argument("--log", type=Path, help="file of searches and episodes done")
    chosen = parser.parse_args()
    log, slopes = Log(chosen.log), slopes_of(chosen.weights)
    rules: dict[str, dict[str, float]] = {"stage_score": TUNED}
    for k, weighting in enumerate(singles()):
        if (name := f"search {k}") not in log:
            log.add(name, searched(weighting))
        rules[f"single {k}"] = dict(log[name])  # type: ignore[call-overload]
    fronts = {f"pareto {p.round(2).tolist()}": p for p in preferences()}
    rules |= {name: weights_of(p, slopes) for name, p in fronts.items()}
    played = play(rules, log)
    unit = played["stage_score"]
    print(f"{'rule':36}" + "".join(f"{name:>17}" for name in PREFERRED))
    for rule, seen in played.items():
        print(f"{rule:36}" + "".join(f"{x:17.3f}" for x in (seen / unit).mean(axis=(0, 1))))
    ours, theirs = (
        [seen for rule, seen in played.items() if rule.startswith(kind)]
        for kind in ("pareto", "single")
    )
    single = volumes(theirs, unit)
    print(f"hypervolume: five weightings {single.mean():.4f}")
    for name, front in (("15 preferences", ours), ("the same five", ours[: len(singles())])):
        volume = volumes(front, unit)
        found = paired_difference(list(volume), list(single), np.random.default_rng(0))
        low, high = (found.interval.low, found.interval.high) if found.interval else (-1.0, 1.0)
        print(
            f"pareto, {name}: {volume.mean():.4f}, {found.mean:+.4f} [{low:+.4f}, {high:+.4f}], "
            f"above in {(volume > single).sum()} of {volume.size} episodes"
        )


if __name__ == "__main__":
    main()
