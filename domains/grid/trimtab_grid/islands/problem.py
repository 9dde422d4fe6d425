"""N copies of a cluster of microgrids: one agent per island, joined by tie lines.

An agent commands its island's units and battery as in `problem`, and wishes a flow on each of its
ties, sending positive. A flow needs opposite wishes at both ends and is agreed before the step; in
the step each island's shield cuts it to its room (`kernel`). Rewards are vectors per agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import ActionError, UnknownNameError
from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Float32Array,
    FloatArray,
    IntArray,
    Obs,
    Step,
)

from trimtab_grid.arrays import RUN
from trimtab_grid.islands.kernel import (
    STRUCK,
    Flows,
    Lines,
    commit_rows,
    dispatch_rows,
    settle,
)
from trimtab_grid.islands.metrics import Sums, cluster_metrics, sums_of
from trimtab_grid.islands.resources import ClusterModel
from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.islands.specification import EXCHANGE, TIE_COLUMNS, cluster_spec
from trimtab_grid.islands.ties import TiePlan, ties_of
from trimtab_grid.problem import LOG_ENTRIES, GridControl
from trimtab_grid.resources import GridState
from trimtab_grid.scenario import GridScenario

INTERFACES = ("default", "order")
"""Of every island's commands."""
SITES = 64
"""Seeds of the islands of a cluster are SITES times its own, plus the island's index."""
_TIE_SUMS = ("sent_kwh", "tie_loss_kwh", "cut_kwh", "tie_out_min")

Build = Callable[[GridScenario], GridControl]


class IslandsControl(ControlProblem):
    """See the module; built by the domain.

    Args:
        scenario: of the cluster.
        copies: N.
        interface: of every island's commands, "default" or "order".
        autoreset: see `ControlProblem`.
        build: makes one island's own problem with the same copies, interface and autoreset.
    """

    def __init__(
        self,
        scenario: IslandsScenario,
        copies: int,
        interface: str,
        *,
        autoreset: bool,
        build: Build,
    ) -> None:
        if interface not in INTERFACES:
            raise UnknownNameError(interface, "interface", INTERFACES)
        self.scenario, self.copies, self.autoreset = scenario, copies, autoreset
        self._by_order = interface == "order"
        count = len(scenario.islands)
        self.islands = tuple(build(scenario.island_scenario(k)) for k in range(count))
        self.ties = ties = ties_of(scenario)
        self._lines = Lines(ties.ends, ties.slots, ties.capacity_kw, ties.arriving)
        for k, sub in enumerate(self.islands):
            sub.outside_kw = self.ties.import_limit_kw(k)
        plants = "+".join(sub.plant.name for sub in self.islands)
        specs = [sub.spec for sub in self.islands]
        kind = "order" if self._by_order else "units"
        self.spec = cluster_spec(f"grid.islands-{plants}-{kind}-1", specs, self.ties)
        self._incident = [self.ties.of_island(k) for k in range(count)]
        self._plan = TiePlan(scenario, copies)
        self._allocate()

    def _allocate(self) -> None:
        n, count, ties = self.copies, len(self.islands), len(self.ties.names)
        slots = self.ties.degree(count)
        self._seed, self._episode = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self._wish = np.zeros((n, count, slots))
        self._agreed, self._flow = np.zeros((n, ties)), np.zeros((n, ties))
        self._struck, self._rooms = np.zeros((count, n, STRUCK)), np.zeros((count, n, 2))
        self._exchange = np.zeros((count, n))
        self._sums = np.zeros((n, len(_TIE_SUMS)))
        steps = self.spec.horizon
        logged = not self.autoreset and n * steps * count <= LOG_ENTRIES
        self._log = np.zeros((steps if logged else 0, 3, n, ties))

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        which = np.arange(self.copies) if rows is None else np.asarray(rows)
        self._seed[which], self._episode[which] = seed, 0
        seen = []
        for k, sub in enumerate(self.islands):
            own = None
            if context is not None:
                own = np.repeat(sub.spec.default_context[None], len(which), axis=0)
                own[:, : context.shape[1]] = context
            seen.append(sub.reset(np.asarray(seed, np.int64) * SITES + k, own, which))
        self._start(which)
        return self._joined(seen, self._tie_columns())

    def _start(self, rows: IntArray) -> None:
        self._plan.draw(rows, self._seed[rows], self._episode[rows])
        for array in (self._wish, self._agreed, self._flow, self._sums):
            array[rows] = 0.0

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        asked = self._take(action)
        live = self.islands[0].rows.live.copy()
        at = self._states(0)["step"].copy()
        self._advance()
        self._book(live, at)
        sums = sums_of([np.array(self._states(k)) for k in range(len(self.islands))])
        columns = self._tie_columns()
        steps = [sub.finish(a, live) for sub, a in zip(self.islands, asked, strict=True)]
        return self._outcome(action, steps, live, sums, columns)

    def _states(self, island: int) -> NDArray[Any]:
        return self._state(island).states

    def _state(self, island: int) -> GridState:
        state: GridState = self.islands[island].resource("state")
        return state

    def _take(self, action: Action | None) -> list[tuple[IntArray, FloatArray]]:
        """Check a joint action and hand every island its part."""
        spec = self.spec
        agents = (self.copies, spec.n_agents)
        shapes = ((*agents, len(spec.discrete)), (*agents, spec.n_box))
        if action is None or action.discrete is None or action.box is None:
            msg = f"{spec.name}: needs discrete {shapes[0]} and box {shapes[1]} actions"
            raise ActionError(msg)
        if (action.discrete.shape, action.box.shape) != shapes:
            got = (action.discrete.shape, action.box.shape)
            msg = f"{spec.name}: actions have shapes {got}, expected {shapes}"
            raise ActionError(msg)
        live = self.islands[0].rows.live
        wish = action.box[:, :, 1:].astype(np.float64)
        if not np.isfinite(wish[live]).all():
            msg = f"{spec.name}: wishes of ties must be finite numbers, in kW"
            raise ActionError(msg)
        self._wish[live] = wish[live]
        parts = []
        for k, sub in enumerate(self.islands):
            width = len(sub.spec.discrete)
            own = action.discrete[:, k : k + 1, :width], action.box[:, k : k + 1, :1]
            parts.append(sub.take(Action(*own)))
        return parts

    def _advance(self) -> None:
        chances = [sub.chances() for sub in self.islands]
        for k, (sub, own) in enumerate(zip(self.islands, chances, strict=True)):
            most = self.ties.import_limit_kw(k)
            commit_rows(sub.site, sub.rows, own, most, self._struck[k], self._rooms[k])
        there = self._there(self._states(0)["step"] + 1)
        flows = Flows(there, self._wish, self._rooms, self._agreed, self._flow, self._exchange)
        settle(self._lines, flows)
        for k, (sub, own) in enumerate(zip(self.islands, chances, strict=True)):
            dispatch_rows(sub.site, sub.rows, own, self._struck[k], self._exchange[k])

    def _there(self, column: IntArray) -> BoolArray:
        """[N, K] ties in service, as of a column of the plan per row."""
        last = np.minimum(column, self.spec.horizon)
        return np.ascontiguousarray(self._plan.there[np.arange(self.copies), last])

    def _book(self, live: BoolArray, at: IntArray) -> None:
        """Sums of the ties of live rows, and their log."""
        hours = float(self.islands[0].arrays.step_h)
        there, sent = self._there(at + 1), np.abs(self._flow)
        step = np.stack(
            [
                sent.sum(axis=1) * hours,
                (sent * (1.0 - self.ties.arriving)).sum(axis=1) * hours,
                (np.abs(self._agreed) - sent).sum(axis=1) * hours,
                (~there).sum(axis=1) * 60.0 * hours,
            ],
            axis=1,
        )
        self._sums[live] += step[live]
        rows = np.flatnonzero(live)
        if len(self._log) and len(rows):
            kept = np.stack([self._agreed, self._flow, there], axis=0)
            self._log[at[rows], :, rows] = kept[:, rows].transpose(1, 0, 2)

    def _outcome(
        self,
        action: Action | None,
        steps: list[Step],
        live: BoolArray,
        sums: Sums,
        columns: list[Float32Array],
    ) -> Step:
        ended = steps[0].truncated
        tie_sums = {name: self._sums[:, k].copy() for k, name in enumerate(_TIE_SUMS)}
        metrics = cluster_metrics(
            [step.metrics for step in steps], sums, tie_sums, self.scenario.fuel_price
        )
        reward = np.concatenate([step.reward for step in steps], axis=1)
        reward[:, :, EXCHANGE] = np.where(live[:, None], self._half_losses(), 0.0)
        rows, final_obs = steps[0].final_rows, None
        if rows is not None:
            final_obs = self._joined(
                [s.final_obs for s in steps if s.final_obs is not None], [c[rows] for c in columns]
            )
            self._episode[rows] += 1
            self._start(rows)
            columns = self._tie_columns()
        return Step(
            obs=self._joined([step.obs for step in steps], columns),
            reward=reward,
            cost=np.sum([step.cost for step in steps], axis=0),
            terminated=steps[0].terminated,
            truncated=ended,
            elapsed_s=steps[0].elapsed_s,
            executed=self._executed(action, steps),
            intervened=np.concatenate([step.intervened for step in steps], axis=1),
            reason=np.concatenate([step.reason for step in steps], axis=1),
            final_obs=final_obs,
            final_rows=rows,
            metrics=metrics,
        )

    def _half_losses(self) -> Float32Array:
        """[N, A] kWh: the losses of a tie are borne by both its ends alike."""
        lost = np.abs(self._flow) * (1.0 - self.ties.arriving)
        lost *= 0.5 * float(self.islands[0].arrays.step_h)
        found = np.zeros((self.copies, len(self.islands)), np.float32)
        for k in range(len(self.islands)):
            found[:, k] = lost[:, [tie for tie, _ in self._incident[k]]].sum(axis=1)
        return found

    def _executed(self, action: Action | None, steps: list[Step]) -> Action | None:
        """Commands and setpoints as executed; wishes of ties stand as they are."""
        if action is None or action.discrete is None or action.box is None:
            return None
        done = Action(action.discrete.copy(), action.box.copy())
        for k, step in enumerate(steps):
            one = step.executed
            if one is None or one.discrete is None or one.box is None:
                continue
            done.discrete[:, k, : one.discrete.shape[2]] = one.discrete[:, 0]  # type: ignore[index]
            done.box[:, k, :1] = one.box[:, 0]  # type: ignore[index]
        return done

    def _tie_columns(self) -> list[Float32Array]:
        """What each island sees of its ties, [N, ties · TIE_COLUMNS]."""
        there = self._there(self._states(0)["step"])
        facts = [self._facts(k) for k in range(len(self.islands))]
        found = []
        for incident in self._incident:
            columns = []
            for k, end in incident:
                sign = (1.0 if end == 0 else -1.0) / self.ties.capacity_kw[k]
                net, soc, running = facts[self.ties.ends[k, 1 - end]]
                most = self.ties.capacity_kw[k]
                columns += [there[:, k], sign * self._flow[:, k], sign * self._agreed[:, k]]
                columns += [net / most, soc, running / most]
            shape = (self.copies, len(incident) * len(TIE_COLUMNS))
            stacked = np.stack(columns, axis=1) if columns else np.zeros(shape)
            found.append(stacked.astype(np.float32))
        return found

    def _facts(self, island: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Load less renewables, kW; least charge; prime power of running units, kW. [N] each."""
        sub, state = self.islands[island], self._state(island)
        seen = state.measured(int(sub.arrays.step_known))
        units = int(sub.arrays.n)
        on = state.states["mode"][:, :units] == RUN
        prime = on @ np.asarray(sub.arrays.prime_kw[:units], np.float64)
        return seen[:, 0] - seen[:, 1] - seen[:, 2], state.states["soc_lo"], prime

    def _joined(self, seen: list[Obs], columns: list[Float32Array]) -> Obs:
        """One observation of all agents, padded to the widest."""
        spec, count, n = self.spec, len(self.islands), seen[0].copies
        obs = np.zeros((n, count, spec.obs_dim), np.float32)
        mask = np.zeros((n, count, spec.mask_width), bool)
        given = (3,) if self._by_order else ()
        low = np.zeros((n, count, *given, spec.n_box), np.float32)
        high = np.zeros_like(low)
        for k, (one, own) in enumerate(zip(seen, columns, strict=True)):
            width = one.obs.shape[2]
            obs[:, k, :width] = one.obs[:, 0]
            obs[:, k, width : width + own.shape[1]] = own
            if one.action_mask is not None:
                mask[:, k, : one.action_mask.shape[2]] = one.action_mask[:, 0]
            if one.box_low is not None and one.box_high is not None:
                low[:, k, ..., :1], high[:, k, ..., :1] = one.box_low[:, 0], one.box_high[:, 0]
            for slot, (tie, _) in enumerate(self._incident[k]):
                high[:, k, ..., 1 + slot] = self.ties.capacity_kw[tie]
                low[:, k, ..., 1 + slot] = -self.ties.capacity_kw[tie]
        alive = np.concatenate([one.alive for one in seen], axis=1)
        return Obs(obs, alive, action_mask=mask, box_low=low, box_high=high)

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """See `ControlProblem.snapshot`."""
        kept = {name: np.array(getattr(self, name)[rows]) for name in _KEPT}
        kept["there"] = self._plan.there[rows].copy()
        for k, sub in enumerate(self.islands):
            kept |= {f"{k}:{name}": value for name, value in sub.snapshot(rows).items()}
        return kept

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """See `ControlProblem.restore`."""
        for name in _KEPT:
            getattr(self, name)[rows] = snapshot[name]
        self._plan.there[rows] = snapshot["there"]
        for k, sub in enumerate(self.islands):
            start = f"{k}:"
            own = {n.removeprefix(start): v for n, v in snapshot.items() if n.startswith(start)}
            sub.restore(own, rows)

    def resource(self, need: Need) -> Any:
        """`model`: `ClusterModel`; `state`: `GridState` per island; `future`: [N, A, steps, 3]."""
        if need == "model":
            return ClusterModel(
                tuple(island.name for island in self.scenario.islands),
                tuple(sub.resource("model") for sub in self.islands),
                self.ties,
                tuple(sub.spec.obs_dim for sub in self.islands),
            )
        if need == "state":
            return tuple(sub.resource("state") for sub in self.islands)
        if need == "future":
            return np.stack([sub.resource("future") for sub in self.islands], axis=1)
        return super().resource(need)

    def episode_log(self, row: int) -> Mapping[str, Any]:
        """``island/name``: facts of an island; `agreed_kw`, `flow_kw`, `there`: [steps, K] of ties.

        Empty where an episode batch is too large to be kept.
        """
        found: dict[str, Any] = {}
        for island, sub in zip(self.scenario.islands, self.islands, strict=True):
            own = sub.episode_log(row)
            if not own or not len(self._log):
                return {}
            found |= {f"{island.name}/{name}": value for name, value in own.items()}
        steps = int(self._states(0)["step"][row])
        for j, name in enumerate(("agreed_kw", "flow_kw", "there")):
            found[name] = self._log[:steps, j, row].copy()
        return found

    def details(self, row: int) -> Mapping[str, Mapping[str, float]]:
        """Details of each island as ``island/name``; ``tie_kwh``: energy sent per tie and way."""
        found: dict[str, Mapping[str, float]] = {}
        for island, sub in zip(self.scenario.islands, self.islands, strict=True):
            own = sub.details(row)
            found |= {f"{island.name}/{name}": values for name, values in own.items()}
        if len(self._log):
            hours = float(self.islands[0].arrays.step_h)
            flow = self._log[: int(self._states(0)["step"][row]), 1, row]
            forth = np.maximum(flow, 0.0).sum(axis=0) * hours
            back = np.maximum(-flow, 0.0).sum(axis=0) * hours
            found["tie_forth_kwh"] = dict(zip(self.ties.names, forth.tolist(), strict=True))
            found["tie_back_kwh"] = dict(zip(self.ties.names, back.tolist(), strict=True))
        return found

    def close(self) -> None:
        """See `ControlProblem.close`."""
        for sub in self.islands:
            sub.close()


_KEPT = ("_seed", "_episode", "_wish", "_agreed", "_flow", "_sums")
