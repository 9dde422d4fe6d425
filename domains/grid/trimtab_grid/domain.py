"""The domain `grid`: remote microgrids with a proven shield."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.domain import Domain
from trimtab.contracts.problem import ControlProblem

from trimtab_grid.metrics import HEADLINE, METRICS
from trimtab_grid.scenario import GridScenario


class GridDomain(Domain):
    """Gensets, battery, wind and PV of one microgrid; a batched kernel of our own."""

    name = "grid"
    title = "Remote microgrids with a proven shield"
    problem_model = GridScenario
    headline = HEADLINE
    metrics = METRICS
    concepts = ("load", "renewables", "charge", "units online", "time of day", "safe room")

    def build(
        self,
        problem: GridScenario,
        copies: int = 1,
        interface: str = "default",
        autoreset: bool = False,
    ) -> ControlProblem:
        """See `Domain.build`; interfaces of `specification.INTERFACES`."""
        from trimtab_grid.problem import GridControl

        return GridControl(problem, copies, interface, autoreset=autoreset)

    def data_files(self, problem: GridScenario) -> tuple[Path, ...]:
        """Plant, weather, series and forecast files that the scenario names."""
        data = problem.data
        named = (problem.plant_file, data.file, data.weather_file, problem.forecast.file)
        return tuple(path for path in named if path is not None)

    def balances(self, problem: GridScenario, log: Mapping[str, Any]) -> Mapping[str, float]:
        """Power generated is used, step by step, as a share of the load."""
        given = log["power_kw"].sum(axis=1) + log["battery_kw"] + log["exchange_kw"]
        given = given + log["wind_used_kw"] + log["pv_used_kw"]
        taken = log["load_kw"] - log["shed_kw"] - log["deficit_kw"]
        taken = taken + log["dump_kw"] + log["surplus_kw"]
        return {"power": float(np.abs(given - taken).sum() / max(log["load_kw"].sum(), 1.0))}

    def notes(self, problem: GridScenario) -> tuple[str, ...]:
        """What is synthetic, and whether the shield stands."""
        made = {
            "generated": "load and wind are synthetic",
            "weather": "load is synthetic; wind is that of a typical year",
            "file": "load, wind and PV are the user's",
        }
        shield = "the shield is on" if problem.shield else "the shield is off"
        return (made[problem.data.kind], shield)


DOMAIN = GridDomain()
