"""Controllers of a cluster: every island for itself, islands that share surplus, or central plans.

`apart` plays a rule of one microgrid on each island and leaves the ties idle: what practitioners
do where islands are run by different hands. `SurplusSharing` lets islands offer the wind that they
can neither use nor store to neighbours whose load is not met by their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs, Step

from trimtab_grid.controllers.view import GridController, Seen
from trimtab_grid.islands.resources import ClusterModel

if TYPE_CHECKING:
    from trimtab_grid.controllers.rules import RuleController


class OneIsland(ControlProblem):
    """An island of a cluster as a controller of one microgrid sees it: only its resources."""

    def __init__(self, problem: ControlProblem, index: int) -> None:
        self.spec, self.copies, self.autoreset = problem.spec, problem.copies, problem.autoreset
        model: ClusterModel = problem.resource("model")
        self._own = {"model": model.islands[index]}

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """Refused: islands of a cluster start together."""
        raise ContractError(_TOGETHER)

    def step(self, action: Action | None) -> Step:
        """Refused: islands of a cluster step together."""
        raise ContractError(_TOGETHER)

    def resource(self, need: Need) -> Any:
        """The island's own `model`."""
        return self._own[need] if need in self._own else super().resource(need)


_TOGETHER = "an island of a cluster does not move alone: use the cluster's own problem"


class ClusterController(Controller):
    """Splits the observation by island, and joins the islands' actions and tie wishes."""

    def __init__(self, problem: ControlProblem) -> None:
        self.spec, self.copies = problem.spec, problem.copies
        self.model: ClusterModel = problem.resource("model")
        self.count = len(self.model.islands)

    def part(self, obs: Obs, island: int) -> Obs:
        """What one island's own problem would have shown."""
        own = slice(island, island + 1)
        one = self.model.islands[island]
        width = 3 if one.by_order else 3 * int(one.arrays.n)
        low, high = obs.box_low, obs.box_high
        return Obs(
            obs=obs.obs[:, own, : self.model.widths[island]],
            alive=obs.alive[:, own],
            action_mask=None if obs.action_mask is None else obs.action_mask[:, own, :width],
            box_low=None if low is None else low[:, own, ..., :1],
            box_high=None if high is None else high[:, own, ..., :1],
        )

    def joined(self, actions: list[Action], flow_kw: FloatArray) -> Action:
        """A joint action that wishes the flows [N, K] of the ties, at both ends alike."""
        n, spec = self.copies, self.spec
        discrete = np.zeros((n, self.count, len(spec.discrete)), np.int64)
        box = np.zeros((n, self.count, spec.n_box), np.float32)
        for k, action in enumerate(actions):
            if action.discrete is not None and action.box is not None:
                discrete[:, k, : action.discrete.shape[2]] = action.discrete[:, 0]
                box[:, k, :1] = action.box[:, 0]
        ties = self.model.ties
        for k, (one, other) in enumerate(ties.ends):
            sent = flow_kw[:, k]
            forth, back = np.maximum(sent, 0.0), np.maximum(-sent, 0.0)
            box[:, one, 1 + ties.slots[k, 0]] = forth - back * ties.arriving[k]
            box[:, other, 1 + ties.slots[k, 1]] = back - forth * ties.arriving[k]
        return Action(discrete, box)

    def exchange_kw(self, flow_kw: FloatArray) -> FloatArray:
        """What every island receives less what it sends at given flows, [N, A]."""
        ties, net = self.model.ties, np.zeros((len(flow_kw), self.count))
        for k, (one, other) in enumerate(ties.ends):
            forth, back = np.maximum(flow_kw[:, k], 0.0), np.maximum(-flow_kw[:, k], 0.0)
            net[:, one] += back * ties.arriving[k] - forth
            net[:, other] += forth * ties.arriving[k] - back
        return net


class Apart(ClusterController):
    """One controller of one microgrid per island; the ties stay idle."""

    def __init__(self, problem: ControlProblem, factory: Callable[..., Any], **more: float) -> None:
        super().__init__(problem)
        views = [OneIsland(problem, k) for k in range(self.count)]
        self._own: list[GridController] = [factory(view, **more) for view in views]

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        actions = [own.act(self.part(obs, k)) for k, own in enumerate(self._own)]
        return self.joined(actions, np.zeros((self.copies, len(self.model.ties.names))))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Rules remember nothing."""
        return {}


class SurplusSharing(ClusterController):
    """A rule of one microgrid per island, after surplus wind has been promised to neighbours.

    Surplus is what load and battery cannot take; need is load that own renewables do not cover.
    Ties are served in their order, each with what its two ends still have and lack.
    """

    def __init__(
        self, problem: ControlProblem, rule: Callable[..., RuleController], **more: float
    ) -> None:
        super().__init__(problem)
        self._rules = [rule(OneIsland(problem, k), **more) for k in range(self.count)]

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        parts = [self.part(obs, k) for k in range(self.count)]
        seen = [rule.see(part) for rule, part in zip(self._rules, parts, strict=True)]
        flow = self._promise(seen)
        net = self.exchange_kw(flow)
        actions = [
            rule.decided(part, one, one.free_kw + net[:, k])
            for k, (rule, part, one) in enumerate(zip(self._rules, parts, seen, strict=True))
        ]
        return self.joined(actions, flow)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Rules remember nothing."""
        return {}

    def _promise(self, seen: list[Seen]) -> FloatArray:
        ties = self.model.ties
        surplus = np.stack([self._surplus_kw(k, one) for k, one in enumerate(seen)], axis=1)
        need = np.stack([np.maximum(0.0, s.load_kw - s.free_kw) for s in seen], axis=1)
        flow = np.zeros((self.copies, len(ties.names)))
        for k, (one, other) in enumerate(ties.ends):
            for sender, taker, sign in ((one, other, 1.0), (other, one, -1.0)):
                asked = need[:, taker] / ties.arriving[k]
                sent = np.minimum(np.minimum(surplus[:, sender], asked), ties.capacity_kw[k])
                surplus[:, sender] -= sent
                need[:, taker] -= sent * ties.arriving[k]
                flow[:, k] += sign * sent
        return flow

    def _surplus_kw(self, island: int, seen: Seen) -> FloatArray:
        """Renewables that neither load nor battery will take in the coming step."""
        plant = self.model.islands[island].arrays
        room = np.maximum(0.0, float(plant.soc_max) - seen.soc) * float(plant.energy_kwh)
        charge = room / (float(plant.charge_efficiency) * float(plant.step_h))
        stored = np.minimum(charge, float(plant.charge_kw))
        return np.asarray(np.maximum(0.0, seen.free_kw - seen.load_kw - stored))


def sharing(problem: ControlProblem) -> Controller:
    """The best rule that shares surplus; agents begin as its students."""
    from trimtab_grid.controllers.rules import combined

    return SurplusSharing(problem, combined)


class Random(ClusterController):
    """Any admissible command, setpoint and wish."""

    def __init__(self, problem: ControlProblem) -> None:
        super().__init__(problem)
        self._seeds, self._step = np.zeros(problem.copies, np.int64), 0

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(self.copies) if rows is None else rows
        self._seeds[which], self._step = seed, 0

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        spec, mask = self.spec, obs.action_mask
        low, high = obs.box_low, obs.box_high
        shape = (self.copies, self.count)
        discrete = np.zeros((*shape, len(spec.discrete)), np.int64)
        box = np.zeros((*shape, spec.n_box), np.float32)
        if mask is None or low is None or high is None:
            return Action(discrete, box)
        for row in range(self.copies):
            draw = np.random.default_rng((int(self._seeds[row]), self._step))
            weight = draw.random((self.count, len(spec.discrete), 3))
            legal = mask[row].reshape(weight.shape)
            discrete[row] = np.where(legal, weight, -1.0).argmax(axis=2)
            given = (discrete[row, :, 0],) if low.ndim == 4 else ()  # noqa: PLR2004
            at = (row, np.arange(self.count), *given)
            box[row] = low[at] + draw.random(box.shape[1:]) * (high[at] - low[at])
        self._step += 1
        return Action(discrete, box)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Seeds and the step of the draws."""
        return {"seeds": self._seeds.copy(), "step": np.array(self._step)}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Inverse of `state_dict`."""
        self._seeds[:], self._step = state["seeds"], int(state["step"])
