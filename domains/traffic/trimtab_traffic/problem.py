"""The control problem: the signals of a SUMO network, played through one of its interfaces.

Decision loop (exactly RESCO's under profile `resco`): every Δ s all signals observe at the same
instant and choose; a signal that changes runs its transition and then shows the new stage. The
shield stands inside the step; the signal state it needs is mirrored here, so nothing is read back
from SUMO. One `simulationStep(t)` call per interval: the transitions lie in SUMO as programs
(`stage_programs`), unless the user's files switch programs by the clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.errors import (
    ActionError,
    NeedNotGrantedError,
    SimulatorError,
    UnknownNameError,
)
from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import (
    Action,
    CostChannel,
    Float32Array,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)

from trimtab_traffic.demand import read_demand
from trimtab_traffic.drive import Drive, Played, StageDrive, constant
from trimtab_traffic.episode import EpisodeFigures
from trimtab_traffic.equipment import Equipment
from trimtab_traffic.features import SIGNAL_FEATURES, StageFeatures
from trimtab_traffic.inputs import compiled_network, resolve
from trimtab_traffic.loops import write_stop_line_loops
from trimtab_traffic.objectives import LocalRewards, reward_channels
from trimtab_traffic.plans import write_programs
from trimtab_traffic.probes import ProbeFleet
from trimtab_traffic.requests import RequestReader
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.sensors import SensedState
from trimtab_traffic.shield import (
    ShieldInputs,
    ShieldState,
    SignalShield,
    TrafficShield,
    compile_shield,
)
from trimtab_traffic.signals import Program
from trimtab_traffic.simulation import Outputs, RunOptions, Session, getter
from trimtab_traffic.split import CyclePlan, SplitDrive
from trimtab_traffic.stage_programs import PROGRAM_ID, stage_programs
from trimtab_traffic.state import TrafficState

_SUMO_SEED_MAX = 0x7FFFFFFF
INTERFACES = ("default", "stage", "graph", "split", "cycle", "native")
_NO, _NO_COST = constant(np.zeros(1, bool)), constant(np.zeros((1, 1), np.float32))
_GLOBAL_REWARD = (RewardChannel("time_in_network", "veh*s", "min"),)


class SignalControl(ControlProblem):
    """Signal control of one network in one SUMO simulation: one copy, one agent per signal.

    Args:
        model: the scenario's problem part.
        interface: `stage` (the default): next stage every interval; `graph`: the same actions,
            with the features and local rewards of `features`; `split`: greens and offset of the
            running plan once per cycle; `cycle`: the same, greens set the cycle; `native`:
            programs that run inside SUMO.
        autoreset: restart with a new SUMO seed when an episode ends.
        logs: have SUMO write what monitor, exports and delay map read; off where nobody looks, as
            in training: 13 % of an episode's CPU time on cologne8.

    Attributes:
        network: the static model; agents are `network.controllable`, in that order.
        signal_ids: ids of the agents.
        session: the SUMO session.
        state: what controllers may read (`resource("state")`).
        shield: the shield; it stands inside `step`.
        shield_inputs: what the shield is told at the present decision.
        installed: additional files of the programs installed for this episode.
    """

    def __init__(
        self,
        model: SignalsProblem,
        interface: str = "default",
        *,
        autoreset: bool = False,
        logs: bool = True,
    ) -> None:
        if interface not in INTERFACES:
            raise UnknownNameError(interface, "action interface of traffic.signals", INTERFACES)
        self.model = model
        self.inputs = resolve(model)
        self.network = compiled_network(self.inputs.net, self.inputs.additional)
        self.profile = model.profile
        self.signal_ids = [signal.id for signal in self.network.controllable]
        self.shield = TrafficShield()
        self.shield_inputs: ShieldInputs | None = None
        self.copies, self.autoreset, self.logs = 1, autoreset, logs
        self.session = Session(model.backend)
        true = self.state = self._true = TrafficState(self.network, self._simulation)
        if model.sensors.kind != "perfect" or model.sensors.faults:
            self.state = SensedState(true, model.sensors, self.inputs.begin_s)
        self.state.fleet = ProbeFleet(self.network, model.sensors.penetration)
        demand = read_demand(
            (*self.inputs.additional, *self.inputs.routes), self.inputs.start_s, self.inputs.end_s
        )
        self._figures = EpisodeFigures(true, demand, self.inputs.begin_s, self.inputs.end_s)
        self._requests = RequestReader(
            self.network,
            self.profile,
            model.priority,
            demand.bus_ids,
            true,
            self._simulation,
            self._sensed if model.sensors.faults else None,
        )
        self._stages = StageDrive(compile_shield(self.network, self.profile))
        self._drive: Drive = self._stages
        if interface in {"split", "cycle"}:
            timings = [automaton.timing for automaton in self.signal_shield.automata]
            keep_cycle = interface == "split"
            self._drive = SplitDrive(timings, self.profile.name, keep_cycle=keep_cycle)
        self._native = interface == "native"
        if self._drive is self._stages:
            self._stages.by_program = not self.network.switched_by_clock
        self.interval_s = self._drive.interval_s
        self._features: StageFeatures | None = None
        self._true_features: StageFeatures | None = None
        if interface == "graph":
            self._features = self._stage_features(self.state)
            self._rewards = LocalRewards(self.network, true, model.weights, demand.bus_ids)
        self.spec = self._spec("stage" if interface == "default" else interface)
        self.installed: tuple[Path, ...] = ()
        self._counts_loops = interface == "cycle"
        self._seed, self._episode = 0, 0
        self._alive = False
        n = len(self.signal_ids)
        self._every, self._none = (constant(np.full((1, n), k)) for k in (True, False))
        self._no_features = constant(np.zeros((1, n, 0), np.float32))

    def _spec(self, interface: str) -> Spec:
        agent_type, actions = self._drive.actions()
        graph = self._features
        if graph is not None:  # one policy plays every signal: one type, padded
            agent_type = tuple(0 for _ in agent_type)
            actions = (max(actions, key=lambda action: action.discrete),)
        simulated_s = self.inputs.end_s - self.inputs.start_s
        return Spec(
            name=f"traffic.signals/{interface}/1",
            agent_type=agent_type,
            actions=actions,
            obs_dim=0 if graph is None else len(SIGNAL_FEATURES),
            entity_blocks=() if graph is None else graph.blocks,
            edges=0 if graph is None else graph.edges,
            rewards=_GLOBAL_REWARD if graph is None else reward_channels(self.model.weights),
            costs=(CostChannel("interventions", "1/step", 0.0),),
            horizon=math.ceil(simulated_s / self.interval_s),
            dt_s=float(self.interval_s),
        )

    def _stage_features(self, state: TrafficState) -> StageFeatures:
        """Features of the `graph` interface as they follow from these readings."""
        equipment = Equipment(self.network, state, self.signal_shield, self._requests)
        return StageFeatures(self.network, state, self.profile, self.interval_s, equipment)

    def informed(self, obs: Obs) -> Obs:
        """What would be seen at this decision without sensor error, for teachers in training.

        Ask at every decision from the first on: ages of red run from decision to decision.

        Args:
            obs: the observation of interface `graph` at this decision.
        """
        if self._sensed is None or obs.action_mask is None:
            return obs
        if self._true_features is None:
            self._true_features = self._stage_features(self._true)
        return self._true_features.observe(obs.alive, obs.action_mask, self.shield_state)

    @property
    def _sensed(self) -> SensedState | None:
        return self.state if isinstance(self.state, SensedState) else None

    @property
    def signal_shield(self) -> SignalShield:
        """The compiled automata (`ShieldedSignals`)."""
        return self._stages.shield

    @property
    def shield_state(self) -> ShieldState:
        """The mirrored signal state (`ShieldedSignals`)."""
        return self._stages.state

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """Prepare an episode; SUMO starts with the first decision, so programs may be installed."""
        self._seed, self._episode = int(np.asarray(seed).reshape(-1)[0]), 0
        self.installed = ()
        self._prepare()
        return self._observe()

    def install_programs(self, programs: Mapping[str, Program]) -> None:
        """Run these programs from the begin of the episode on; the others stay as shipped.

        Args:
            programs: signal id → program.
        """
        path = self.session.outputs.folder / "programs.add.xml"
        self.installed = (write_programs(path, programs),) if programs else ()
        self.session.close()

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`; `discrete` [1, signals, 1] is the next stage per signal."""
        if not self._alive:
            return self._after_the_end(action)
        if not self.session.running:
            self._start(native=self._native or action is None)
        began_s = self.session.time_s
        until_s = min(began_s + self.interval_s, self.inputs.end_s)
        played = self._play(action, until_s)
        self.state.refresh(until_s, self._drive.stage(), self._drive.elapsed_s())
        self._figures.sample(until_s)
        seen, reward = self._observe(), self._reward(until_s - began_s)
        ended = until_s >= self.inputs.end_s - 1e-9
        metrics = self._finish() if ended else {}
        changed = sum(played.changed.tolist())
        return Step(
            obs=self._observe() if ended else seen,
            reward=reward,
            cost=np.array([[changed]], np.float32) if changed else _NO_COST,
            terminated=_NO,
            truncated=np.ones(1, bool) if ended else _NO,
            elapsed_s=np.array([until_s - began_s]),
            executed=played.executed,
            intervened=played.changed[None, :],
            reason=played.reason[None, :],
            final_obs=seen if ended and self.autoreset else None,
            final_rows=np.zeros(1, np.int64) if ended and self.autoreset else None,
            metrics={name: np.array([value]) for name, value in metrics.items()},
        )

    def _play(self, action: Action | None, until_s: float) -> Played:
        """Advance to `until_s`, changing what the signals show on the way."""
        began_s = self.session.time_s
        if action is None:
            self._advance(until_s)
            n = len(self.signal_ids)
            return Played(None, np.zeros(n, bool), np.zeros(n, np.int16), ())
        try:
            played = self._drive.play(action, self.shield_inputs, until_s - began_s)
        except ActionError as error:
            msg = f"{self.spec.name}: {error}"
            raise ActionError(msg) from None
        api = self.session.api
        self._turn(played.phases)
        for second, row, state in played.changes:
            self._advance(began_s + second)
            api.trafficlight.setRedYellowGreenState(self.signal_ids[row], state)
        self._advance(until_s)
        return played

    def _turn(self, phases: Sequence[tuple[int, int]]) -> None:
        """Begin transitions: (signal row, phase of its stage program).

        Raises:
            SimulatorError: a signal does not run its stage program any more.
        """
        program = getter(self.session.api, "trafficlight", "getProgram")
        set_phase = getter(self.session.api, "trafficlight", "setPhase")
        for row, phase in phases:
            name = self.signal_ids[row]
            if (runs := program(name)) != PROGRAM_ID:
                msg = (
                    f"signal {name!r} was taken from its controller at {self.session.time_s:g} s "
                    f"(it runs program {runs!r}): leave its program alone during a run"
                )
                raise SimulatorError(msg)
            set_phase(name, phase)

    def _advance(self, until_s: float) -> None:
        """Simulate up to `until_s`; the probe fleet reports on the way, if anybody reads it."""
        fleet = self.state.fleet
        while fleet.watched and fleet.next_ping_s <= until_s:
            self._simulate(fleet.next_ping_s)
            fleet.ping(self.session.api, self.session.time_s)
        self._simulate(until_s)

    def _simulate(self, until_s: float) -> None:
        """Simulate up to `until_s`; queues are sampled on the way where decisions are rare."""
        figures = self._figures
        while figures.next_sample_s < until_s - 1e-9:
            self.session.advance(figures.next_sample_s)
            self._true.forget()
            figures.sample(self.session.time_s)
        self.session.advance(until_s)

    def plan(self, row: int) -> CyclePlan | None:
        """Plan that the `split` interface sets the greens of, None where there is no such plan."""
        return self._drive.plan(row) if isinstance(self._drive, SplitDrive) else None

    @property
    def outputs(self) -> Outputs:
        """Files SUMO wrote in the last finished episode."""
        return self.session.outputs

    def _after_the_end(self, action: Action | None) -> Step:
        """A step of an episode that has ended: nothing happens."""
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
        """An episode lies ahead; SUMO starts when it is first looked at or stepped."""
        self.session.close()
        self._alive = True
        self._drive.begin(self.inputs.start_s)
        self.shield_inputs = None
        self.state.fleet.begin(self.inputs.start_s, self._sumo_seed())
        if self._features is not None:
            self._features.reset()
            self._rewards.reset()
        if self._true_features is not None:
            self._true_features.reset()
        self.state.refresh(self.inputs.start_s, self._drive.stage(), self._drive.elapsed_s())
        if self._sensed is not None:
            self._sensed.begin(self._seed, self._episode)

    def _simulation(self) -> Any:
        """The running simulation, started when first looked at."""
        if not self.session.running:
            self._start(native=self._native)
        return self.session.api

    def _start(self, *, native: bool) -> None:
        options, by_program = self.run_options(), not native and self._stages.by_program
        if by_program:
            options = replace(options, additional=(*options.additional, self._stage_file()))
        self.session.start(options)
        self._figures.begin(self.session.time_s)
        if not native:
            first = self._drive.begin(self.session.time_s)
            if not by_program:
                show = self.session.api.trafficlight.setRedYellowGreenState
                for name, state in zip(self.signal_ids, first, strict=True):
                    if state:
                        show(name, state)

    def _stage_file(self) -> Path:
        """Programs of all stages and transitions, written once."""
        path = self.outputs.folder / "stages.add.xml"
        if not path.is_file():
            phases = dict(zip(self.signal_ids, self._stages.programs, strict=True))
            write_programs(path, stage_programs(phases, self.inputs.start_s))
        return path

    def run_options(self) -> RunOptions:
        """What SUMO is started with in this episode."""
        return RunOptions(
            net=self.inputs.net,
            routes=self.inputs.routes,
            additional=(*self.inputs.additional, *self.installed, *self._loops()),
            begin_s=self.inputs.start_s,
            end_s=self.inputs.end_s,
            seed=self._sumo_seed(),
            teleport_s=self.model.teleport_s,
            signals=tuple(signal.id for signal in self.network.signals) if self.logs else (),
            edge_data=self.logs,
            emissions=self.model.emissions,
            extra=self.inputs.options,
        )

    def _loops(self) -> tuple[Path, ...]:
        """Loops of the sensor model, and those of the interface whose controllers count."""
        folder, files = self.outputs.folder, []
        if self._counts_loops:
            path = folder / "stop-lines.add.xml"
            lanes = self.state.approach_lanes
            files.append(write_stop_line_loops(path, lanes, self.inputs.end_s))
        if self._sensed is not None and self._sensed.loops is not None:
            files.append(self._sensed.loops.write(folder / "loops.add.xml", self.interval_s))
        return tuple(files)

    def _sumo_seed(self) -> int:
        if self._episode == 0 and self._seed <= _SUMO_SEED_MAX:
            return self._seed
        words = np.random.SeedSequence([self._seed, self._episode]).generate_state(1)
        return int(words[0]) & _SUMO_SEED_MAX

    def _reward(self, elapsed_s: float) -> Float32Array:
        if self._features is not None:
            return self._rewards.read()
        shared = self.session.vehicles_in_network() * elapsed_s  # veh*s
        reward = np.empty((1, len(self.signal_ids), 1), np.float32)
        reward.fill(shared)  # np.full takes ten times as long
        return reward

    def _finish(self) -> Mapping[str, float]:
        """End the episode: close SUMO, work out the metrics."""
        stuck = self._figures.stuck_vehicles(self.session.api)
        self.session.close()
        metrics = self._figures.metrics(self.outputs, stuck)
        self._alive = False
        if self.autoreset:
            self._episode += 1
            self._prepare()
        return metrics

    def _observe(self) -> Obs:
        alive = self._every if self._alive else self._none
        mask = None
        if self._sensed is not None and self._sensed.has_memory and self._alive:
            self._sensed.read()
        if self._drive is self._stages:
            if self._alive and not self._native and self._requests.needed:
                self.shield_inputs = self._requests.read()
            mask = self._stages.mask(self.shield_inputs)[None]
        if self._features is not None and mask is not None:
            return self._features.observe(alive, mask, self.shield_state)
        return Obs(obs=self._no_features, alive=alive, action_mask=mask)

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
        """What SUMO wrote of the last finished episode.

        Returns:
            signal_log, trips and statistics (paths), begin_s, end_s.
        """
        return {
            "signal_log": self.session.outputs.signals,
            "trips": self.session.outputs.trips,
            "statistics": self.session.outputs.statistics,
            "begin_s": self.inputs.start_s,
            "end_s": self.inputs.end_s,
        }

    def details(self, row: int) -> Mapping[str, Mapping[str, float]]:
        """Seconds lost per edge and 95 % queue per lane in the last finished episode.

        Without `logs` only the queues.
        """
        return self._figures.details(self.session.outputs if self.logs else None)

    def close(self) -> None:
        """See `ControlProblem.close`."""
        self.session.dispose()
