"""Lower bounds of true delay: the conflict-free floor and the junction optima of the queue model.

The floor is an empirical figure, kind ``floor``. The sum of the junction optima is exact for the
point-queue model of `conflict_queue`, kind ``model``: each vehicle is counted at one signal at
most, and its delay there does not count what the floor already holds. The larger one is given.
"""

from __future__ import annotations

import time
from itertools import combinations
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory
from typing import Any

from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import Bound

from trimtab_traffic.conflict_groups import ConflictSet, Junctions, exclusive, read_drivers
from trimtab_traffic.conflict_queue import ConflictQueue, replay
from trimtab_traffic.floor import Floor, run_floor
from trimtab_traffic.junction_dp import solve, with_fitting_caps
from trimtab_traffic.rawrun import Case, prepare
from trimtab_traffic.scenario import SignalsProblem

_TOLERANCE_S = 1e-9


def bound(problem: SignalsProblem, seed: int) -> Bound:
    """The larger of floor and junction optima on one seed.

    The optima are only computed where a simple policy's cost, which they do not exceed, is larger
    than the floor.

    Raises:
        TrimtabError: the scenario's files are missing or inconsistent.
    """
    began = _cpu_s()
    with TemporaryDirectory(prefix="trimtab-bound-") as folder:
        case = prepare(problem, seed, Path(folder))
        floor = run_floor(case)
        junctions = _junctions(problem, case, floor)
    return larger_bound(floor, junctions, began)


def larger_bound(floor: Floor, junctions: Junctions, began_cpu_s: float) -> Bound:
    """The larger of the two bounds, from a floor run that was made."""
    vehicles = _vehicles(floor)
    at_most_s = 0.0
    if vehicles:
        sets = junctions.sets()
        at_most_s = sum(s.exhaustive_veh_s for s in sets) / vehicles
        if at_most_s > floor.delay.mean_s:
            certificates = [_certificate(junctions, s) for s in sets]
            value = sum(c["cost_veh_s"] for c in certificates) / vehicles
            if value > floor.delay.mean_s:
                return _model_bound(value, floor, certificates, began_cpu_s)
            at_most_s = value
    return Bound(
        value=floor.delay.mean_s,
        kind="floor",
        how=(
            "conflict-free floor: SUMO with every signal green and foes ignored, same demand and "
            "seed; the junction optima of the queue model are smaller"
        ),
        certificate={
            "floor_s": floor.delay.mean_s,
            "vehicles": vehicles,
            "junction_optima_at_most_s": at_most_s,
        },
        cpu_s=_cpu_s() - began_cpu_s,
    )


def verify(problem: SignalsProblem, seed: int, bound: Bound) -> None:
    """Run the floor again, rebuild the junctions from it and replay every schedule.

    Raises:
        BoundError: a figure, a group or a schedule of the certificate does not hold.
    """
    with TemporaryDirectory(prefix="trimtab-bound-") as folder:
        case = prepare(problem, seed, Path(folder))
        floor = run_floor(case)
        junctions = _junctions(problem, case, floor)
    check_certificate(bound, floor, junctions)


def check_certificate(bound: Bound, floor: Floor, junctions: Junctions) -> None:
    """Check a bound against a floor run and the junctions it feeds.

    Raises:
        BoundError: a figure, a group or a schedule of the certificate does not hold.
    """
    certificate = bound.certificate
    _equal("the floor", certificate["floor_s"], floor.delay.mean_s)
    _equal("the number of vehicles", certificate["vehicles"], _vehicles(floor))
    if bound.kind == "floor":
        _equal("the bound", bound.value, floor.delay.mean_s)
        return
    free = junctions.all_vehicles()
    total = 0
    for junction in certificate["junctions"]:
        found = _rebuilt(junctions, junction, free)
        free[found.vehicles] = False
        cost = replay(_capped(found.model, junction["caps"]), _expanded(junction["schedule"]))
        _equal(f"the cost of signal {junction['signal']!r}", junction["cost_veh_s"], cost)
        total += cost
    _equal("the bound", bound.value, total / _vehicles(floor))


def _junctions(problem: SignalsProblem, case: Case, floor: Floor) -> Junctions:
    drivers = read_drivers((*case.options.additional, *case.options.routes))
    return Junctions(case.network, floor.passages, drivers, problem.profile, case.slots)


def _vehicles(floor: Floor) -> int:
    return floor.delay.inserted + len(floor.delay.never)


def _model_bound(
    value: float, floor: Floor, certificates: list[dict[str, Any]], began_cpu_s: float
) -> Bound:
    return Bound(
        value=value,
        kind="model",
        how=(
            "junction optima of the point-queue model, each vehicle counted once; "
            "the conflict-free floor is smaller"
        ),
        certificate={
            "floor_s": floor.delay.mean_s,
            "vehicles": _vehicles(floor),
            "junctions": certificates,
        },
        cpu_s=_cpu_s() - began_cpu_s,
    )


def _certificate(junctions: Junctions, found: ConflictSet) -> dict[str, Any]:
    model = with_fitting_caps(found.model)
    optimum = solve(model)
    turns = junctions.passages.turns
    return {
        "signal": found.signal,
        "groups": [[[turns[k].in_edge, turns[k].out_edge] for k in g] for g in found.groups],
        "caps": list(model.caps),
        "cost_veh_s": optimum.cost_veh_s,
        "schedule": _run_lengths(optimum.schedule),
    }


def _rebuilt(junctions: Junctions, junction: dict[str, Any], free: Any) -> ConflictSet:
    """The set of a certificate entry, fed by the floor run; its groups must exclude each other."""
    signal = junctions.network.signal(junction["signal"])
    index = junctions.network.controllable.index(signal)
    turns = junctions.passages.turns
    at = {(t.in_edge, t.out_edge): k for k, t in enumerate(turns) if t.signal == index}
    groups = tuple(tuple(at[a, b] for a, b in group) for group in junction["groups"])
    for first, second in combinations(groups, 2):
        if not all(exclusive(signal, turns[a], turns[b]) for a in first for b in second):
            msg = f"groups of signal {signal.id!r} may move together: recompute the bound"
            raise BoundError(msg)
    return junctions.set_of(signal, groups, free)


def _capped(model: ConflictQueue, caps: list[int]) -> ConflictQueue:
    return ConflictQueue(model.arrivals, model.buckets, model.lost_s, model.min_run_s, tuple(caps))


def _run_lengths(schedule: tuple[int, ...]) -> list[list[int]]:
    runs: list[list[int]] = []
    for group in schedule:
        if runs and runs[-1][0] == group:
            runs[-1][1] += 1
        else:
            runs.append([group, 1])
    return runs


def _expanded(runs: list[list[int]]) -> list[int]:
    return [group for group, length in runs for _ in range(length)]


def _equal(what: str, claimed: float, found: float) -> None:
    if abs(claimed - found) > _TOLERANCE_S:
        msg = f"{what} is {found:g}, the certificate says {claimed:g}: recompute the bound"
        raise BoundError(msg)


def _cpu_s() -> float:
    children = getrusage(RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
