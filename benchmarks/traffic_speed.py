"""CPU of our decision loop over bare libsumo, and against sumo-rl, on the same traffic.

    python benchmarks/traffic_speed.py                                   # all of it, some minutes
    python benchmarks/traffic_speed.py --nets cologne8 --repeats 5 --peers none

Part 1, decisions every 5 s: an episode of `mph_split` is played once and its actions and signals
are recorded. Ours then plays the recorded actions, reading vehicles and halting vehicles of every
lane at each decision, without the logs as in training and with them as in a comparison; bare
libsumo runs the recorded programs in jumps of 5 s. All simulate the same trips. Overhead = CPU of
ours / CPU of bare - 1: the median over interleaved repeats, and that of the sums over the intervals
of the least that any repeat took for each, which a busy machine disturbs less. With --parts, more
rows say what costs it.
Part 2, shipped plans (`fixed_ts` of sumo-rl), decisions every 5 s: ours reads vehicles and halting
vehicles of every lane; sumo-rl runs with its defaults over traci and over libsumo.
Every run is a process of its own; CPU-seconds are user + system, of the process and its children,
from reset to the metrics of the episode, imports left out.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from trimtab.contracts.spec import Action
from trimtab_traffic.controllers import entries
from trimtab_traffic.plans import write_programs
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.replay import read_signal_log, replay_programs
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.simulation import Session, load_libsumo
from trimtab_traffic.sources import find_net
from trimtab_traffic.toolchain import sumo_home
from trimtab_traffic.trips import trips_digest

HORIZON_S = 3600
DECISION_S = 5
Ran = tuple[list[float], str]
"""CPU-s of the run, in one piece or per decision's interval, and the digest of its trips."""


def cpu_s() -> float:
    """CPU of this process and its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


class Laps:
    """CPU of this process from one decision to the next, s; the first lap includes the start."""

    def __init__(self) -> None:
        self._at_s = [time.process_time()]

    def lap(self) -> None:
        """A decision's interval ends."""
        self._at_s.append(time.process_time())

    @property
    def spent_s(self) -> list[float]:
        """CPU of each lap."""
        return np.diff(self._at_s).tolist()


def scenario(net: str) -> SignalsProblem:
    """The network at 5 s decisions."""
    raw = {
        "network": {"wheel": net},
        "rules": {"profile": "resco", "decision_interval_s": DECISION_S, "limits": {"yellow_s": 2}},
        "horizon_s": HORIZON_S,
    }
    return SignalsProblem.model_validate(raw)


def record(net: str, folder: str) -> Ran:
    """Part 1: play `mph_split`; keep its actions and what its signals showed."""
    model = scenario(net)
    entry = entries(model)["mph_split"]
    actions = []
    with SignalControl(model, "stage") as problem:
        controller = entry.factory(problem, **entry.defaults)
        obs = problem.reset(np.array([1]))
        controller.reset(np.array([1]))
        done = False
        while not done:
            action = controller.act(obs)
            actions.append(action.discrete)
            step = problem.step(action)
            obs, done = step.obs, bool(step.done[0])
        log = problem.episode_log(0)
        shown = read_signal_log(log["signal_log"])
        programs = replay_programs(shown, log["begin_s"], log["end_s"], "replay")
        write_programs(Path(folder) / "replay.add.xml", programs)
        np.save(Path(folder) / "actions.npy", np.array(actions))
        return [], trips_digest(problem.outputs.trips)


def ours(net: str, argument: str) -> Ran:
    """Part 1: an episode of recorded actions.

    Args:
        net: network.
        argument: `FOLDER|FLAGS`: l logs written, a halting vehicles of approach lanes read, v all
            lanes read.
    """
    load_libsumo()
    folder, flags = argument.split("|")
    actions = np.load(Path(folder) / "actions.npy")
    with SignalControl(scenario(net), "stage", logs="l" in flags) as problem:
        laps = Laps()
        problem.reset(np.array([1]))
        for action in actions:
            if "a" in flags:
                problem.state.approach_halting()
            if "v" in flags:
                problem.state.lane_vehicles()
                problem.state.lane_halting()
            problem.step(Action(discrete=action))
            laps.lap()
        return laps.spent_s, trips_digest(problem.outputs.trips)


def bare(net: str, argument: str) -> Ran:
    """Both parts: libsumo alone with the recorded programs, or the shipped ones.

    Args:
        net: network.
        argument: `FOLDER|FLAGS`, no folder for the shipped programs: s signal states logged, e
            sums per street written.
    """
    load_libsumo()
    folder, flags = argument.split("|")
    with SignalControl(scenario(net), "native") as problem:
        options = problem.run_options()
    extra = (Path(folder) / "replay.add.xml",) if folder else ()
    plain = replace(
        options,
        seed=1,
        additional=(*options.additional, *extra),
        signals=options.signals if "s" in flags else (),
        edge_data="e" in flags,
    )
    session = Session("libsumo")
    laps = Laps()
    session.start(plain)
    step = session.api.simulation.step
    ends = range(int(plain.begin_s) + DECISION_S, int(plain.end_s) + 1, DECISION_S)
    for time_s in ends[:-1]:
        step(float(time_s))
        laps.lap()
    step(float(ends[-1]))
    session.close()
    laps.lap()
    digest = trips_digest(session.outputs.trips)
    session.dispose()
    return laps.spent_s, digest


def ours_watching(net: str, _: str) -> Ran:
    """Part 2: the shipped plans, all lanes read every decision; no logs, sumo-rl has none."""
    load_libsumo()
    with SignalControl(scenario(net), "native", logs=False) as problem:
        started = cpu_s()
        problem.reset(np.array([1]))
        step = problem.step(None)
        while not step.done[0]:
            problem.state.lane_vehicles()
            problem.state.lane_halting()
            step = problem.step(None)
        return [cpu_s() - started], trips_digest(problem.outputs.trips)


def sumo_rl(net: str, backend: str) -> Ran:
    """Part 2: sumo-rl with its defaults on the same files."""
    os.environ["SUMO_HOME"] = str(sumo_home())
    if backend == "libsumo":
        os.environ["LIBSUMO_AS_TRACI"] = "1"
    import pettingzoo.utils
    from pettingzoo.utils import AgentSelector

    pettingzoo.utils.agent_selector = AgentSelector  # sumo-rl 1.4.5 calls the old name
    from sumo_rl import SumoEnvironment

    source = find_net(net)
    started = cpu_s()
    env = SumoEnvironment(
        net_file=str(source.net_file),
        route_file=str(source.route_files[0]),
        begin_time=source.begin_s,
        num_seconds=HORIZON_S,
        delta_time=DECISION_S,
        sumo_seed=1,
        fixed_ts=True,
        sumo_warnings=False,
        additional_sumo_cmd="--no-step-log --collision.action none",
    )
    env.reset()
    done = {"__all__": False}
    while not done["__all__"]:
        _, _, done, _ = env.step({})
    env.close()
    return [cpu_s() - started], ""


Run = Callable[[str, str], Ran]


def in_fresh_process(run: Run, net: str, argument: str) -> Ran:
    """Run in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as pool:
        return pool.submit(run, net, argument).result()


ROWS: dict[str, tuple[Run, str]] = {
    "bare": (bare, ""),
    "in training, all lanes read": (ours, "v"),
    "in a comparison, all lanes read": (ours, "lv"),
}
PARTS: dict[str, tuple[Run, str]] = {
    "bare + log of signal states": (bare, "s"),
    "bare + sums per street": (bare, "e"),
    "in training, nothing read": (ours, ""),
    "in training, approach lanes read": (ours, "a"),
    "in a comparison, nothing read": (ours, "l"),
}


def overhead(net: str, repeats: int, *, parts: bool) -> None:
    """Part 1 for one network."""
    rows = ROWS | PARTS if parts else ROWS
    laps: dict[str, list[list[float]]] = {name: [] for name in rows}
    with tempfile.TemporaryDirectory() as folder:
        _, recorded = in_fresh_process(record, net, folder)
        for _ in range(repeats):
            for name, (run, flags) in rows.items():
                spent, trips = in_fresh_process(run, net, f"{folder}|{flags}")
                laps[name].append(spent)
                if trips != recorded:
                    print(f"{net}: {name} gave other trips; figures are not comparable")
    totals = {name: np.array(runs).sum(axis=1) for name, runs in laps.items()}
    least = {name: float(np.array(runs).min(axis=0).sum()) for name, runs in laps.items()}
    for name, runs in totals.items():
        over = np.median(runs / totals["bare"]) - 1
        print(
            f"{net:14s} {name:32s} {runs.min():6.2f} CPU-s, over bare {over:+7.1%}; of the least "
            f"per interval {least[name]:6.2f} CPU-s, {least[name] / least['bare'] - 1:+7.1%}, "
            f"{HORIZON_S / least[name]:6.0f} sim s/CPU-s",
            flush=True,
        )


def peers(net: str, repeats: int, backends: list[str]) -> None:
    """Part 2 for one network."""
    runs: dict[str, tuple[Run, str]] = {"ours": (ours_watching, ""), "bare libsumo": (bare, "|")}
    runs |= {f"sumo-rl {backend}": (sumo_rl, backend) for backend in backends}
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, (run, argument) in runs.items():
            spent[name].append(sum(in_fresh_process(run, net, argument)[0]))
    for name, values in spent.items():
        ratio = median(v / o for v, o in zip(values, spent["ours"], strict=True))
        print(f"{net:14s} {name:16s} {median(values):8.2f} CPU-s = {ratio:6.2f} x ours", flush=True)


def main() -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="*", default=["cologne8", "ingolstadt21w"])
    parser.add_argument("--peer-nets", nargs="*", default=["cologne8", "arterial4x4"])
    parser.add_argument("--peers", nargs="+", default=["libsumo", "traci"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", action="store_true", help="take the overhead apart")
    chosen = parser.parse_args()
    for net in chosen.nets:
        overhead(net, chosen.repeats, parts=chosen.parts)
    if chosen.peers != ["none"]:
        for net in chosen.peer_nets:
            peers(net, chosen.repeats, chosen.peers)


if __name__ == "__main__":
    main()
