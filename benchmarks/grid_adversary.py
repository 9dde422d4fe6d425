"""Adversaries against the compiled shield of the shipped plants, and variants of plant A.

    python benchmarks/grid_adversary.py --steps 100000000

Random, greedy and optimised attacks share the steps. The optimised one is a periodic attack whose
genes a (1+1) evolution chooses to spend the most steps on the safe set's boundary. Variants add a
sensor error, free commitment and quick repairs, so that many trips happen.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
from trimtab_grid.adversary import CHECKS, GENES, GREEDY, OPTIMISED, RANDOM, attack
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.plant import Plant, load_plant
from trimtab_grid.shield_tables import build_tables

NAMES = {RANDOM: "random", GREEDY: "greedy", OPTIMISED: "optimised"}
TRIAL_STEPS = 50_000


def variants() -> Iterator[tuple[str, Plant, float]]:
    """Plants to attack, with their step lengths."""
    plant = load_plant("plant-a")
    quick = tuple(unit.model_copy(update={"repair_min": 45.0}) for unit in plant.gensets)
    limits = plant.disturbances
    erring = limits.model_copy(update={"soc_error": 0.02, "load_fall_kw_per_min": 100.0})
    yield "plant-a", plant, 1.0
    yield "plant-a, quick repairs", plant.model_copy(update={"gensets": quick}), 1.0
    changes = {"gensets": quick, "disturbances": erring}
    yield "plant-a, sensor error 0.02", plant.model_copy(update=changes), 1.0
    changes = {"gensets": quick, "commitment": "free"}
    yield "plant-a, free commitment", plant.model_copy(update=changes), 1.0
    yield "plant-b", load_plant("plant-b"), 60.0


def main() -> None:
    """Attack every variant and print what happened."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    plants = list(variants())
    share = options.steps // (len(plants) * len(NAMES))
    total, broken, begin = 0, 0, time.process_time()
    print(
        f"{'plant':28s} {'attack':10s} {'steps':>10s} {'trips':>8s} {'changed':>8s}"
        f" {'tight':>9s} violations"
    )
    for name, plant, step_min in plants:
        record = plant_arrays(plant, step_min)
        tables = build_tables(record).tables
        for kind, label in NAMES.items():
            genes = best_genes(record, tables, options.seed) if kind == OPTIMISED else None
            outcome = attack(record, tables, kind, share, options.seed, genes)
            total, broken = total + share, broken + int(outcome.violations.sum())
            found = {c: int(v) for c, v in zip(CHECKS, outcome.violations, strict=True) if v}
            print(
                f"{name:28s} {label:10s} {share:10d} {outcome.trips:8d} {outcome.changed:8d}"
                f" {outcome.tight:9d} {found or 0}",
                flush=True,
            )
    seconds = time.process_time() - begin
    print(f"{total} steps, {broken} violations, {seconds:.0f} s CPU with compilation and search")


def best_genes(record: object, tables: object, seed: int) -> np.ndarray:
    """Genes that spend the most steps on the boundary of the safe set, by a (1+1) evolution."""
    rng = np.random.default_rng(seed)
    best = rng.random(GENES)
    most = attack(record, tables, OPTIMISED, TRIAL_STEPS, seed, best).tight
    for trial in range(30):
        genes = np.clip(best + rng.normal(0.0, 0.2, GENES), 0.0, 1.0)
        tight = attack(record, tables, OPTIMISED, TRIAL_STEPS, seed + trial, genes).tight
        if tight >= most:
            best, most = genes, tight
    return best


if __name__ == "__main__":
    main()
