"""The domain `grid.islands`: several microgrids with tie lines, one shield and agent each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from trimtab.contracts.controller import Entry
from trimtab.contracts.domain import Domain
from trimtab.contracts.figure import Figure
from trimtab.contracts.problem import Bound, ControlProblem
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Monitor, Shield

from trimtab_grid.domain import DOMAIN as MICROGRID
from trimtab_grid.islands.metrics import METRICS
from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.metrics import HEADLINE

if TYPE_CHECKING:
    from trimtab_grid.islands.problem import IslandsControl


class IslandsDomain(Domain):
    """Microgrids with gensets, batteries, wind and PV that may send each other power."""

    name = "grid.islands"
    title = "Several microgrids with tie lines"
    problem_model = IslandsScenario
    headline = HEADLINE
    metrics = METRICS
    concepts = (*MICROGRID.concepts, "ties", "neighbours")

    def build(
        self,
        problem: IslandsScenario,
        copies: int = 1,
        interface: str = "default",
        autoreset: bool = False,
    ) -> IslandsControl:
        """See `islands.building.build`."""
        from trimtab_grid.islands.building import build

        return build(problem, copies, interface, autoreset)

    def controllers(self, problem: IslandsScenario) -> Mapping[str, Entry]:
        """See `islands.offers.entries`."""
        from trimtab_grid.islands.offers import entries

        return entries(problem)

    def reference(self, problem: IslandsScenario) -> tuple[str, ...]:
        """The dispatch rules of practice, on each island alone."""
        from trimtab_grid.islands.offers import REFERENCES

        return REFERENCES

    def bound(self, problem: IslandsScenario, seed: int) -> Bound | None:
        """Proven lower bound of C by pooling; None where `notes` say why not."""
        from trimtab_grid.islands.pooled import pooled_bound, unpoolable

        if unpoolable(problem):
            return None
        with self.build(problem) as control:
            return pooled_bound(control, seed)

    def verify(self, problem: IslandsScenario, seed: int, bound: Bound) -> None:
        """See `pooled.verify_pooled`."""
        from trimtab_grid.islands.pooled import verify_pooled

        with self.build(problem) as control:
            verify_pooled(control, seed, bound)

    def shield(self, problem: IslandsScenario, control: ControlProblem) -> Shield | None:
        """The islands' proven shields, which stand inside the step."""
        from trimtab_grid.guard import GridShield

        return GridShield() if problem.shield else None

    def monitor(self, problem: IslandsScenario) -> Monitor:
        """The independent monitor over islands and ties."""
        from trimtab_grid.islands.monitor import IslandsMonitor

        return IslandsMonitor(problem)

    def flags(self, record: EpisodeRecord) -> tuple[str, ...]:
        """As of one microgrid."""
        return MICROGRID.flags(record)

    def check(self, problem: IslandsScenario) -> tuple[str, ...]:
        """Read the user's files of every island."""
        notes = []
        for k, island in enumerate(problem.islands):
            found = MICROGRID.check(problem.island_scenario(k))
            notes += [f"{island.name}: {note}" for note in found]
        return tuple(notes)

    def data_files(self, problem: IslandsScenario) -> tuple[Path, ...]:
        """Files that the islands name."""
        count = range(len(problem.islands))
        files = [MICROGRID.data_files(problem.island_scenario(k)) for k in count]
        return tuple(path for some in files for path in some)

    def balances(self, problem: IslandsScenario, log: Mapping[str, Any]) -> Mapping[str, float]:
        """Power of each island, and what ties bring against what they take and lose."""
        found: dict[str, float] = {}
        net = 0.0
        for k, island in enumerate(problem.islands):
            start = f"{island.name}/"
            own = {n.removeprefix(start): v for n, v in log.items() if n.startswith(start)}
            power = MICROGRID.balances(problem.island_scenario(k), own)
            found |= {f"{island.name} {name}": residual for name, residual in power.items()}
            net += float(own["exchange_kw"].sum())
        losses = [tie.loss_share for tie in problem.ties]
        sent = np.abs(log["flow_kw"])
        lost = float((sent * losses).sum())
        return found | {"ties": abs(net + lost) / max(float(sent.sum()), 1.0)}

    def cross_checks(
        self, problem: IslandsScenario, seed: int
    ) -> Mapping[str, tuple[float, float]]:
        """Fuel, charge and what ties carry, in an episode with sharing, against `recount`."""
        from trimtab.run.grants import make_controller
        from trimtab.run.runner import evaluate

        from trimtab_grid.islands.recount import recounts

        entry = self.controllers(problem)["surplus_sharing"]
        with self.build(problem, 1, entry.interface) as control:
            record = evaluate(control, make_controller(control, entry), [seed])[0]
            names = [island.name for island in problem.islands]
            plants = {n: sub.plant for n, sub in zip(names, control.islands, strict=True)}
            return recounts(problem, plants, control.episode_log(0), record.metrics)

    def train(
        self,
        problem: IslandsScenario,
        controller: str,
        seed: int,
        out: Path,
        cpu_s: float | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Mapping[str, Any]:
        """Train the agents of the cluster; see `islands.training`."""
        from trimtab_grid.islands.training import train

        return train(problem, controller, seed, out, cpu_s, progress)

    def views(
        self, problem: IslandsScenario, records: Sequence[EpisodeRecord]
    ) -> tuple[Figure, ...]:
        """Costs, and the map of islands with the energy that their ties carried."""
        from trimtab_grid.islands.views import figures

        return figures(problem, records)

    def notes(self, problem: IslandsScenario) -> tuple[str, ...]:
        """What the ties are in the shields' promise, then each island's own notes."""
        from trimtab_grid.islands.pooled import unpoolable

        found = [
            "each island's shield counts on no tie: any may trip in any step; wind of the islands "
            "is drawn independently"
        ]
        for k, island in enumerate(problem.islands):
            series, shield, *_ = MICROGRID.notes(problem.island_scenario(k))
            found += [f"{island.name}: {series}", f"{island.name}: {shield}"]
        without = unpoolable(problem)
        return (*found, without) if without else tuple(found)


DOMAIN = IslandsDomain()
