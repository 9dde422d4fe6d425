"""Batched AC power flow on a fixed network: thousands of operating points in one call.

Z-bus (implicit Gauss) fixed point v ← w + Z·conj(s/v) with Z = Y_LL⁻¹ and w = -Z·Y_L0·v₀ (spec;
Wang et al., IEEE TPWRS 2018, give conditions for convergence). Z is never formed: a sparse LU of
Y_LL is applied instead. Buses that hold a voltage and units that share the slack by droop are
found by an outer loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray

from trimtab_grid.acflow_kernel import Batch, Factors, Ports, fixed_point, loadings
from trimtab_grid.acnetwork import AcNetwork, ComplexArray
from trimtab_grid.sparse_lu import factorise

TOLERANCE = 1e-10
"""Largest last movement of a voltage, per unit; the error is below it where steps halve."""
LIMIT = 60
OUTER_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Flow:
    """Solved operating points.

    Attributes:
        network: that was solved.
        voltage: [M, B] complex, per unit; meaningless where not converged.
        converged: [M].
        iterations: [M] of the inner loop, summed over the outer one.
        slack_power: [M] complex power the slack feeds in, per unit.
    """

    network: AcNetwork
    voltage: ComplexArray
    converged: BoolArray
    iterations: IntArray
    slack_power: ComplexArray

    @property
    def magnitude(self) -> FloatArray:
        """Voltage magnitudes [M, B], per unit."""
        return np.abs(self.voltage)

    def loading_percent(self) -> FloatArray:
        """Load of every branch [M, branches], %: the larger end current over its rating.

        Branches without a rating count as 0.
        """
        voltage = self.voltage.T
        percent = np.empty((len(self.network.branches), voltage.shape[1]))
        re, im = np.ascontiguousarray(voltage.real), np.ascontiguousarray(voltage.imag)
        loadings(ports_of(self.network), re, im, percent)
        return percent.T

    def losses(self, power: ComplexArray) -> FloatArray:
        """Active losses [M], per unit, given the powers fed in [M, B] (slack's own excluded)."""
        total = self.slack_power.real.copy()
        for bus in range(self.network.buses):  # in order: sums must not depend on the batch
            if bus != self.network.slack:
                total += power.real[:, bus]
        return total


def ports_of(network: AcNetwork) -> Ports:
    """Two-ports of a network's branches as the kernel reads them."""
    ends = [(branch.from_bus, branch.to_bus) for branch in network.branches]
    admittances = np.array([branch.two_port for branch in network.branches]).reshape(-1, 4).T
    rated = np.array([(b.rated_from, b.rated_to) for b in network.branches]).reshape(-1, 2).T
    percent = np.divide(100.0, rated, out=np.zeros_like(rated), where=rated > 0.0)
    return Ports(
        np.ascontiguousarray(np.array(ends, dtype=np.int32).reshape(-1, 2).T),
        np.ascontiguousarray(np.real(admittances)),
        np.ascontiguousarray(np.imag(admittances)),
        np.ascontiguousarray(percent),
    )


@dataclass(frozen=True, slots=True)
class Droop:
    """Units that share what the slack would have to give, by fixed weights.

    Attributes:
        weights: bus → share of the surplus it takes on; the slack's bus among them. They must sum
            to 1: 1/R over the sum of 1/R of all units for droops R.
    """

    weights: Mapping[int, float]

    def __post_init__(self) -> None:
        if abs(sum(self.weights.values()) - 1.0) > 1e-9:  # noqa: PLR2004
            msg = f"droop weights sum to {sum(self.weights.values()):g}: make them sum to 1"
            raise TrimtabError(msg)


@dataclass(frozen=True)
class AcFlow:
    """A network, factorised once, and ready for any number of operating points."""

    network: AcNetwork
    tolerance: float = TOLERANCE
    limit: int = LIMIT
    _order: IntArray = field(init=False, repr=False)
    _factors: Factors = field(init=False, repr=False)

    def __post_init__(self) -> None:
        free = [bus for bus in range(self.network.buses) if bus != self.network.slack]
        matrix = self.network.admittance()
        reduced = matrix[np.ix_(free, free)]
        sparse = factorise(reduced)
        order = np.array(free, dtype=np.int64)[sparse.order]
        drawn = -matrix[order, self.network.slack] * self.network.slack_voltage
        open_voltage: ComplexArray = np.asarray(
            np.linalg.solve(matrix[np.ix_(order, order)], drawn), dtype=np.complex128
        )
        object.__setattr__(self, "_order", order)
        object.__setattr__(self, "_factors", sparse.factors(open_voltage))

    def solve(
        self,
        power: ComplexArray,
        start: ComplexArray | None = None,
        droop: Droop | None = None,
    ) -> Flow:
        """Solve M operating points.

        Args:
            power: [M, B] complex power fed in at every bus, per unit; the slack's is ignored but
                for droop, where it is its share before sharing. Reactive power of buses that hold
                a voltage is found, what is given is the first guess.
            start: [M, B] voltages to start from (those of the last step); without load if None.
            droop: units that share the slack's power.
        """
        if not self.network.held and droop is None:
            return self._inner(power, start)
        return self._outer(np.array(power, dtype=np.complex128), start, droop)

    def _inner(self, power: ComplexArray, start: ComplexArray | None) -> Flow:
        ordered = np.asarray(power).T[self._order]
        if start is None:
            shape = (1, ordered.shape[1])
            re = np.tile(self._factors.open_re[:, None], shape)
            im = np.tile(self._factors.open_im[:, None], shape)
        else:
            first = np.asarray(start).T[self._order]
            re, im = first.real.copy(), first.imag.copy()
        batch = Batch(
            np.ascontiguousarray(ordered.real), np.ascontiguousarray(ordered.imag), re, im
        )
        iterations = np.zeros(len(power), dtype=np.int32)
        fixed_point(self._factors, batch, self.tolerance, self.limit, iterations)
        voltage = np.empty((self.network.buses, len(power)), dtype=np.complex128)
        voltage[self.network.slack] = self.network.slack_voltage
        voltage.real[self._order], voltage.imag[self._order] = re, im
        return Flow(
            self.network,
            voltage.T,
            iterations <= self.limit,
            iterations.astype(np.int64),
            self._slack_power(voltage),
        )

    def _slack_power(self, voltage: ComplexArray) -> ComplexArray:
        """v₀·conj(Σ y·v) [M] from voltages [B, M], in real arithmetic and a fixed order."""
        re, im = np.zeros(voltage.shape[1]), np.zeros(voltage.shape[1])
        for bus in np.flatnonzero(self._slack_row):
            y, v_re, v_im = self._slack_row[bus], voltage.real[bus], voltage.imag[bus]
            re += y.real * v_re - y.imag * v_im
            im += y.real * v_im + y.imag * v_re
        held = self.network.slack_voltage
        power = np.empty(voltage.shape[1], dtype=np.complex128)
        power.real = held.real * re + held.imag * im
        power.imag = held.imag * re - held.real * im
        return power

    def _outer(self, power: ComplexArray, start: ComplexArray | None, droop: Droop | None) -> Flow:
        """Adjust reactive power of held buses, then the shared surplus, until both fit."""
        own = power[:, self.network.slack].real.copy()
        surplus = np.zeros(len(power))
        total = np.zeros(len(power), dtype=np.int64)
        left = OUTER_LIMIT
        while True:
            flow = self._inner(power, start)
            total += flow.iterations
            start = flow.voltage
            miss = self._correct_held(power, flow)
            if droop is not None:
                miss = np.maximum(miss, self._share(power, flow, droop, own, surplus))
            left -= 1
            if left == 0 or np.all((miss <= self.tolerance) | ~flow.converged):
                break
        settled = flow.converged & (miss <= 10.0 * self.tolerance)
        return Flow(self.network, flow.voltage, settled, total, flow.slack_power)

    def _correct_held(self, power: ComplexArray, flow: Flow) -> FloatArray:
        """Move reactive power by the sensitivity without load; largest deviation [M]."""
        if not self.network.held:
            return np.zeros(len(power))
        buses, wanted, sensitivity = self._held
        size = np.abs(flow.voltage[:, buses])
        deviation = wanted - size
        power.imag[:, buses] += deviation * size @ sensitivity
        return np.asarray(np.abs(deviation).max(axis=1))

    @staticmethod
    def _share(
        power: ComplexArray, flow: Flow, droop: Droop, own: FloatArray, surplus: FloatArray
    ) -> FloatArray:
        """Hand the slack's surplus on by weight; how far the slack is from its own share [M]."""
        slack = flow.network.slack
        weight = droop.weights.get(slack, 0.0)
        excess = flow.slack_power.real - own - weight * surplus
        surplus += excess
        for bus, share in droop.weights.items():
            if bus != slack:
                power.real[:, bus] += share * excess
        return np.asarray(np.abs(excess))

    @cached_property
    def _slack_row(self) -> ComplexArray:
        return np.asarray(self.network.admittance()[self.network.slack])

    @cached_property
    def _held(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """Held buses, their magnitudes, and dQ/d|V| without load (inverse of Im Z)."""
        buses = np.array([held.bus for held in self.network.held], dtype=np.int64)
        wanted = np.array([held.magnitude for held in self.network.held])
        free = [bus for bus in range(self.network.buses) if bus != self.network.slack]
        impedance = np.linalg.inv(self.network.admittance()[np.ix_(free, free)])
        places = [free.index(int(bus)) for bus in buses]
        reactance = impedance.imag[np.ix_(places, places)]
        return buses, wanted, np.asarray(np.linalg.inv(reactance).T, dtype=np.float64)
