"""Training on all seasons at once: short episodes of one scenario that begin on different days.

A year by hours is one episode of 8760 decisions; a learner that plays it from January on sees one
season at a time. `Seasons` joins problems of the same plant whose episodes begin on days spread
over the year, as one batch of copies. Charge and, with it, every state that matters begins at
random. Parts of one season may run ahead of each other, so that a short rollout sees every hour.
Episodes may count as cut (the value of what follows is bootstrapped; the terminal charge must then
have no weight) or as ended (a day that is settled by itself).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs, Step
from trimtab.contracts.streams import Stream

from trimtab_grid.problem import GridControl
from trimtab_grid.scenario import GridScenario

_CHARGE = Stream("grid.training.charge")
_DAYS = 365


def season_scenarios(
    scenario: GridScenario, seasons: int, episode_h: float
) -> tuple[GridScenario, ...]:
    """The scenario cut to `episode_h`, begun on days spread over what it covers.

    The user's own series have one beginning: they make one part.
    """
    if scenario.data.kind == "file":
        return (scenario,)
    covered = min(_DAYS, max(1, int(scenario.horizon_h // 24)))
    first = scenario.data.first_day
    days = [(first - 1 + round(k * covered / seasons)) % _DAYS + 1 for k in range(seasons)]
    hours = min(episode_h, scenario.horizon_h)
    return tuple(
        scenario.model_copy(
            update={
                "horizon_h": hours,
                "data": scenario.data.model_copy(update={"first_day": day}),
            }
        )
        for day in days
    )


class Seasons(ControlProblem):
    """Copies of several problems of one plant, side by side.

    Args:
        parts: problems that differ in the data alone, autoreset on in all or in none.
        ends: the end of an episode is an end, not a cut.
        random_charge: copies begin with a charge drawn from the context's range.
        ahead: steps by which each part is ahead in its first episode (all units held till then).
    """

    def __init__(
        self,
        parts: Sequence[GridControl],
        *,
        ends: bool,
        random_charge: bool = True,
        ahead: Sequence[int] = (),
    ) -> None:
        self.parts, self._ends, self._random_charge = tuple(parts), ends, random_charge
        self._ahead = tuple(ahead) or (0,) * len(self.parts)
        self.spec = parts[0].spec
        self.copies = sum(part.copies for part in parts)
        self.autoreset = parts[0].autoreset
        self._seen: list[Obs] = []
        self._edges = np.concatenate([[0], np.cumsum([part.copies for part in parts])])
        self._charges = self.spec.context[-1]

    def _split(self, rows: IntArray) -> list[tuple[int, IntArray, IntArray]]:
        """(part, places in `rows`, rows of the part) of every part concerned."""
        part = np.searchsorted(self._edges, rows, side="right") - 1
        found = []
        for k in np.unique(part):
            places = np.flatnonzero(part == k)
            found.append((int(k), places, rows[places] - self._edges[k]))
        return found

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`; without a context the charge is drawn from the seed."""
        which = np.arange(self.copies) if rows is None else np.asarray(rows)
        if context is None:
            context = np.repeat(self.spec.default_context[None], len(which), axis=0)
            if self._random_charge:
                draw = _CHARGE.uniform(seed, np.zeros_like(seed), 0)[:, 0]
                low, high = self._charges.low, self._charges.high
                context[:, -1] = low + (high - low) * draw
        for k, places, own in self._split(which):
            obs = self.parts[k].reset(seed[places], context[places], own)
            if rows is None:
                obs = self._held(k, obs)
            self._seen = [*self._seen[:k], obs, *self._seen[k + 1 :]]
        return _joined(self._seen)

    def _held(self, k: int, obs: Obs) -> Obs:
        """The part that is ahead, after its first steps without a command."""
        shape = (self.parts[k].copies, 1)
        box = np.zeros((*shape, self.spec.n_box), np.float32)
        hold = Action(np.ones((*shape, len(self.spec.discrete)), np.int64), box)
        for _ in range(self._ahead[k]):
            obs = self.parts[k].step(hold).obs
        return obs

    def step(self, action: Action | None) -> Step:
        """Step every part."""
        steps = [
            part.step(_rows(action, slice(int(low), int(high))))
            for part, low, high in zip(self.parts, self._edges, self._edges[1:], strict=False)
        ]
        first, self._seen = steps[0], [s.obs for s in steps]
        final_rows, finals = _finals(steps, self._edges)
        done = np.concatenate([s.done for s in steps])
        executed = [s.executed for s in steps if s.executed is not None]
        return replace(
            first,
            obs=_joined(self._seen),
            final_obs=finals,
            final_rows=final_rows,
            reward=np.concatenate([s.reward for s in steps]),
            cost=np.concatenate([s.cost for s in steps]),
            terminated=done if self._ends else np.zeros_like(done),
            truncated=np.zeros_like(done) if self._ends else done,
            elapsed_s=np.concatenate([s.elapsed_s for s in steps]),
            executed=Action(
                np.concatenate([a.discrete for a in executed if a.discrete is not None]),
                np.concatenate([a.box for a in executed if a.box is not None]),
            ),
            intervened=np.concatenate([s.intervened for s in steps]),
            reason=np.concatenate([s.reason for s in steps]),
            metrics={
                name: np.concatenate([s.metrics[name] for s in steps]) for name in first.metrics
            },
        )

    def resource(self, need: Need) -> Any:
        """The model is that of every part; nothing else is offered."""
        return self.parts[0].resource(need) if need == "model" else super().resource(need)

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """Of all copies only; see `ControlProblem.snapshot`."""
        found: dict[str, NDArray[Any]] = {}
        for k, _, own in self._split(rows):
            found |= {f"{k}.{name}": x for name, x in self.parts[k].snapshot(own).items()}
        return found

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """Inverse of `snapshot`."""
        for k, _, own in self._split(rows):
            prefix = f"{k}."
            part = {n.removeprefix(prefix): x for n, x in snapshot.items() if n.startswith(prefix)}
            self.parts[k].restore(part, own)


def _rows(action: Action | None, rows: slice) -> Action | None:
    if action is None:
        return None
    discrete, box = action.discrete, action.box
    return Action(None if discrete is None else discrete[rows], None if box is None else box[rows])


def _finals(steps: Sequence[Step], edges: NDArray[np.int64]) -> tuple[IntArray | None, Obs | None]:
    """Rows that ended, of all parts, and what was seen last in them."""
    pairs = [(s, low) for s, low in zip(steps, edges, strict=False) if s.final_obs is not None]
    if not pairs:
        return None, None
    rows = [s.final_rows + low for s, low in pairs if s.final_rows is not None]
    return np.concatenate(rows), _joined([s.final_obs for s, _ in pairs if s.final_obs is not None])


def _joined(seen: Sequence[Obs]) -> Obs:
    first = seen[0]

    def stack(name: str) -> Any:
        arrays = [getattr(obs, name) for obs in seen]
        return None if arrays[0] is None else np.concatenate(arrays)

    names = ("obs", "alive", "action_mask", "box_low", "box_high")
    return replace(first, **{name: stack(name) for name in names})
