"""Proven gap against CPU time for a year of plant B and a day of plant A.

Schedule and lower bound come from the same backward pass; only the thinning tolerance varies.

    python benchmarks/grid_bound_curve.py [seeds]
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

from trimtab_grid.bounds import Year, lower_bound, solve, verify_bound
from trimtab_grid.generators import Clock, CommunityLoad, WindClimate, synthetic_series
from trimtab_grid.plant import load_plant

TOLERANCES_L = {
    "plant-b": (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.001),
    "plant-a": (0.3, 0.1, 0.03, 0.01, 0.003, 0.001),
}
HORIZONS = {"plant-b": (60.0, 8760), "plant-a": (1.0, 1440)}


def episode(name: str, seed: int) -> Year:
    """One synthetic episode."""
    plant, (step_min, steps) = load_plant(name), HORIZONS[name]
    assert plant.wind is not None
    when = Clock(datetime(2021, 1, 1, tzinfo=UTC), step_min)
    wind = (WindClimate(), plant.wind)
    series = synthetic_series(CommunityLoad(), plant.disturbances, when, steps, seed, wind)
    return Year(plant, step_min, series.load_kw, series.wind_kw, series.pv_kw, 0.5)


def main() -> None:
    """Print the curves."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for name, tolerances in TOLERANCES_L.items():
        year = episode(name, 0)
        short = 24
        parts = {k: getattr(year, k)[:short] for k in ("load_kw", "wind_kw", "pv_kw")}
        brief = replace(year, **parts)
        verify_bound(brief, lower_bound(brief, 0.1))  # compiles
        print(f"\n{name}: {year.load_kw.size} steps of {year.step_min:g} min")
        print("seed  tolerance L  bound L      schedule L   gap %     CPU s   check CPU s")
        for seed in range(seeds):
            year = episode(name, seed)
            for tolerance in tolerances:
                solved = solve(year, tolerance)
                began = time.process_time()
                verify_bound(year, lower_bound(year, tolerance))
                check_s = time.process_time() - began
                print(
                    f"{seed:4d}  {tolerance:11g}  {solved.bound_l:11.2f}  "
                    f"{solved.schedule.total_l:11.2f}  {100 * solved.gap:8.5f}  "
                    f"{solved.cpu_s:6.2f}  {check_s - solved.cpu_s:8.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
