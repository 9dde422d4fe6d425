"""The independent monitor of a cluster: each island's own one, and the laws of the ties.

It shares no code with shields, settlement or simulator: what an island receives is summed up again
from the flows of the ties and held against the exchange in the island's own balance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import EvidenceError
from trimtab.contracts.shield import Monitor, Violations

from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.monitor import GridMonitor

TIE_CONSTRAINTS = ("tie_capacity", "tie_agreement", "tie_outage", "tie_conservation")
"""Power above capacity; more than agreed, or the other way; power while out of service; an
island's exchange that is not what its ties bring and take."""
_KW = 1e-6


class IslandsMonitor(Monitor):
    """Counts violations in the log of a cluster.

    Args:
        scenario: as the user described it.
    """

    def __init__(self, scenario: IslandsScenario) -> None:
        self._scenario = scenario
        count = range(len(scenario.islands))
        islands = [scenario.island_scenario(k) for k in count]
        self._monitors = [
            GridMonitor(one.resolved_plant(), one.step_min, first=one.first_units)
            for one in islands
        ]

    def check(self, log: Mapping[str, Any]) -> dict[str, Violations]:
        """Violations per constraint, those of all islands summed.

        Args:
            log: as `IslandsControl.episode_log` gives it.

        Raises:
            EvidenceError: the log lacks a column.
        """
        missing = [name for name in ("agreed_kw", "flow_kw", "there") if name not in log]
        if missing:
            msg = f"the episode log lacks {', '.join(missing)}: log whole episodes (fewer copies)"
            raise EvidenceError(msg)
        found: dict[str, Violations] = {}
        for island, monitor in zip(self._scenario.islands, self._monitors, strict=True):
            start = f"{island.name}/"
            own = {n.removeprefix(start): v for n, v in log.items() if n.startswith(start)}
            for name, counted in monitor.check(own).items():
                found[name] = found.get(name, Violations(0, 0)) + counted
        return found | self._ties(log)

    def _ties(self, log: Mapping[str, Any]) -> dict[str, Violations]:
        flow, agreed = np.asarray(log["flow_kw"]), np.asarray(log["agreed_kw"])
        most = np.array([tie.capacity_kw for tie in self._scenario.ties])
        broken = {
            "tie_capacity": np.abs(flow) > most + _KW,
            "tie_agreement": (np.abs(flow) > np.abs(agreed) + _KW) | (flow * agreed < 0.0),
            "tie_outage": (np.asarray(log["there"]) == 0.0) & (flow != 0.0),
            "tie_conservation": self._unbalanced(log, flow),
        }
        return {
            name: Violations(int(steps.sum()), int(steps.size)) for name, steps in broken.items()
        }

    def _unbalanced(self, log: Mapping[str, Any], flow: NDArray[np.float64]) -> NDArray[np.bool_]:
        """[steps, islands] where an island's exchange is not the sum of its ties."""
        wrong = []
        for island in self._scenario.islands:
            net = np.zeros(len(flow))
            for k, tie in enumerate(self._scenario.ties):
                kept = 1.0 - tie.loss_share
                if tie.between[0] == island.name:
                    net += np.where(flow[:, k] > 0.0, -flow[:, k], -kept * flow[:, k])
                if tie.between[1] == island.name:
                    net += np.where(flow[:, k] > 0.0, kept * flow[:, k], flow[:, k])
            wrong.append(np.abs(net - log[f"{island.name}/exchange_kw"]) > _KW)
        return np.stack(wrong, axis=1)
