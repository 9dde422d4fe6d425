"""Hostile policies behind the signal shield in SUMO, and what the field rules cost in delay.

    python benchmarks/traffic_adversary.py --changes 1000000 --log adversary.jsonl
    python benchmarks/traffic_adversary.py --cost --log cost.jsonl

The first plays policies that want to do harm under profile `field` and lets the independent monitor
judge SUMO's own signal log: first every RESCO network and every generated one under every policy
with its demand, then large generated networks with crossings and hardly any traffic, each round
another one, until so many stage changes were counted. The second prints mean delays of seeds 1-3
under `resco` and `field`, of all networks or of those named by --nets. With --log, episodes are
appended to the file as they end, and those that it already holds are not played again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count, islice, product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from episode_log import append_row, read_rows
from numpy.typing import NDArray
from scipy.stats import chi2
from traffic_shield import GENERATED
from traffic_table import NETS, Job, outcomes
from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import Action, Obs
from trimtab.run.runner import Decision, evaluate
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import GeneratedNetwork, SignalsProblem
from trimtab_traffic.shield import ShieldInputs
from trimtab_traffic.sources import RESCO_NETS

Stages = NDArray[np.int64]

INTERVALS_S = (5, 1, 3, 2)
COST_CONTROLLERS = (
    "fixed", "actuated_5_50", "nema", "wave_50", "mph_split", "mpc", "graph",
)  # fmt: skip


class Attack(Controller):
    """Proposes stages that a signal should not show, mostly illegal ones.

    Args:
        problem: its mirrored signal state is read, and its shield inputs are forged by `requests`.
        policy: key of `POLICIES`.
        seed: seed of all choices.
    """

    def __init__(self, problem: SignalControl, policy: str, seed: int) -> None:
        automata = problem.signal_shield.automata
        self.problem = problem
        self._propose = POLICIES[policy]
        self.rng = np.random.default_rng(seed)
        self.rows = np.arange(len(automata))
        self.sizes = np.array([len(a.timing.stage_states) for a in automata])
        self.victim = self.rng.integers(0, self.sizes)
        n, classes = problem.signal_shield.n_stages, problem.shield_state.age_s.shape[1]
        self.served = np.ones((len(automata), n, classes), dtype=bool)
        self.transition_s = np.full((len(automata), n, n), -np.inf)
        for row, automaton in enumerate(automata):
            size, own = automaton.served.shape
            self.served[row, :size, :own] = automaton.served
            self.transition_s[row, :size, :size] = automaton.transition_s

    def act(self, obs: Obs) -> Action:
        """Proposals for all signals."""
        return Action(discrete=self._propose(self)[None, :, None])


def _random(attack: Attack) -> Stages:
    """Any stage."""
    return np.asarray(attack.rng.integers(0, attack.sizes))


def _flipping(attack: Attack) -> Stages:
    """Another stage at every decision."""
    ahead: Stages = (attack.problem.shield_state.stage + 1) % attack.sizes
    return ahead


def _starving(attack: Attack) -> Stages:
    """All stages in turn but one."""
    ahead = _flipping(attack)
    return np.where(ahead == attack.victim, (ahead + 1) % attack.sizes, ahead)


def _adversarial(attack: Attack) -> Stages:
    """A stage that leaves the longest red unserved, by the longest transition there is."""
    state = attack.problem.shield_state
    left_s = np.where(attack.served, 0, state.age_s[:, None, :]).max(axis=2, initial=0)
    best: Stages = (1000 * left_s + attack.transition_s[attack.rows, state.stage]).argmax(axis=1)
    return best


def _requests(attack: Attack) -> Stages:
    """Any stage, with forged emergency vehicles, buses, full exits and silent sensors."""
    problem, rng = attack.problem, attack.rng
    shape = (len(attack.rows), problem.signal_shield.n_links)
    problem.shield_inputs = ShieldInputs(
        exit_space_m=40 * rng.random(shape),
        preemption=rng.random(shape) < 0.01,
        bus=rng.random(shape) < 0.03,
        stale_s=45 * rng.random(len(attack.rows)),
        time_s=problem.session.time_s,
    )
    return _random(attack)


POLICIES: dict[str, Callable[[Attack], Stages]] = {
    "random": _random,
    "starving": _starving,
    "flipping": _flipping,
    "adversarial": _adversarial,
    "requests": _requests,
}


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode to play."""

    number: int
    name: str
    policy: str
    problem: SignalsProblem


@dataclass(frozen=True, slots=True)
class Found:
    """What the monitor found in it; violations and exposure per constraint."""

    number: int
    name: str
    policy: str
    signals: int
    changes: int
    interventions: int
    count: dict[str, int]
    exposure: dict[str, int]
    cpu_s: float


def episodes() -> Iterator[Episode]:
    """Every network under every policy, then large networks for ever."""
    networks: dict[str, dict[str, Any]] = {s.name: {"wheel": s.name} for s in RESCO_NETS}
    networks |= {name: {"generated": model.model_dump()} for name, model in GENERATED.items()}
    number = 0
    for policy, (name, network) in product(POLICIES, networks.items()):
        rules: dict[str, Any] = {"decision_interval_s": INTERVALS_S[number % len(INTERVALS_S)]}
        yield _episode(number, name, policy, network, rules, horizon_s=600)
        number += 1
    for round_ in count():
        for policy, model in zip(POLICIES, _large(round_), strict=True):
            rules = {
                "decision_interval_s": (5, 3)[number % 2],
                "limits": {"spillback_guard": False},
            }
            name = f"{model.kind}-{model.columns}x{model.rows}"
            network = {"generated": model.model_dump()}
            yield _episode(number, name, policy, network, rules, horizon_s=18_000)
            number += 1


def _episode(
    number: int,
    name: str,
    policy: str,
    network: dict[str, Any],
    rules: dict[str, Any],
    horizon_s: int,
) -> Episode:
    raw = {"network": network, "rules": {"profile": "field"} | rules, "horizon_s": horizon_s}
    return Episode(number, name, policy, SignalsProblem.model_validate(raw))


def _large(round_: int) -> Iterator[GeneratedNetwork]:
    """One network per policy, each round in another order and with another layout."""
    shapes: list[tuple[str, int, int]] = [
        ("grid", 8, 8), ("town", 8, 8), ("grid", 10, 6), ("arterial", 20, 3), ("town", 7, 9),
    ]  # fmt: skip
    for k in range(len(shapes)):
        kind, columns, rows = shapes[(k + round_) % len(shapes)]
        yield GeneratedNetwork.model_validate(
            {
                "kind": kind,
                "columns": columns,
                "rows": rows,
                "block_m": (100, 150, 250)[(round_ + k) % 3],
                "lanes": 1 + (round_ + 2 * k) % 3,
                "speed_kmh": (50, 30, 70)[(round_ + k) % 3],
                "vehicles_per_h": 60,
                "network_seed": 100 + round_,
            }
        )


def play(episode: Episode) -> Found:
    """Play one episode in this process and have SUMO's log judged."""
    started = time.process_time()
    changes = 0
    problem = SignalControl(episode.problem)
    with problem:
        shown = problem.shield_state.stage

        def watch(decision: Decision) -> None:
            nonlocal changes, shown
            executed = decision.step.executed
            if executed is not None and executed.discrete is not None:
                stages = executed.discrete[0, :, 0]
                changes += int((stages != shown).sum())
                shown = stages

        attack = Attack(problem, episode.policy, episode.number)
        monitor = DOMAIN.monitor(episode.problem)
        seeds = [episode.number + 1]
        (record,) = evaluate(
            problem, attack, seeds, shield=problem.shield, monitor=monitor, watch=watch
        )
    return Found(
        number=episode.number,
        name=episode.name,
        policy=episode.policy,
        signals=len(problem.signal_ids),
        changes=changes,
        interventions=record.interventions,
        count={name: v.count for name, v in record.violations.items()},
        exposure={name: v.exposure for name, v in record.violations.items()},
        cpu_s=time.process_time() - started,
    )


def _pool(workers: int) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, spawn, max_tasks_per_child=1)


def attack_shield(least_changes: int, log: Path | None, workers: int) -> None:
    """Play until so many stage changes are counted and every network was met; print the tables."""
    found = [Found(**row) for row in read_rows(log)]
    done = {f.number for f in found}
    covering = len(POLICIES) * (len(RESCO_NETS) + len(GENERATED))
    waiting = (e for e in episodes() if e.number not in done)
    with _pool(workers) as pool:
        while sum(f.changes for f in found) < least_changes or len(found) < covering:
            for row in pool.map(play, islice(waiting, workers)):
                found.append(row)
                append_row(log, asdict(row))
                print(
                    f"{row.number:4d} {row.name:18} {row.policy:11} {row.signals:3d} signals "
                    f"{row.changes:7d} changes {sum(row.count.values()):3d} violations "
                    f"{row.cpu_s:6.1f} CPU-s",
                    flush=True,
                )
    _print_sums("policy", ((f.policy, f) for f in found))
    _print_sums("network", ((f.name, f) for f in found))
    _print_constraints(found)


def _print_sums(title: str, named: Iterable[tuple[str, Found]]) -> None:
    groups: dict[str, list[Found]] = {}
    for name, row in named:
        groups.setdefault(name, []).append(row)
    print(f"\n{title:18} episodes  changes projected violations   CPU-s")
    for name, rows in groups.items():
        print(
            f"{name:18} {len(rows):8d} {sum(r.changes for r in rows):8d} "
            f"{sum(r.interventions for r in rows):9d} "
            f"{sum(sum(r.count.values()) for r in rows):10d} {sum(r.cpu_s for r in rows):7.1f}"
        )


def _print_constraints(found: list[Found]) -> None:
    changes = sum(f.changes for f in found)
    print(f"\n{'constraint':20} violations   looked at   95 % bound per stage change")
    for name in found[0].count:
        broken = sum(f.count[name] for f in found)
        bound = chi2.ppf(0.95, 2 * broken + 2) / 2 / changes  # 3.0 / changes for none
        print(f"{name:20} {broken:10d} {sum(f.exposure[name] for f in found):11d}   {bound:.2g}")
    print(f"{changes} stage changes, {sum(f.cpu_s for f in found):.0f} CPU-s")


def compare_profiles(log: Path | None, workers: int, nets: list[str], seeds: list[int]) -> None:
    """Print the mean delay of the seeds under both profiles."""
    pairs = list(product(nets, COST_CONTROLLERS))
    jobs = [Job(*p, seed, r) for p in pairs for r in ("resco", "field") for seed in seeds]
    found = {outcome.job: outcome for outcome in outcomes(jobs, log, workers)}
    print(
        f"{'network':14} {'controller':14} {'resco':>8} {'worst':>8} {'jams':>4} {'field':>8} "
        f"{'worst':>8} {'jams':>4} {'cost':>8}"
    )
    for net, controller in pairs:
        means, cells = [], []
        for profile in ("resco", "field"):
            rows = [found[Job(net, controller, seed, profile)] for seed in seeds]
            delays = [row.delay_s for row in rows]
            means.append(fmean(delays))
            jams = sum(row.gridlock for row in rows)
            cells.append(f"{means[-1]:8.2f} {max(delays):8.2f} {jams:4d}")
        change = 100 * (means[1] / means[0] - 1)
        print(f"{net:14} {controller:14} {cells[0]} {cells[1]} {change:+6.1f} %")


def main() -> None:
    """Attack the shield, or print the cost of the field rules."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=1_000_000, help="stage changes to count")
    parser.add_argument("--cost", action="store_true", help="delay under resco and field instead")
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS, help="of --cost")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="of --cost")
    parser.add_argument("--log", type=Path, help="file of finished episodes, read and appended to")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.cost:
        compare_profiles(chosen.log, chosen.workers, chosen.nets, chosen.seeds)
    else:
        attack_shield(chosen.changes, chosen.log, chosen.workers)


if __name__ == "__main__":
    main()
