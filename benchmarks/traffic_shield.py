"""The signal shield, checked exhaustively for every signal of every network at hand.

Run: python benchmarks/traffic_shield.py
For each network of the installed wheels and each generated one, and for both rule profiles: the
product automaton of every signal is explored completely (states, seconds), every deadline corner
is stepped (corners), and what was broken is counted. "as shipped" counts signals whose own stages
give green to conflicting links, which profile resco keeps and profile field lowers. CPU seconds of
the whole network and of its slowest signal.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trimtab_traffic.automaton import compile_automaton
from trimtab_traffic.generated import generate
from trimtab_traffic.network import TrafficNetwork, compile_network
from trimtab_traffic.profiles import RuleProfile, field_profile, resco_profile
from trimtab_traffic.rules import signal_timing
from trimtab_traffic.scenario import GeneratedNetwork
from trimtab_traffic.shield_check import CheckResult, check_automaton
from trimtab_traffic.sources import OTHER_NETS, RESCO_NETS

GENERATED = {
    "generated-grid": GeneratedNetwork(network_seed=1),
    "generated-arterial": GeneratedNetwork(kind="arterial", columns=4, rows=1, block_m=250),
    "generated-junction": GeneratedNetwork(columns=1, rows=1, network_seed=4),
    "generated-town": GeneratedNetwork(kind="town", network_seed=3),
    "generated-wide": GeneratedNetwork(columns=2, rows=2, lanes=4, speed_kmh=70),
    "generated-town-6": GeneratedNetwork(kind="town", columns=6, rows=6, network_seed=7),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A network under a profile."""

    name: str
    network: TrafficNetwork
    profile: RuleProfile
    decision_s: int


def cases(cache: Path) -> Iterator[Case]:
    """Every network once, under resco timing and under field rules at 5 s and 1 s decisions."""
    seen = set()
    for source in (*RESCO_NETS, *OTHER_NETS):
        if source.net_file not in seen:
            seen.add(source.net_file)
            network = compile_network(source.net_file)
            resco = resco_profile(source.decision_interval_s, source.yellow_s)
            yield from _profiles(source.name, network, resco)
    for name, model in GENERATED.items():
        network = compile_network(generate(model, cache).net_file)
        yield from _profiles(name, network, resco_profile())


def _profiles(name: str, network: TrafficNetwork, resco: RuleProfile) -> Iterator[Case]:
    yield Case(name, network, resco, resco.decision_interval_s)
    yield Case(name, network, field_profile(), 5)
    yield Case(name, network, field_profile(), 1)


def check(case: Case) -> tuple[list[CheckResult], list[float], list[str]]:
    """Results, CPU seconds per signal, and notes on relaxed limits."""
    results, cpu_s, notes = [], [], []
    for signal in case.network.controllable:
        started = time.process_time()
        automaton = compile_automaton(
            signal_timing(case.network, signal, case.profile), case.decision_s
        )
        results.append(check_automaton(automaton))
        cpu_s.append(time.process_time() - started)
        notes += [note for note in automaton.notes if "max red" in note]
    return results, cpu_s, notes


def main() -> None:
    """Print one row per network and profile, then every counterexample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    print(
        f"{'network':20} {'profile':7} {'step':>4} {'signals':>7} {'states':>8} {'seconds':>9} "
        f"{'corners':>8} {'shipped':>7} {'broken':>6} {'cpu_s':>7} {'slowest':>7}"
    )
    total = dict.fromkeys(("signals", "states", "seconds", "corners", "broken"), 0)
    remarks = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(Path(folder)):
            results, cpu_s, notes = check(case)
            row = {
                "signals": len(results),
                "states": sum(r.states for r in results),
                "seconds": sum(r.seconds for r in results),
                "corners": sum(r.corners for r in results),
                "broken": sum(not r.holds for r in results),
            }
            total = {key: total[key] + row[key] for key in total}
            shipped = sum(bool(r.shipped_conflicts) for r in results)
            print(
                f"{case.name:20} {case.profile.name:7} {case.decision_s:4d} {row['signals']:7d} "
                f"{row['states']:8d} {row['seconds']:9d} {row['corners']:8d} {shipped:7d} "
                f"{row['broken']:6d} {sum(cpu_s):7.2f} {max(cpu_s):7.2f}",
                flush=True,
            )
            place = f"{case.name} {case.profile.name} {case.decision_s} s"
            remarks += [f"{place}: {note}" for note in notes]
            remarks += [
                f"{place}: {r.signal}: {r.violations} {r.trace}" for r in results if not r.holds
            ]
    print("total: " + ", ".join(f"{value} {key}" for key, value in total.items()))
    print("\n".join(remarks))


if __name__ == "__main__":
    main()
