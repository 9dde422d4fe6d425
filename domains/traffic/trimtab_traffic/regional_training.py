"""Training of the regional agent: student of a centre that every vehicle reports to.

In training every vehicle is followed, but the student is told of its share of probes only. The
teacher knows them all, has the student's greens before it, and names the move that saves most
delay; DAgger on generated networks makes the student choose alike from what few probes tell. The
weights are shipped whatever the paired test on held-out networks says of them beside the classical
rule; the manifest and the documentation tell what it said.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs, Step
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy
from trimtab.deploy.weights import save_policy
from trimtab.evidence.bootstrap import paired_difference
from trimtab.learn.checkpoint import Progress
from trimtab.learn.curriculum import FreshSeeds
from trimtab.learn.teach import DaggerConfig, dagger
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate

from trimtab_traffic.controllers import entries
from trimtab_traffic.controllers.regional import RegionalAgent
from trimtab_traffic.evolution import RETRAIN, provenance
from trimtab_traffic.moves import ROUNDS, MoveBoard
from trimtab_traffic.probes import ProbeFleet
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.regional import Filter, Region
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.signals import TrafficNetwork
from trimtab_traffic.simulation import Session
from trimtab_traffic.towns import Town, Towns

JUDGE_SEEDS = (911, 912, 913)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Length of the training.

    Attributes:
        rounds: of DAgger.
        steps: rounds of moves played in each.
        updates: Adam steps in each.
    """

    rounds: int = 3
    steps: int = 320
    updates: int = 250


def region_town(
    kind: str, columns: int, rows: int, vehicles_per_h: float, network_seed: int, share: float
) -> SignalsProblem:
    """One network with a share of probes, a quarter of an hour an episode."""
    size = {"columns": columns, "rows": rows, "network_seed": network_seed}
    return SignalsProblem.model_validate(
        {
            "network": {"generated": {"kind": kind, "vehicles_per_h": vehicles_per_h, **size}},
            "rules": {"profile": "resco"},
            "sensors": {"penetration": share},
            "horizon_s": 900,
        }
    )


def training_towns() -> tuple[SignalsProblem, ...]:
    """Small networks of several shapes, near and above what the generated plan can carry."""
    return (
        region_town("arterial", 3, 1, 3000, 22, 0.1),
        region_town("town", 3, 2, 2000, 23, 0.1),
        region_town("grid", 1, 1, 2200, 26, 0.3),
        region_town("town", 3, 2, 2200, 27, 0.3),
        region_town("town", 3, 2, 3000, 28, 0.1),
    )


def held_out_towns() -> tuple[SignalsProblem, ...]:
    """Networks that compare the student with the classical rule; none is trained on."""
    return (
        region_town("town", 3, 3, 2200, 41, 0.1),
        region_town("arterial", 5, 1, 2800, 42, 0.1),
        region_town("town", 3, 2, 2000, 43, 0.1),
    )


class FollowedFleet(ProbeFleet):
    """A share of probes, and beside it the whole traffic for the teacher.

    Attributes:
        whole: the fleet that every vehicle belongs to.
    """

    def __init__(self, network: TrafficNetwork, share: float) -> None:
        self.whole = ProbeFleet(network, 1.0)
        super().__init__(network, share)

    def begin(self, time_s: float, seed: int) -> None:
        """See `ProbeFleet.begin`."""
        self.whole.begin(time_s, seed)
        super().begin(time_s, seed)

    def ping(self, api: Any, time_s: float) -> None:
        """See `ProbeFleet.ping`."""
        self.whole.ping(api, time_s)
        super().ping(api, time_s)


class RegionalMoves(ControlProblem):
    """Splits as rounds of moves: every junction moves a second of green or stays.

    Args:
        model: one network.

    Attributes:
        signals: the problem with interface `split` that is played.
        board: offers the moves.
        all_knowing: the region as every vehicle tells of it.
    """

    copies = 1
    autoreset = False

    def __init__(self, model: SignalsProblem) -> None:
        self.signals = SignalControl(model, "split", logs=False)
        network = self.signals.network
        fleet = FollowedFleet(network, model.sensors.penetration)
        self.signals.state.fleet = fleet
        self._region = Region(self.signals, self.signals.profile, Filter())
        self.all_knowing = Region(self.signals, self.signals.profile, Filter(), fleet.whole)
        self.board = MoveBoard(self._region, network)
        self.spec = self.board.spec(self.signals.spec.horizon, self.signals.spec.dt_s)
        self._round = 0

    @property
    def session(self) -> Session:
        """See `towns.Town`."""
        return self.signals.session

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        self.signals.reset(seed, context)
        self._region.reset()
        self.all_knowing.reset()
        self._round = 0
        return self.board.observe(0)

    def step(self, action: Action | None) -> Step:
        """Play one round; the last of a decision advances the traffic by a cycle."""
        if action is not None and action.discrete is not None:
            self.board.make(action.discrete[0, :, 0])
        self._round = (self._round + 1) % ROUNDS
        if self._round:
            return self._between(action)
        played = self.signals.step(self._region.action())
        alive = not bool(played.done[0])
        if alive:
            self.all_knowing.greens_s = self._region.greens_s.copy()
            self._region.look()
            self.all_knowing.look()
        return Step(
            obs=self.board.observe(0, alive=alive),
            reward=played.reward,
            cost=np.zeros((1, 0), np.float32),
            terminated=played.terminated,
            truncated=played.truncated,
            elapsed_s=played.elapsed_s / ROUNDS,
            executed=action,
            intervened=np.zeros((1, self.spec.n_agents), dtype=bool),
            reason=np.zeros((1, self.spec.n_agents), np.int16),
            metrics=played.metrics,
        )

    def _between(self, action: Action | None) -> Step:
        """A round after which no time passes yet."""
        agents, no = self.spec.n_agents, np.zeros(1, dtype=bool)
        return Step(
            obs=self.board.observe(self._round),
            reward=np.zeros((1, agents, 1), np.float32),
            cost=np.zeros((1, 0), np.float32),
            terminated=no,
            truncated=no,
            elapsed_s=np.array([self.spec.dt_s]),
            executed=action,
            intervened=np.zeros((1, agents), dtype=bool),
            reason=np.zeros((1, agents), np.int16),
        )

    def taught(self) -> IntArray:
        """The teacher's choice for every junction, [signals]."""
        self.all_knowing.greens_s = self._region.greens_s
        return self.board.choices(self.all_knowing, self.all_knowing.load())

    def close(self) -> None:
        """See `ControlProblem.close`."""
        self.signals.close()


class AllKnowing(Controller):
    """The teacher on networks in turn.

    Args:
        towns: of `RegionalMoves`.
    """

    def __init__(self, towns: Towns) -> None:
        self._towns = towns

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        town = self._towns.town
        choices = np.zeros((1, obs.alive.shape[1], 1), dtype=np.int64)
        if isinstance(town, RegionalMoves) and obs.alive.any():
            taught = town.taught()
            choices[0, : len(taught), 0] = taught
        return Action(discrete=choices)


def _moves_of(model: SignalsProblem) -> Town:
    return RegionalMoves(model)


def imitate(
    models: Sequence[SignalsProblem], seed: int, recipe: Recipe, progress: Progress | None = None
) -> Policy:
    """A student of the all-knowing teacher, by DAgger on several networks.

    Args:
        models: training networks with their shares of probes.
        seed: of weights, exploration and demand order.
        recipe: lengths.
        progress: called with one line at the end.
    """
    with Towns(models, _moves_of) as towns:
        net = NetSpec.for_problem(
            towns.spec, action_block="moves", rounds=1, hidden=(32, 32), embed=24
        )
        config = DaggerConfig(
            rounds=recipe.rounds,
            steps=recipe.steps,
            updates=recipe.updates,
            batch=32,
            compiled=False,
        )
        source = FreshSeeds(np.random.default_rng([seed, 1]))
        student = dagger(towns, AllKnowing(towns), net, config, (seed,), source=source)
    if progress is not None:
        agreement = ", ".join(f"{100 * a:.0f} %" for a in student.agreement[:, 0])
        progress(f"student agrees with its teacher in {agreement} of choices")
    return student.policy


def train(
    out: Path,
    seed: int,
    progress: Progress | None = None,
    recipe: Recipe | None = None,
    towns: Sequence[SignalsProblem] | None = None,
    held_out: Sequence[SignalsProblem] | None = None,
) -> dict[str, Any]:
    """Train the regional agent, compare it with the classical rule, write weights and manifest.

    Args:
        out: `.safetensors` file to write.
        seed: of training.
        progress: called with one line per part.
        recipe: lengths.
        towns: to train on, `training_towns` by default.
        held_out: to judge on, `held_out_towns` by default.

    Returns:
        What the paired test found: change of the mean delay, its interval, per network.
    """
    recipe, begun = recipe or Recipe(), time.process_time()
    models = towns or training_towns()
    student = imitate(models, seed, recipe, progress)
    trained_s = time.process_time() - begun
    verdict = compare(held_out or held_out_towns(), student, JUDGE_SEEDS)
    if progress is not None:
        progress(f"delay beside the rule: {verdict}")
    notes = {
        **provenance(RETRAIN, models, seed),
        "env_steps": recipe.rounds * recipe.steps,
        "cpu_s": round(trained_s, 1),
        "shares_of_probes": [m.sensors.penetration for m in models],
        "recipe": asdict(recipe),
        "beside_the_rule": verdict,
    }
    with Towns(models, _moves_of) as played:
        save_policy(out, student, played.spec, notes)
    return verdict


def compare(
    models: Sequence[SignalsProblem], policy: Policy, seeds: Sequence[int]
) -> dict[str, Any]:
    """Mean of delay / delay of the classical rule - 1 on the same networks and seeds."""
    relative = [
        [_delay_s(m, policy, s) / _delay_s(m, None, s) - 1.0 for s in seeds] for m in models
    ]
    zeros = [[0.0] * len(seeds) for _ in models]
    found = paired_difference(relative, zeros, np.random.default_rng(0))
    interval = found.interval
    return {
        "change": round(found.mean, 4),
        "low": None if interval is None else round(interval.low, 4),
        "high": None if interval is None else round(interval.high, 4),
        "per_network": [round(float(np.mean(row)), 4) for row in relative],
    }


def _delay_s(model: SignalsProblem, policy: Policy | None, seed: int) -> float:
    """True delay under the policy, or under the rule."""
    with SignalControl(model, "split", logs=False) as problem:
        if policy is None:
            rule = entries(model)["regional_rule"]
            agent = make_controller(problem, rule, {"trials": 0}, "regional_rule")
        else:
            agent = RegionalAgent(problem, model.profile, policy)
        return float(evaluate(problem, agent, [seed])[0].metrics["true_delay_s"])
