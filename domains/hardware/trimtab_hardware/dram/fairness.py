"""What threads do to one another in a shared memory: slowdowns against running alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab_hardware.dram.address_map import AddressMap
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.simulation import Engine
from trimtab_hardware.dram.traces import Trace


@dataclass(frozen=True, slots=True, eq=False)
class Fairness:
    """Slowdown of every thread, as memory-scheduling work reports it (Mutlu, Moscibroda 2007).

    Attributes:
        threads: Numbers of the threads that have requests, shape [threads].
        slowdown: Mean latency from arrival in the mix over that of the thread alone, [threads].
    """

    threads: NDArray[np.int32]
    slowdown: NDArray[np.float64]

    @property
    def unfairness(self) -> float:
        """Greatest over least slowdown; 1 is fair."""
        return float(self.slowdown.max() / self.slowdown.min())


def fairness(
    trace: Trace,
    part: Part,
    configuration: Configuration | None = None,
    address_map: AddressMap | None = None,
) -> Fairness:
    """Simulate the mix, and each thread alone at the same arrivals.

    Args:
        trace: Requests of several threads (`trimtab_hardware.dram.traces.merge` makes one).
        part: The memory of one channel.
        configuration: The controller; the reference of today's practice if left out.
        address_map: The part's own if left out.
    """
    design = configuration or Configuration()
    mixed = Engine(trace, part, address_map).run(design).arrival_latency_ck
    threads = np.unique(trace.thread)
    slowdown = np.empty(len(threads))
    for k, thread in enumerate(threads):
        mine = trace.thread == thread
        own = Trace.of(trace.arrival[mine], trace.address[mine], trace.is_write[mine])
        alone = Engine(own, part, address_map).run(design).arrival_latency_ck
        slowdown[k] = mixed[mine].mean() / alone.mean()
    return Fairness(threads, slowdown)
