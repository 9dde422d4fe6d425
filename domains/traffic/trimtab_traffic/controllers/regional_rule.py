"""Regional split rule: one centre that moves green between stages by what probes tell.

Once per cycle it works out the load of every approach (`regional.Region`), then picks junctions,
those that can save most delay first, and moves green a second at a time from stage to stage as long
as the HCM's control delay of the junction falls. The action ("pick a junction, move its split";
cycle, phase order and offsets kept) and the state (probe queues, splits) are those of the single
regional agent of arXiv 2511.00551 and its companion 2511.00549; the rule is classical.
"""

from __future__ import annotations

from dataclasses import asdict

from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Float, Integer, Space
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs

from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.regional import Filter, Load, Region

PARAMETERS = Space(
    (
        Float("memory_s", 100.0, 3000.0, "s", log=True),
        Float("prior_probes", 0.1, 30.0, log=True),
        Float("prior_delays", 0.3, 30.0, log=True),
        Float("most_delays", 0.3, 30.0, log=True),
        Float("relaxation", 0.01, 1.0, log=True),
        Float("yielding", 0.1, 1.0),
        Float("horizon_s", 200.0, 3600.0, "s", log=True),
        Float("least_gain_veh", 0.0, 0.5, "veh"),
        Integer("max_step_s", 1, 20, "s"),
        Integer("picks", 1, 30),
    )
)
DEFAULTS: dict[str, float | int] = {
    **asdict(Filter()),
    "least_gain_veh": 0.0,
    "max_step_s": 8,
    "picks": 30,
}


class RegionalRule(Controller):
    """Moves green where it saves delay, by the load that probes let infer.

    Args:
        problem: with interface `split`; needs "model" and "state".
        profile: its rule profile.
        least_gain_veh: saving below which a junction is left alone, vehicles delayed at a time.
        max_step_s: most green moved at one junction per cycle.
        picks: junctions changed per cycle.
        settings: those of `regional.Filter`.
    """

    def __init__(
        self,
        problem: ControlProblem,
        profile: RuleProfile,
        least_gain_veh: float,
        max_step_s: int,
        picks: int,
        **settings: float,
    ) -> None:
        self._region = Region(problem, profile, Filter(**settings))
        self._least_gain_veh = least_gain_veh
        self._max_step_s, self._picks = int(max_step_s), int(picks)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._region.reset()

    def act(self, obs: Obs) -> Action:
        """Greens of every signal from the next cycle on."""
        region = self._region
        region.look()
        load = region.load()
        found = [self._improved(row, load) for row in range(len(region.greens_s))]
        found.sort(key=lambda item: -item[0])
        for gain_veh, row, greens_s in found[: self._picks]:
            if gain_veh > self._least_gain_veh:
                region.greens_s[row] = greens_s
        return region.action()

    def _improved(self, row: int, load: Load) -> tuple[float, int, FloatArray]:
        """Delay that can be saved, the signal, its new greens."""
        junction, gain_veh = self._region.junction(row, load), 0.0
        for _ in range(self._max_step_s):
            move = junction.best_move()
            if move is None:
                break
            junction.make(move)
            gain_veh += move.gain_veh
        return gain_veh, row, junction.greens_s
