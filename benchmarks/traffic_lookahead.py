"""What looking ahead in SUMO itself gains, and how much of it a stage score can learn.

    python benchmarks/traffic_lookahead.py play --results play.jsonl --nets cologne1 --minutes 20
        [--seeds 1 2] [--players mpc stage_score graph look60 look60/200]
    python benchmarks/traffic_lookahead.py label --results labels.jsonl [--seeds 501 502]
    python benchmarks/traffic_lookahead.py learn --results labels.jsonl

`look60` is multi-agent rollout (Bertsekas 2021): signal by signal every stage is tried in a fork of
the simulation, `stage_score` plays on for 60 s, and the stage with the least time lost around the
signal is shown. It knows the future; `look60/200` is told only of vehicles within 200 m of a stop
line, and that nobody else comes. `label` records, on the training towns, what each stage costs
from states that `stage_score` came to; `learn` fits the score's weights to these costs as
cost-sensitive classification (least expected cost under its softmax) and tells what that gains on
states it was not fitted to. Nets are wheel networks, or `town3`: number 3 of the training towns.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from episode_log import append_row, read_rows
from numpy.typing import NDArray
from scipy.optimize import minimize
from sumo_forks import Forks
from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import Action, FloatArray, Obs
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers.box_hold import HOLD_S, held
from trimtab_traffic.controllers.learned import graph
from trimtab_traffic.controllers.stage_score import ROLLOUT, TUNED, StageScore
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.simulation import preload
from trimtab_traffic.training_networks import training_towns

N_200 = STAGE_FEATURES.index("n_200")
LABEL_S, LABEL_MINUTES = 120, 10
PER_TOWN = 90
"""States labelled per town and seed, about."""
FOLDS = 5
BLOCK = 20
"""Decisions of an episode that stay in one fold, since neighbouring states are alike."""
PULLS = (0.0, 0.03, 0.3)
"""Penalties on the squared distance from the shipped weights."""
MOST_VEH_S = 150.0
"""Costs count up to this when weights are fitted: a few states would decide alone."""
Row = dict[str, Any]


class Lookahead(Controller):
    """The base, each signal's stage replaced where another one loses less time.

    Args:
        problem: interface `graph`.
        base: decides from the observation alone.
        ahead_s: time looked ahead, s.
        sight_m: see `Forks`.
    """

    def __init__(
        self, problem: SignalControl, base: Controller, ahead_s: int, sight_m: float | None
    ) -> None:
        self._forks, self._base = Forks(problem, base, sight_m), base
        self._intervals = ahead_s // problem.interval_s

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        action, intervals = self._base.act(obs), min(self._intervals, self._forks.room())
        if action.discrete is None or obs.action_mask is None or intervals < 1:
            return action
        stages = action.discrete[0, :, 0].copy()
        lost = self._forks.lost_veh_s(stages, intervals).sum(axis=0)
        for signal in np.flatnonzero(_occupied(obs)):
            near, chosen = self._forks.near[signal], stages[signal]
            for stage in np.flatnonzero(obs.action_mask[0, signal]):
                if stage == chosen:
                    continue
                tried = stages.copy()
                tried[signal] = stage
                found = self._forks.lost_veh_s(tried, intervals).sum(axis=0)
                if found @ near < lost @ near:
                    stages, lost = tried, found
        return Action(discrete=stages[None, :, None])


def _occupied(obs: Obs) -> NDArray[np.bool_]:
    """[signals] whether anybody is within 200 m."""
    return np.asarray(obs.entities["stages"][0, :, :, N_200].sum(axis=1) > 0)


def scenario(net: str, minutes: float) -> SignalsProblem:
    """The scenario of a wheel network or a training town under profile `resco`."""
    number = net.removeprefix("town")
    model = (
        training_towns()[int(number)]
        if number != net
        else SignalsProblem.model_validate(
            {"network": {"wheel": net}, "rules": {"profile": "resco"}}
        )
    )
    return model.model_copy(update={"horizon_s": round(60 * minutes)})


def _player(problem: SignalControl, name: str) -> Controller:
    simple: dict[str, Callable[[], Controller]] = {
        "mpc": lambda: StageScore(problem, **ROLLOUT),
        "stage_score": lambda: StageScore(problem, **TUNED),
        "graph": lambda: held(graph, problem, HOLD_S),
        "graph_unheld": lambda: graph(problem),
    }
    if name in simple:
        return simple[name]()
    ahead_s, _, sight_m = name.removeprefix("look").partition("/")
    base = StageScore(problem, **TUNED)
    return Lookahead(problem, base, int(ahead_s), float(sight_m) if sight_m else None)


def play(net: str, player: str, seed: int, minutes: float) -> Row:
    """Play one episode in this process."""
    with SignalControl(scenario(net, minutes), "graph", logs=False) as problem:
        record = evaluate(problem, _player(problem, player), [seed], name=player)[0]
    key = {"net": net, "player": player, "seed": seed, "minutes": minutes}
    return key | {"true_delay_s": record.metrics["true_delay_s"]}


def label(net: str, seed: int) -> list[Row]:
    """Costs of every stage in states of the base's own play of one town."""
    rng, rows = np.random.default_rng([seed, 1]), []
    with SignalControl(scenario(net, LABEL_MINUTES), "graph", logs=False) as problem:
        base = StageScore(problem, **TUNED)
        forks, intervals = Forks(problem, base), LABEL_S // problem.interval_s
        share = PER_TOWN / (problem.spec.horizon * len(problem.signal_ids))
        obs = problem.reset(np.array([seed]))
        for number in range(problem.spec.horizon):
            action = base.act(obs)
            if forks.room() >= intervals and number:
                drawn = rng.random(len(problem.signal_ids)) < share
                for signal in np.flatnonzero(drawn & _occupied(obs)):
                    at = {"net": net, "seed": seed, "decision": number, "signal": int(signal)}
                    rows.append(at | _costs(forks, obs, action, int(signal), intervals))
            obs = problem.step(action).obs
    return rows


def _costs(forks: Forks, obs: Obs, action: Action, signal: int, intervals: int) -> Row:
    legal = np.flatnonzero(obs.action_mask[0, signal])
    lost = []
    for stage in legal:
        stages = action.discrete[0, :, 0].copy()
        stages[signal] = stage
        lost.append(forks.lost_veh_s(stages, intervals))
    base = int(np.flatnonzero(legal == action.discrete[0, signal, 0])[0])
    return {
        "base": base,
        "own_veh_s": float(lost[base][0, signal]),
        "features": obs.entities["stages"][0, signal, legal].round(5).tolist(),
        "lost_veh_s": [(found @ forks.near[signal]).round(2).tolist() for found in lost],
    }


@dataclass(frozen=True)
class Labels:
    """States, padded to S stages.

    Attributes:
        features: [states, S, features].
        dearer: [states, S] how much more than the base's stage each costs, in units of what the
            town loses at one signal in one interval, towns alike.
        exists: [states, S].
        fold: [states].
    """

    features: FloatArray
    dearer: FloatArray
    exists: NDArray[np.bool_]
    fold: NDArray[np.int64]

    @classmethod
    def of(cls, rows: list[Row], ahead_s: int) -> Labels:
        """From the rows of `label`, costs of the first `ahead_s`."""
        shape = (len(rows), max(len(row["features"]) for row in rows))
        features, exists = np.zeros((*shape, len(STAGE_FEATURES))), np.zeros(shape, dtype=bool)
        dearer = np.zeros(shape)
        for k, row in enumerate(rows):
            lost = np.array(row["lost_veh_s"])
            cost = lost[:, : lost.shape[1] * ahead_s // LABEL_S].sum(axis=1)
            features[k, : len(cost)], exists[k, : len(cost)] = row["features"], True
            dearer[k, : len(cost)] = cost - cost[row["base"]]
        dearer = np.clip(dearer, -MOST_VEH_S, MOST_VEH_S) * _worth(rows)[:, None]
        return cls(features, dearer, exists, _folds(rows))

    def chosen(self, weights: FloatArray) -> FloatArray:
        """[states] what the stage that these weights choose costs more than the base's."""
        best = np.where(self.exists, self.features @ weights, -np.inf).argmax(axis=1)
        return np.asarray(self.dearer[np.arange(len(best)), best])

    def fitted(self, states: NDArray[np.bool_], start: FloatArray, pull: float) -> FloatArray:
        """Weights of least expected cost under their softmax in these states."""
        features, exists = self.features[states], self.exists[states]
        dearer = 100.0 * self.dearer[states]

        def cost(weights: FloatArray) -> tuple[float, FloatArray]:
            score = np.where(exists, features @ weights, -np.inf)
            share = np.exp(score - score.max(axis=1, keepdims=True))
            share /= share.sum(axis=1, keepdims=True)
            expected = (share * dearer).sum(axis=1)
            slope = np.einsum("ns,nsf->f", share * (dearer - expected[:, None]), features)
            away = weights - start
            return expected.mean() + pull * away @ away, slope / len(share) + 2.0 * pull * away

        return np.asarray(minimize(cost, start, jac=True, method="L-BFGS-B").x)


def _worth(rows: list[Row]) -> FloatArray:
    """[states] weight of a veh·s such that the mean over states is the mean over towns."""
    nets = np.array([row["net"] for row in rows])
    own = np.array([row["own_veh_s"] for row in rows])
    towns, number, count = np.unique(nets, return_inverse=True, return_counts=True)
    lost = np.array([own[nets == town].mean() for town in towns])
    return np.asarray(len(rows) / (len(towns) * count * lost))[number]


def _folds(rows: list[Row]) -> NDArray[np.int64]:
    blocks = [f"{row['net']} {row['seed']} {row['decision'] // BLOCK}" for row in rows]
    names, number = np.unique(blocks, return_inverse=True)
    return np.asarray(np.random.default_rng(0).permutation(len(names))[number] % FOLDS)


def learn(rows: list[Row]) -> str:
    """What fitted weights gain where they were not fitted, % of the towns' delay."""
    start = np.array([TUNED[name] for name in STAGE_FEATURES])
    lines = [f"{len(rows)} states; % of what is lost meanwhile, mean ± standard error"]
    for ahead_s, pull in product((60, LABEL_S), PULLS):
        labels = Labels.of(rows, ahead_s)
        kept, unseen = [], np.zeros(len(rows))
        for fold in range(FOLDS):
            out = labels.fold == fold
            weights = labels.fitted(~out, start, pull)
            kept.append(labels.chosen(weights)[~out].mean())
            unseen[out] = labels.chosen(weights)[out]
        error = unseen.std() / len(rows) ** 0.5
        lines.append(
            f"{ahead_s} s, pull {pull}: fitted {100 * np.mean(kept):.1f}, "
            f"unseen {100 * unseen.mean():.1f} ± {100 * error:.1f}"
        )
    return "\n".join(lines)


def _play_missing(arguments: argparse.Namespace) -> str:
    known = ("net", "player", "seed", "minutes")
    rows = {tuple(row[name] for name in known): row for row in read_rows(arguments.results)}
    lines = []
    for net, player in product(arguments.nets, arguments.players):
        delays = []
        for seed in arguments.seeds:
            key = (net, player, seed, arguments.minutes)
            if key not in rows:
                rows[key] = _alone(play, net, player, seed, arguments.minutes)
                append_row(arguments.results, rows[key])
            delays.append(rows[key]["true_delay_s"])
        lines.append(f"{net} {player}: " + ", ".join(f"{delay:.1f}" for delay in delays))
    return "\n".join(lines)


def _label_missing(arguments: argparse.Namespace) -> str:
    done = {(row["net"], row["seed"]) for row in read_rows(arguments.results)}
    towns = [f"town{number}" for number in range(len(training_towns()))]
    for job in product(towns, arguments.seeds):
        for row in _alone(label, *job) if job not in done else []:
            append_row(arguments.results, row)
    return f"{len(read_rows(arguments.results))} states"


def _alone(work: Callable[..., Any], *job: Any) -> Any:
    """Done in a process of its own: libsumo is exact in a fresh one alone."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(work, job)


def main() -> None:
    """Do what is asked and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("play", "label", "learn"))
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--nets", nargs="*", default=["cologne1"])
    parser.add_argument("--players", nargs="*", default=["mpc", "stage_score", "graph", "look60"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--minutes", type=float, default=20.0)
    arguments = parser.parse_args()
    preload()
    if arguments.what == "play":
        print(_play_missing(arguments))
    elif arguments.what == "label":
        print(_label_missing(arguments))
    else:
        print(learn(read_rows(arguments.results)))


if __name__ == "__main__":
    main()
