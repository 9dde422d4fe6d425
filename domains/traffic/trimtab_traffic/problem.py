"""The control problem: every signal of a SUMO network chooses its next stage.

Decision loop (exactly RESCO's under profile `resco`): every Δ s all signals observe at the same
instant and choose; a signal that changes runs its transition and then shows the new stage. The
shield stands inside the step; the signal state it needs is mirrored here, so nothing is read back
from SUMO. One `simulationStep(t)` call per interval in which no signal changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.errors import ActionError, NeedNotGrantedError, UnknownNameError
from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Composite,
    CostChannel,
    Float32Array,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)

from trimtab_traffic.demand import read_demand
from trimtab_traffic.episode import EpisodeFigures
from trimtab_traffic.features import REWARDS, SIGNAL_FEATURES, StageFeatures
from trimtab_traffic.inputs import resolve
from trimtab_traffic.network import compile_network
from trimtab_traffic.plans import write_programs
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.shield import ShieldInputs, ShieldState, TrafficShield, compile_shield
from trimtab_traffic.signals import Program
from trimtab_traffic.simulation import Outputs, RunOptions, Session
from trimtab_traffic.state import TrafficState

_GLOBAL_REWARD = (RewardChannel("time_in_network", "veh*s", "min"),)
INTERFACES = ("default", "stage", "graph", "native")


class SignalControl(ControlProblem):
    """Signal control of one network in one SUMO simulation: one copy, one agent per signal.

    Args:
        model: the scenario's problem part.
        interface: `stage` (the default), `graph` (the same actions, with the features and local
            rewards of `features`), or `native` for programs that run inside SUMO.
        autoreset: restart with a new SUMO seed when an episode ends.

    Attributes:
        network: the static model; agents are `network.controllable`, in that order.
        signal_ids: ids of the agents.
        session: the SUMO session.
        state: what controllers may read (`resource("state")`).
        signal_shield, shield_state, shield_inputs: what `TrafficShield` needs.
        shield: the shield; it stands inside `step`.
    """

    def __init__(
        self, model: SignalsProblem, interface: str = "default", *, autoreset: bool = False
    ) -> None:
        if interface not in INTERFACES:
            raise UnknownNameError(interface, "action interface of traffic.signals", INTERFACES)
        self.model = model
        self.inputs = resolve(model)
        self.network = compile_network(self.inputs.net, self.inputs.additional)
        self.profile = model.profile
        self.signal_shield = compile_shield(self.network, self.profile)
        self.shield = TrafficShield()
        self.state = TrafficState(self.network, self._simulation)
        self.copies, self.autoreset = 1, autoreset
        self.interval_s = self.signal_shield.decision_s
        self._native = interface == "native"
        self._features: StageFeatures | None = None
        if interface == "graph":
            self._features = StageFeatures(self.network, self.state, self.interval_s)
        self.spec = self._spec(interface)
        self.shield_state: ShieldState = self.signal_shield.initial()
        self.shield_inputs: ShieldInputs | None = None
        demand = read_demand(
            (*self.inputs.additional, *self.inputs.routes), self.inputs.start_s, self.inputs.end_s
        )
        self._figures = EpisodeFigures(self.state, demand, self.inputs.begin_s, self.inputs.end_s)
        self.session = Session(model.backend)
        self.signal_ids = [signal.id for signal in self.network.controllable]
        self._programs: tuple[Path, ...] = ()
        self._seed, self._episode = 0, 0
        self._alive = False
        self._metrics: Mapping[str, float] = {}

    def _spec(self, interface: str) -> Spec:
        sizes = [len(signal.stage_states) for signal in self.network.controllable]
        graph = self._features
        kinds = sorted(set(sizes)) if graph is None else [max(sizes)]
        simulated_s = self.inputs.end_s - self.inputs.start_s
        return Spec(
            name=f"traffic.signals/{'stage' if interface == 'default' else interface}/1",
            agent_type=tuple(kinds.index(size) if graph is None else 0 for size in sizes),
            actions=tuple(Composite(discrete=(size,)) for size in kinds),
            obs_dim=0 if graph is None else len(SIGNAL_FEATURES),
            entity_blocks=() if graph is None else graph.blocks,
            edges=0 if graph is None else graph.edges,
            rewards=_GLOBAL_REWARD if graph is None else self._local_rewards(),
            costs=(CostChannel("interventions", "1/step", 0.0),),
            horizon=math.ceil(simulated_s / self.interval_s),
            dt_s=float(self.interval_s),
        )

    def _local_rewards(self) -> tuple[RewardChannel, ...]:
        units = {"delay": "veh", "queue": "veh", "max_wait": "s"}
        weights = self.model.weights
        return tuple(
            RewardChannel(name, units[name], "min", weights.get(name, 0.0)) for name in REWARDS
        )

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """Prepare an episode; SUMO starts with the first decision, so programs may be installed."""
        self._seed, self._episode = int(np.asarray(seed).reshape(-1)[0]), 0
        self._programs = ()
        self._prepare()
        return self._observe()

    def install_programs(self, programs: Mapping[str, Program]) -> None:
        """Run these programs from the begin of the episode on; the others stay as shipped.

        Args:
            programs: signal id → program.
        """
        path = self.session.outputs.folder / "programs.add.xml"
        self._programs = (write_programs(path, programs),) if programs else ()
        self.session.close()

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`; `discrete` [1, signals, 1] is the next stage per signal."""
        if not self._alive:
            return self._idle(action)
        if not self.session.running:
            self._start(native=action is None)
        until_s = min(self.session.time_s + self.interval_s, self.inputs.end_s)
        executed, changed, reason = self._play(action, until_s)
        self._figures.sample(self.session.time_s)
        ended = self.session.time_s >= self.inputs.end_s - 1e-9
        seen = self._observe()
        reward = self._reward()
        if ended:
            self._finish()
        return Step(
            obs=self._observe() if ended else seen,
            reward=reward,
            cost=np.array([[changed.sum()]], np.float32),
            terminated=np.zeros(1, bool),
            truncated=np.array([ended]),
            elapsed_s=np.array([float(self.interval_s)]),
            executed=executed,
            intervened=changed[None, :],
            reason=reason[None, :],
            final_obs=seen if ended and self.autoreset else None,
            final_rows=np.zeros(1, np.int64) if ended and self.autoreset else None,
            metrics={k: np.array([v]) for k, v in self._metrics.items()} if ended else {},
        )

    def _play(
        self, action: Action | None, until_s: float
    ) -> tuple[Action | None, BoolArray, np.ndarray[Any, np.dtype[np.int16]]]:
        n = len(self.signal_ids)
        if action is None:
            self.session.advance(until_s)
            return None, np.zeros(n, bool), np.zeros(n, np.int16)
        if action.discrete is None or action.discrete.shape != (1, n, 1):
            msg = f"{self.spec.name}: action.discrete must have shape (1, {n}, 1)"
            raise ActionError(msg)
        proposed = np.asarray(action.discrete[0, :, 0], dtype=np.int64)
        stages, changed, reason = self.signal_shield.project(
            self.shield_state, proposed, self.shield_inputs
        )
        self._drive(stages, until_s)
        return Action(discrete=stages[None, :, None]), changed, reason

    def _drive(self, stages: IntArray, until_s: float) -> None:
        """Show what the automata schedule, second by second where something changes."""
        session, begin_s = self.session, self.session.time_s
        show = session.api.trafficlight.setRedYellowGreenState
        for second, row, state in self.signal_shield.schedule(self.shield_state, stages):
            if begin_s + second >= until_s:
                break
            session.advance(begin_s + second)
            show(self.signal_ids[row], state)
        session.advance(until_s)
        self.shield_state = self.signal_shield.advance(
            self.shield_state, stages, self.shield_inputs
        )

    @property
    def outputs(self) -> Outputs:
        """Files SUMO wrote in the last finished episode."""
        return self.session.outputs

    def _idle(self, action: Action | None) -> Step:
        """A step of an episode that has ended."""
        n = len(self.signal_ids)
        return Step(
            obs=self._observe(),
            reward=np.zeros((1, n, len(self.spec.rewards)), np.float32),
            cost=np.zeros((1, 1), np.float32),
            terminated=np.zeros(1, bool),
            truncated=np.zeros(1, bool),
            elapsed_s=np.array([float(self.interval_s)]),
            executed=action,
            intervened=np.zeros((1, n), bool),
            reason=np.zeros((1, n), np.int16),
        )

    def _prepare(self) -> None:
        self.session.close()
        self._alive = True
        self.shield_state = self.signal_shield.initial()
        self.shield_inputs = None
        if self._features is not None:
            self._features.reset()

    def _simulation(self) -> Any:
        """The running simulation, started when first looked at."""
        if not self.session.running:
            self._start(native=self._native)
        return self.session.api

    def _start(self, *, native: bool) -> None:
        self.session.start(self.run_options())
        self._figures.begin(self.session.time_s)
        if not native:
            show = self.session.api.trafficlight.setRedYellowGreenState
            first = self.signal_shield.state_strings(self.shield_state)
            for name, state in zip(self.signal_ids, first, strict=True):
                show(name, state)

    def run_options(self) -> RunOptions:
        """What SUMO is started with in this episode."""
        return RunOptions(
            net=self.inputs.net,
            routes=self.inputs.routes,
            additional=(*self.inputs.additional, *self._programs),
            begin_s=self.inputs.start_s,
            end_s=self.inputs.end_s,
            seed=self._sumo_seed(),
            teleport_s=self.model.teleport_s,
            signals=tuple(signal.id for signal in self.network.signals),
            edge_data=True,
            emissions=self.model.emissions,
            extra=self.inputs.options,
        )

    def _sumo_seed(self) -> int:
        if self._episode == 0:
            return self._seed
        words = np.random.SeedSequence([self._seed, self._episode]).generate_state(1)
        return int(words[0] & 0x7FFFFFFF)

    def _finish(self) -> None:
        """End the episode: close SUMO, work out the metrics."""
        stuck = self._figures.stuck_vehicles(self.session.api)
        self.session.close()
        self._metrics = self._figures.metrics(self.session.outputs, stuck)
        self._alive = False
        if self.autoreset:
            self._episode += 1
            self._prepare()

    def _reward(self) -> Float32Array:
        if self._features is not None:
            return self._features.reward()
        shared = self._figures.time_in_network_s(self.session.api, self.interval_s)
        return np.full((1, len(self.signal_ids), 1), shared, np.float32)

    def _observe(self) -> Obs:
        n = len(self.signal_ids)
        signals = self.shield_state
        time_s = self.session.time_s if self.session.running else self.inputs.start_s
        self.state.refresh(time_s, signals.stage, signals.elapsed_s)
        alive = np.full((1, n), self._alive)
        mask = self.signal_shield.legal(signals, self.shield_inputs).mask[None]
        if self._features is not None:
            return self._features.observe(alive, mask)
        return Obs(obs=np.zeros((1, n, 0), np.float32), alive=alive, action_mask=mask)

    def resource(self, need: Need) -> Any:
        """`model`: the `TrafficNetwork`; `state`: the live `TrafficState`.

        Raises:
            NeedNotGrantedError: neither of them.
        """
        if need == "model":
            return self.network
        if need == "state":
            return self.state
        msg = f"{self.spec.name} offers no {need!r}: only model and state"
        raise NeedNotGrantedError(msg)

    def episode_log(self, row: int) -> Mapping[str, Any]:
        """SUMO's own log of signal states of the last finished episode.

        Returns:
            signal_log (path), begin_s, end_s.
        """
        return {
            "signal_log": self.session.outputs.signals,
            "begin_s": self.inputs.start_s,
            "end_s": self.inputs.end_s,
        }

    def details(self, row: int) -> Mapping[str, Mapping[str, float]]:
        """Seconds lost per edge and 95 % queue per lane in the last finished episode."""
        return self._figures.details(self.session.outputs)

    def close(self) -> None:
        """See `ControlProblem.close`."""
        self.session.dispose()
