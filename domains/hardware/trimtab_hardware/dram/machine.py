"""What certified bounds are about, and the energy of what must happen."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab_hardware.dram.address_map import AddressMap
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.timing import Rail
from trimtab_hardware.dram.traces import Trace

POSTPONED_OR_PULLED = 8
"""Refreshes that JEDEC lets a controller postpone or pull in at most."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is common to all designs that a bound covers.

    Attributes:
        part: memory of a channel.
        address_map: the map of all designs, or None if it is free (one channel, one rank).
        channels: independent channels.
        ranks: ranks per channel.
        all_bank_refresh: every design refreshes all banks at once.
        power_down: some design powers down.
        window: requests that the controller of a free map holds at most.
        postponed: refreshes that a design postpones at most.
        pulled_in: refreshes that a design pulls in at most.
    """

    part: Part
    address_map: AddressMap | None
    channels: int = 1
    ranks: int = 1
    all_bank_refresh: bool = True
    power_down: bool = False
    window: int = 1 << 40
    postponed: int = POSTPONED_OR_PULLED
    pulled_in: int = POSTPONED_OR_PULLED


@dataclass(frozen=True, slots=True)
class Floor:
    """Lower bounds of one machine; `bus`, `bank`, `activate` before refresh, cycles."""

    cycles: int
    energy_pj: float
    bus: int
    bank: int
    activate: int
    activations: int

    @property
    def energy_delay(self) -> float:
        """Bound on energy × time, pJ·cycles."""
        return self.energy_pj * self.cycles


def charge_pj(
    trace: Trace, machine: Machine, activations: int, refreshes: int, cycles: int, active: int = 0
) -> float:
    """Energy of activations, columns and refreshes that must happen, and of the background, pJ.

    Args:
        trace: the requests.
        machine: what all designs share.
        activations: at least.
        refreshes: at least, on all ranks of the channel that lasts longest.
        cycles: at least; the other channels may end at once.
        active: cycles of them, at least, in which some row is open (0: nothing is known).
    """
    part, t = machine.part, machine.part.timing
    writes = int(trace.is_write.sum())
    reads = len(trace) - writes
    closed = max(0, activations - part.banks * machine.ranks * machine.channels)
    total = 0.0
    for rail in part.rails:
        charge = (
            activations * t.ras * (rail.idd0 - rail.idd3n)
            + closed * (t.rc - t.ras) * (rail.idd0 - rail.idd2n)
            + reads * part.burst_ck * (rail.idd4r - rail.idd3n if rail.idd4r else 0.0)
            + writes * part.burst_ck * (rail.idd4w - rail.idd3n if rail.idd4w else 0.0)
            + refreshes * t.rfc * (rail.idd5 - rail.idd3n if rail.idd5 else 0.0)
            + (cycles - 1) * machine.ranks * _least_background(rail, machine)
            + active * max(0.0, rail.idd3n - rail.idd2n)
        )
        total += charge * rail.volt * part.tck_ns * part.devices
    return total


def _least_background(rail: Rail, machine: Machine) -> float:
    least = min(rail.idd2n, rail.idd3n)
    if machine.power_down:
        least = min(least, rail.idd2p0, rail.idd2p1, rail.idd3p0, rail.idd3p1)
    return least
