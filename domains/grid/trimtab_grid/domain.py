"""The domain `grid.microgrid`: remote microgrids with a proven shield."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from trimtab.contracts.controller import Entry
from trimtab.contracts.domain import Domain, Imported
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.figure import Figure
from trimtab.contracts.problem import Bound, ControlProblem
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Monitor, Shield

from trimtab_grid.metrics import HEADLINE, METRICS
from trimtab_grid.scenario import GridScenario

PUBLISHED_BALANCE_KW = 0.05
"""Balance tolerance of the published plant, whose setpoints are rounded."""
_NOTICED = 1e-6


if TYPE_CHECKING:
    from trimtab_grid.problem import GridControl


class GridDomain(Domain):
    """Gensets, battery, wind and PV of one microgrid; a batched kernel of our own."""

    name = "grid.microgrid"
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
    ) -> GridControl:
        """See `building.build`."""
        from trimtab_grid.building import build

        return build(problem, copies, interface, autoreset)

    def controllers(self, problem: GridScenario) -> Mapping[str, Entry]:
        """See `controllers.entries` and `controllers.learned.entries`; each without shield too."""
        from trimtab_grid.controllers import entries, learned, unshielded

        offered = {**entries(problem), **learned.entries(problem)}
        return {**offered, **unshielded(offered)} if problem.shield else offered

    def reference(self, problem: GridScenario) -> tuple[str, ...]:
        """Load following."""
        from trimtab_grid.controllers import REFERENCE

        return (REFERENCE,)

    def bound(self, problem: GridScenario, seed: int) -> Bound | None:
        """Proven lower bound of C."""
        from trimtab_grid.bound_episode import episode_of
        from trimtab_grid.bounds import lower_bound

        with self.build(problem) as control:
            return lower_bound(episode_of(control, seed))

    def verify(self, problem: GridScenario, seed: int, bound: Bound) -> None:
        """See `bounds.verify_bound`."""
        from trimtab_grid.bound_episode import episode_of
        from trimtab_grid.bounds import verify_bound

        with self.build(problem) as control:
            verify_bound(episode_of(control, seed), bound)

    def shield(self, problem: GridScenario, control: ControlProblem) -> Shield | None:
        """The proven shield, which stands inside the step."""
        from trimtab_grid.guard import GridShield

        return GridShield() if problem.shield else None

    def monitor(self, problem: GridScenario) -> Monitor:
        """The independent monitor over the log of an episode."""
        from trimtab_grid.monitor import GridMonitor

        plant = problem.resolved_plant()
        published = plant.battery is not None and plant.battery.model == "compat"
        tolerance = {"tolerance_kw": PUBLISHED_BALANCE_KW} if published else {}
        return GridMonitor(plant, problem.step_min, first=problem.first_units, **tolerance)

    def flags(self, record: EpisodeRecord) -> tuple[str, ...]:
        """`unserved`, `surplus`, `degraded`: load not served, power left over, alarm raised."""
        names = {"unserved": "unserved_kwh", "surplus": "surplus_kwh", "degraded": "degraded_min"}
        return tuple(flag for flag, name in names.items() if record.metrics[name] > _NOTICED)

    def check(self, problem: GridScenario) -> tuple[str, ...]:
        """Read the user's files and compare them with the plant and its limits."""
        from trimtab_grid.readers import check_files

        return check_files(problem)

    def from_files(self, files: Sequence[Path], folder: Path, name: str) -> Imported:
        """See `Domain.from_files`; formats in `readers`."""
        from trimtab_grid.readers import problem_from_files

        return problem_from_files(files, folder, name)

    def data_files(self, problem: GridScenario) -> tuple[Path, ...]:
        """Every file that the scenario names: plant, series, weather, proof and so on."""
        data = problem.data
        network = None if problem.network is None else problem.network.file
        outer = None if problem.outer_grid is None else problem.outer_grid.file
        series = (data.file, data.weather_file, problem.forecast.file, outer)
        named = (problem.plant_file, *series, network, problem.certificate)
        return tuple(path for path in named if path is not None)

    def balances(self, problem: GridScenario, log: Mapping[str, Any]) -> Mapping[str, float]:
        """Power generated is used, step by step, as a share of the load."""
        given = log["power_kw"].sum(axis=1) + log["battery_kw"] + log["exchange_kw"]
        given = given + log["wind_used_kw"] + log["pv_used_kw"]
        taken = log["load_kw"] - log["shed_kw"] - log["deficit_kw"]
        taken = taken + log["dump_kw"] + log["surplus_kw"]
        return {"power": float(np.abs(given - taken).sum() / max(log["load_kw"].sum(), 1.0))}

    def cross_checks(self, problem: GridScenario, seed: int) -> Mapping[str, tuple[float, float]]:
        """Fuel and charge of an episode of the reference against `recount`."""
        from trimtab.run.grants import make_controller
        from trimtab.run.runner import evaluate

        from trimtab_grid.recount import recounted

        entry = self.controllers(problem)[self.reference(problem)[0]]
        with self.build(problem, 1, entry.interface) as control:
            record = evaluate(control, make_controller(control, entry), [seed])[0]
            log = control.episode_log(0)
            again = recounted(control.plant, log) if log else {}
        own = {"fuel_l": record.metrics["fuel_l"]}
        if log:
            own["charge_moved"] = float(np.abs(np.diff(log["soc"], prepend=log["soc_first"])).sum())
        return {name: (own[name], value) for name, value in again.items()}

    def export(
        self, problem: GridScenario, controller: str, parameters: Mapping[str, Any], out: Path
    ) -> tuple[Path, ...]:
        """Schedule, decision table, parameters and standing of the shield; see `export`."""
        offered = self.controllers(problem)
        if controller not in offered:
            raise UnknownNameError(controller, "controller", offered)
        from trimtab_grid.export import Named, export

        entry = offered[controller]
        with self.build(problem, 1, entry.interface) as control:
            return export(control, Named(controller, entry, parameters), out.resolve())

    def train(
        self,
        problem: GridScenario,
        controller: str,
        seed: int,
        out: Path,
        cpu_s: float | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Mapping[str, Any]:
        """Train a learned controller on the scenario's plant; see `training`."""
        from trimtab_grid.training import train

        return train(problem, controller, seed, out, cpu_s, progress)

    def views(self, problem: GridScenario, records: Sequence[EpisodeRecord]) -> tuple[Figure, ...]:
        """Power balance, charge, fuel, interventions and the one-line diagram."""
        from trimtab_grid.views import figures

        return figures(problem, records)

    def notes(self, problem: GridScenario) -> tuple[str, ...]:
        """What is synthetic, whether the shield stands, and which learned rows are none."""
        from trimtab_grid.controllers import learned

        made = {
            "generated": "load and wind are synthetic",
            "weather": "load is synthetic; wind is that of a typical year, the same for all seeds",
            "file": "load, wind and PV are the user's, the same rows for all seeds: other days by "
            "problem.data.first_day",
        }
        untrained = learned.untrained_note(problem)
        shield = self._shield_note(problem)
        return (made[problem.data.kind], shield, *self._fuel_notes(problem), *untrained)

    @staticmethod
    def _fuel_notes(problem: GridScenario) -> Iterator[str]:
        """What an affine curve would have missed, where a unit is given by datasheet points."""
        from trimtab_grid.model import affine_fit

        for unit in problem.resolved_plant().gensets:
            points = [point for point in unit.fuel.points if point[1] > 0.0]
            if len(points) > 2:  # noqa: PLR2004 - two points lie on their line
                fit = affine_fit(points)
                yield (
                    f"{unit.name} burns fuel by straight pieces through its datasheet points; "
                    f"{fit.slope_l_kwh:.3g} L/kWh and {fit.no_load_l_h:.3g} L/h, the affine curve "
                    f"nearest to them, would miss them by up to {100 * fit.worst_share:.1f} %"
                )

    @staticmethod
    def _shield_note(problem: GridScenario) -> str:
        if not problem.shield:
            return "the shield is off"
        from trimtab_grid.arrays import plant_arrays
        from trimtab_grid.certificate import standing_of
        from trimtab_grid.safety import safe_tables

        plant = problem.resolved_plant()
        record = plant_arrays(plant, problem.step_min)
        built = safe_tables(record)
        return f"the shield is on; {standing_of(plant.name, record, built, problem.certificate)[1]}"


DOMAIN = GridDomain()
