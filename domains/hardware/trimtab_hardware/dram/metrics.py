"""Honest figures of a simulated design: waiting counts from the arrival in the trace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import Metric

from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.result import Result
from trimtab_hardware.dram.traces import Trace

ENERGY_DELAY = Metric("energy_delay_uj_us", "µJ·µs", "min", "energy × time to the last response")
LATENCY = Metric("mean_latency_ns", "ns", "min", "mean latency from trace arrival")
ENERGY = Metric("energy_pj_per_bit", "pJ/bit", "min", "energy per bit moved")
TIME = Metric("total_time_ns", "ns", "min", "time to the last response")
ENTRIES = Metric("buffer_entries", "1", "min", "entries of request buffers and front end (area)")
OBJECTIVES = (ENERGY_DELAY, LATENCY, ENERGY, TIME, ENTRIES)
FRONT = (LATENCY.name, ENERGY.name, TIME.name)
REFRESH_GAP = Metric("refresh_gap_trefi", "tREFI", "min", "longest time without refresh")
METRICS = (
    *OBJECTIVES,
    Metric("total_cycles", "cycles", "min", "time to the last response"),
    Metric("p50_latency_ns", "ns", "min", "median latency from arrival"),
    Metric("p95_latency_ns", "ns", "min", "95th percentile of latency from arrival"),
    Metric("p99_latency_ns", "ns", "min", "99th percentile of latency from arrival"),
    Metric("max_latency_ns", "ns", "min", "greatest latency from arrival"),
    Metric("controller_latency_ns", "ns", "min", "mean latency inside the controller"),
    Metric("bandwidth_gb_s", "GB/s", "max", "bytes moved over total time"),
    Metric("bus_utilisation", "1", "max", "share of data-bus cycles with data"),
    Metric("row_hit_share", "1", "max", "column commands without an activation of their own"),
    Metric("row_conflict_share", "1", "min", "precharges for another row per request"),
    Metric("energy_uj", "µJ", "min", "energy of all devices"),
    Metric("power_mw", "mW", "min", "average power"),
    Metric("refreshes", "1", "max", "refresh commands"),
    REFRESH_GAP,
    Metric("thread_latency_ratio", "1", "min", "greatest over least mean latency of a thread"),
)
RETENTION_TREFI = 8192.0
"""tREFI in the retention time of 64 ms (JEDEC): the gap of a design that never refreshes."""
REFRESHES = ("REF", "REFPB", "REFSB")


def buffer_entries(configuration: Configuration, part: Part) -> float:
    """Entries of the request buffers and, in a queued front end, of its transactions."""
    size = configuration.request_buffer_size
    per_channel = {
        "Bankwise": size * part.banks * configuration.ranks,
        "ReadWrite": 2 * size,
        "Shared": size,
    }[configuration.scheduler_buffer]
    queued = configuration.arbiter != "Simple"
    front_end = configuration.max_active_transactions if queued else 0
    return float(per_channel * configuration.channels + front_end)


def measure(
    result: Result, trace: Trace, part: Part, configuration: Configuration
) -> dict[str, float]:
    """Every metric of `METRICS` of one simulation."""
    time_ns, bits = result.total_ns, 8.0 * len(trace) * part.burst_bytes
    waits = result.arrival_latency_ck
    cuts = np.percentile(waits, (50, 95, 99), method="inverted_cdf") * part.tck_ns
    gap = result.refresh_gap_ck / max(part.timing.refi, 1)
    return {
        ENERGY_DELAY.name: result.energy_pj * 1e-6 * time_ns * 1e-3,
        LATENCY.name: float(waits.mean()) * part.tck_ns,
        ENERGY.name: result.energy_pj / bits,
        TIME.name: time_ns,
        ENTRIES.name: buffer_entries(configuration, part),
        "total_cycles": float(result.total_ck),
        "p50_latency_ns": float(cuts[0]),
        "p95_latency_ns": float(cuts[1]),
        "p99_latency_ns": float(cuts[2]),
        "max_latency_ns": float(waits.max()) * part.tck_ns,
        "controller_latency_ns": float(result.latency_ck.mean()) * part.tck_ns,
        "bandwidth_gb_s": bits / 8.0 / time_ns,
        "bus_utilisation": result.bus_utilisation,
        "row_hit_share": result.row_hits / len(trace),
        "row_conflict_share": result.row_conflicts / len(trace),
        "energy_uj": result.energy_pj * 1e-6,
        "power_mw": result.average_power_mw,
        "refreshes": float(sum(result.counts.get(name, 0) for name in REFRESHES)),
        REFRESH_GAP.name: RETENTION_TREFI if configuration.refresh_policy == "NoRefresh" else gap,
        "thread_latency_ratio": _thread_ratio(waits.astype(np.float64), trace),
    }


def _thread_ratio(waits: NDArray[np.float64], trace: Trace) -> float:
    if not trace.thread.any():
        return 1.0
    total = np.bincount(trace.thread, weights=waits)
    count = np.bincount(trace.thread)
    means = total[count > 0] / count[count > 0]
    return float(means.max() / max(means.min(), 1e-12))
