"""Regional split agent: one centre that moves green between stages by what probes tell.

Once per cycle it works out how much green every approach needs: the flow of its probes, drawn
towards the plan where they are few, and its queue beyond the usual one, to be dissipated within a
horizon. It then picks junctions, the most unbalanced first, and moves green a second at a time from
the stage that can spare it to the critical one (equal degrees of saturation, as SCOOT's split
optimiser; Hunt et al., TRRL LR1014, 1981). The action ("pick a junction, move its split"; cycle,
phase order and offsets kept) and the state (probe queues, adjacency, splits) are those of the
single regional agent of arXiv 2511.00551 and its companion 2511.00549.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import Budget, ControlProblem
from trimtab.contracts.space import Float, Integer, Space
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs

from trimtab_traffic.approaches import ProbeEstimates
from trimtab_traffic.probes import HEADWAY_S
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.regional import Region

PARAMETERS = Space(
    (
        Float("smoothing", 0.02, 1.0, log=True),
        Float("memory_s", 100.0, 3000.0, "s", log=True),
        Float("prior_probes", 0.1, 30.0, log=True),
        Float("usual_delay", 0.3, 2.0),
        Float("dissipation_s", 60.0, 2000.0, "s", log=True),
        Float("downstream", 0.0, 1.0),
        Float("threshold", 0.0, 0.3),
        Integer("max_step_s", 1, 20, "s"),
        Integer("picks", 1, 30),
    )
)
DEFAULTS: dict[str, float | int] = {
    "smoothing": 0.2,
    "memory_s": 600.0,
    "prior_probes": 3.0,
    "usual_delay": 1.0,
    "dissipation_s": 300.0,
    "downstream": 0.5,
    "threshold": 0.02,
    "max_step_s": 6,
    "picks": 30,
}

TUNED = Path(__file__).parent.parent / "tuned" / "regional.json"
"""Parameters in use, with the manifest of how they came about (`regional_training`)."""


def shipped() -> tuple[Mapping[str, Any], Budget]:
    """Parameters of `TUNED`, and what finding them cost."""
    document = json.loads(TUNED.read_text(encoding="utf-8"))
    about = document["manifest"]
    return document["parameters"], Budget(evaluations=about["episodes"], cpu_s=about["cpu_s"])


class RegionalBalancer(Controller):
    """Moves green to approaches whose queues do not dissipate.

    Args:
        problem: with interface `split`; needs "model" and "state".
        profile: its rule profile.
        smoothing: weight of one probe's delay against the past, 0..1.
        memory_s: time in which a flow is forgotten.
        prior_probes: probes that the plan's own division of the flow is worth.
        usual_delay: delay that makes no queue, as a multiple of the uniform delay.
        dissipation_s: time in which a queue beyond the usual one shall be gone.
        downstream: how much a full road behind the stop line weakens the call of a queue.
        threshold: gain in the highest degree of saturation below which a junction is left alone.
        max_step_s: most green moved at one junction per cycle.
        picks: junctions changed per cycle.
    """

    def __init__(
        self,
        problem: ControlProblem,
        profile: RuleProfile,
        smoothing: float,
        memory_s: float,
        prior_probes: float,
        usual_delay: float,
        dissipation_s: float,
        downstream: float,
        threshold: float,
        max_step_s: int,
        picks: int,
    ) -> None:
        estimator = partial(ProbeEstimates, smoothing=smoothing, memory_s=memory_s)
        self._region = Region(problem, profile, estimator)
        self._prior_probes, self._usual = prior_probes, usual_delay
        self._dissipation_s, self._downstream = dissipation_s, downstream
        self._threshold, self._max_step_s, self._picks = threshold, int(max_step_s), int(picks)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._region.reset()

    def act(self, obs: Obs) -> Action:
        """Greens of every signal from the next cycle on."""
        self._region.look()
        demand_s = self._demand_s()
        greens = [self._balanced(row, demand_s) for row in range(len(self._region.greens_s))]
        greens.sort(key=lambda found: -found[0])
        for gain, row, green_s in greens[: self._picks]:
            if gain > self._threshold:
                self._region.greens_s[row] = green_s
        return self._region.action()

    def _demand_s(self) -> FloatArray:
        """Green per cycle that each group needs, [groups], s."""
        region = self._region
        excess = region.excess_veh(self._usual)
        call = excess * (1.0 - self._downstream * region.fill(excess)) / self._dissipation_s
        rate = (region.flow_vps(self._prior_probes) + call) * HEADWAY_S / region.groups.lanes
        return rate * region.splits.cycle_s[region.groups.signal]

    def _balanced(self, row: int, demand_s: FloatArray) -> tuple[float, int, FloatArray]:
        """How far the highest degree of saturation can be lowered, the signal, its new greens."""
        junction, gain = self._region.junction(row, demand_s), 0.0
        for _ in range(self._max_step_s):
            move = junction.best_move()
            if move is None:
                break
            junction.make(move)
            gain += move.before - move.after
        return gain, row, junction.greens_s
