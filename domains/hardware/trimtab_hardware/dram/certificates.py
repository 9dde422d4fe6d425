"""Bounds of a DRAM scenario, and their verification from the scenario alone."""

from __future__ import annotations

import math
import time
from itertools import product
from typing import Any

import numpy as np
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import Bound

from trimtab_hardware.dram.bounds import floor
from trimtab_hardware.dram.bounds_check import slow_floor
from trimtab_hardware.dram.enumerate import (
    COST,
    SIMULATED,
    cache_folder,
    check_table,
    enumerate_space,
    feasible,
    load_table,
    true_front,
)
from trimtab_hardware.dram.machine import Floor, Machine
from trimtab_hardware.dram.metrics import FRONT
from trimtab_hardware.dram.part import Part, load_part
from trimtab_hardware.dram.problem import DramProblem, engine_hash
from trimtab_hardware.dram.scenario import DramScenario

ENUMERATED_REQUESTS = 20_000
"""Requests up to which space A is enumerated unasked: some ten thousand simulations."""


def dram_bound(scenario: DramScenario) -> Bound:
    """Bound of energy × time: the optimum by enumeration, or the closed form."""
    start = time.process_time()
    problem = DramProblem(scenario)
    if is_enumerated(problem):
        return _enumerated(problem)
    value, floors = closed_form(problem)
    certificate = {"floors": [_plain(one) for one in floors], "identity": problem.identity}
    how = "bus, bank, activation and refresh limits on time; activations and columns on energy"
    if scenario.space == "address-map":
        how = "as for any map: bus with turning, activation and refresh limits, least activations"
    return Bound(value, "proven", how, certificate, cpu_s=time.process_time() - start)


def is_enumerated(problem: DramProblem) -> bool:
    """Whether every design of the problem's space is simulated for its bound."""
    asked = problem.scenario.enumerate_space
    few = sum(len(trace) for trace in problem.traces) <= ENUMERATED_REQUESTS
    return problem.scenario.space.startswith("seed10") and (few if asked is None else asked)


def _enumerated(problem: DramProblem) -> Bound:
    table = enumerate_space(problem, cache_folder())
    keeps = feasible(problem, table)
    if not keeps.any():
        msg = "no design of the space keeps the limits: widen them"
        raise BoundError(msg)
    value = float(table.values[keeps, 0].min())
    optima = int((table.values[keeps, 0] == value).sum())
    certificate = {
        "designs": len(table.designs),
        "checksum": table.checksum,
        "engine": engine_hash(),
        "identity": problem.identity,
        "simulated": int(table.column(SIMULATED).sum()),
        "optima": optima,
    }
    own = table.column(SIMULATED) > 0
    how = (
        f"the results of all {len(table.designs)} distinct designs, {optima} of them best, from "
        f"{int(own.sum())} simulations: the others differ in limits that were never met"
    )
    points = true_front(problem, table).tolist()
    front = tuple(dict(zip(FRONT, point, strict=True)) for point in points)
    cpu_s = float(table.column(COST)[own].sum())
    return Bound(value, "proven", how, certificate, cpu_s=cpu_s, front=front)


def verify_dram_bound(scenario: DramScenario, bound: Bound) -> None:
    """Check an enumeration's table, or derive the closed form anew in plain integers.

    Raises:
        BoundError: the table is not there, not complete or not right, or a figure differs.
    """
    problem = DramProblem(scenario)
    if bound.certificate.get("identity") != problem.identity:
        msg = "DRAM bound: its certificate is of another engine, part, map, limit or trace"
        raise BoundError(msg)
    if "checksum" in bound.certificate:
        _verify_table(problem, bound)
        return
    value = min(_slow_value(problem, machine) for machine in machines(problem))
    if not math.isclose(value, bound.value, rel_tol=1e-9):
        msg = f"DRAM bound: derived anew it is {value}, the bound says {bound.value}"
        raise BoundError(msg)


def _verify_table(problem: DramProblem, bound: Bound) -> None:
    table = load_table(problem, cache_folder())
    if table is None or table.checksum != bound.certificate["checksum"]:
        msg = f"DRAM bound: {cache_folder()} holds no table of the certificate's checksum"
        raise BoundError(msg)
    check_table(problem, table)
    best = float(table.values[feasible(problem, table), 0].min())
    if best != bound.value:
        msg = f"DRAM bound: the least value of the table is {best}, the bound says {bound.value}"
        raise BoundError(msg)


def _slow_value(problem: DramProblem, machine: Machine) -> float:
    logs = 0.0
    for k, weight in enumerate(problem.weights.tolist()):
        cycles, energy_pj = slow_floor(problem.trace(machine.part, k), machine)
        logs += weight * math.log(cycles * energy_pj * machine.part.tck_ns * 1e-9)
    return math.exp(logs)


def machines(problem: DramProblem) -> list[Machine]:
    """Every combination of part, channels and ranks that designs of the space may have."""
    space = {p.name: p for p in problem.spec.space.parameters}
    if problem.scenario.space == "address-map":
        return [_map_machine(problem)]
    if problem.scenario.space != "controller+":
        refreshes = problem.scenario.space == "seed10"
        return [Machine(problem.part, problem.fixed_map, all_bank_refresh=refreshes)]
    parts = [load_part(grade) for grade in problem.scenario.grades] or [problem.part]
    whole = list(getattr(space["refresh_policy"], "values", ())) == ["AllBank"]
    channels, ranks = (getattr(space[name], "values", (1,)) for name in ("channels", "ranks"))
    return [
        _machine(problem, part, c, r, whole=whole)
        for part in parts
        for c, r in product(channels, ranks)
    ]


def _map_machine(problem: DramProblem) -> Machine:
    """The controller of all maps is the base's: its memory and its refresh limits are known."""
    base = problem.base
    return Machine(
        problem.part,
        None,
        all_bank_refresh=base.refresh_policy == "AllBank",
        window=_window(problem),
        postponed=base.refresh_max_postponed,
        pulled_in=base.refresh_max_pulled_in,
    )


def _window(problem: DramProblem) -> int:
    """Requests that the controller of all maps holds at most; a bank may exceed its size by 1."""
    size, banks = problem.base.request_buffer_size, problem.part.banks
    return {"Shared": size, "ReadWrite": 2 * size, "Bankwise": (size + 1) * banks}[
        problem.base.scheduler_buffer
    ]


def _machine(
    problem: DramProblem, part: Part, channels: int, ranks: int, *, whole: bool
) -> Machine:
    chosen = problem.setup({"part": part.id, "channels": channels, "ranks": ranks})
    return Machine(
        part, chosen.address_map, channels, ranks, all_bank_refresh=whole, power_down=True
    )


def closed_form(problem: DramProblem) -> tuple[float, list[Floor]]:
    """Bound of energy × time in µJ·µs, weighted as the headline, and the floors behind it.

    Each design is of one machine, so the least value over machines bounds them all.
    """
    found: list[tuple[float, list[Floor]]] = []
    for machine in machines(problem):
        floors = [
            floor(problem.trace(machine.part, k), machine) for k in range(len(problem.traces))
        ]
        products = [one.energy_delay * machine.part.tck_ns * 1e-9 for one in floors]
        found.append((float(np.exp(problem.weights @ np.log(products))), floors))
    return min(found, key=lambda pair: pair[0])


def _plain(one: Floor) -> dict[str, Any]:
    return {
        "cycles": one.cycles,
        "energy_pj": one.energy_pj,
        "bus": one.bus,
        "bank": one.bank,
        "activate": one.activate,
        "activations": one.activations,
    }
