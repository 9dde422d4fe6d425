"""Batched AC power flow beside pandapower: flows per CPU second and largest difference.

Usage: python benchmarks/grid_acflow.py [points]
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np
import pandapower as pp
from pandapower import networks
from trimtab_grid.acflow import AcFlow
from trimtab_grid.pandapower_files import parse_network

REPEATS = 9
CHECKED = 20
NETWORKS = {
    "CIGRE MV with DER, 15 buses": lambda: networks.create_cigre_network_mv("pv_wind"),
    "case33bw, 33 buses": networks.case33bw,
    "CIGRE LV, 44 buses": networks.create_cigre_network_lv,
}


def cpu_s(work: Callable[[], object]) -> float:
    """Median CPU seconds of one call."""
    work()
    spent = []
    for _ in range(REPEATS):
        begin = time.process_time()
        work()
        spent.append(time.process_time() - begin)
    return median(spent)


def pandapower_difference(net: pp.pandapowerNet, shares: np.ndarray, size: np.ndarray) -> float:
    """Largest difference of voltage magnitudes to pandapower on the first points, per unit."""
    names = [str(name or key) for key, name in net.bus.name.items()]
    ours = parse_network(pp.to_json(net), "net")
    at = [ours.bus_names.index(name) for name in names if name in ours.bus_names]
    known = [name in ours.bus_names for name in names]
    worst = 0.0
    p, q = net.load.p_mw.copy(), net.load.q_mvar.copy()
    for k in range(CHECKED):
        net.load["p_mw"], net.load["q_mvar"] = p * shares[k], q * shares[k]
        pp.runpp(net, tolerance_mva=1e-12, numba=True)
        theirs = net.res_bus.vm_pu.to_numpy()[known]
        worst = max(worst, float(np.abs(theirs - size[k, at]).max()))
    net.load["p_mw"], net.load["q_mvar"] = p, q
    return worst


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    print(f"{points} points, CPU time of one thread, median of {REPEATS}")
    print("network | flows/s | with loadings/s | iterations | pandapower/s | ratio | max |dV| pu")
    for name, make in NETWORKS.items():
        net = make()
        ours = parse_network(pp.to_json(net), name)
        loads = np.zeros(ours.buses, dtype=complex)
        for injection in ours.injections:
            if injection.kind == "load":
                loads[injection.bus] += injection.power_mva / ours.base_mva
        shares = np.random.default_rng(1).uniform(0.2, 1.2, points)
        power = (ours.nominal() - loads)[None] + shares[:, None] * loads[None]
        flows = AcFlow(ours)
        solved = flows.solve(power)
        alone = points / cpu_s(lambda f=flows, s=power: f.solve(s))
        whole = points / cpu_s(lambda f=flows, s=power: f.solve(s).loading_percent())
        theirs = 1.0 / cpu_s(lambda n=net: pp.runpp(n, numba=True))
        worst = pandapower_difference(net, shares, solved.magnitude)
        print(
            f"{name} | {alone:,.0f} | {whole:,.0f} | {solved.iterations.mean():.1f} | "
            f"{theirs:.1f} | {alone / theirs:,.0f} | {worst:.1e}"
        )


if __name__ == "__main__":
    main()
