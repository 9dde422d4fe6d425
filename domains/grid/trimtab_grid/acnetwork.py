"""A balanced AC network in per unit: buses, branches as two-ports, one slack.

Two-port admittances follow MATPOWER's manual (section 3.2): a branch has series admittance, shunts
at both ends and an ideal transformer at its from side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import FloatArray

ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Branch:
    """A line or transformer between two bus numbers; admittances in per unit.

    Attributes:
        kind: "line" or "trafo".
        series: 1/(r + jx).
        shunt_from: at the from side, inside the ideal transformer.
        shunt_to: at the to side.
        ratio: complex turns ratio of the ideal transformer at the from side.
        rated_from: current at the from side that is 100 % load, per unit; 0 for none.
        rated_to: the same at the to side.
    """

    name: str
    kind: str
    from_bus: int
    to_bus: int
    series: complex
    shunt_from: complex
    shunt_to: complex
    ratio: complex = 1.0 + 0.0j
    rated_from: float = 0.0
    rated_to: float = 0.0

    @property
    def two_port(self) -> tuple[complex, complex, complex, complex]:
        """y_ff, y_ft, y_tf, y_tt."""
        square = abs(self.ratio) ** 2
        return (
            (self.series + self.shunt_from) / square,
            -self.series / self.ratio.conjugate(),
            -self.series / self.ratio,
            self.series + self.shunt_to,
        )


@dataclass(frozen=True, slots=True)
class Injection:
    """Power that an element of the network file feeds in at nominal operation, MVA.

    Attributes:
        kind: "load" (negative power), "sgen", "storage" or "gen".
    """

    name: str
    kind: str
    bus: int
    power_mva: complex


@dataclass(frozen=True, slots=True)
class HeldVoltage:
    """A bus whose voltage magnitude a generator holds (PV bus), per unit."""

    bus: int
    magnitude: float


@dataclass(frozen=True, slots=True)
class AcNetwork:
    """The network a plant feeds.

    Attributes:
        bus_names: of the B buses.
        bus_kv: [B] nominal voltage, kV.
        slack: bus number whose voltage is fixed.
        slack_voltage: complex, per unit.
        shunts: [B] admittance to ground, per unit.
        base_mva: of per unit.
    """

    name: str
    bus_names: tuple[str, ...]
    bus_kv: FloatArray
    slack: int
    slack_voltage: complex
    branches: tuple[Branch, ...]
    shunts: ComplexArray
    injections: tuple[Injection, ...] = ()
    held: tuple[HeldVoltage, ...] = ()
    base_mva: float = 1.0

    def __post_init__(self) -> None:
        reached = self._reached()
        for bus, name in enumerate(self.bus_names):
            if bus not in reached:
                msg = f"{self.name}: bus {name} has no way to the slack: connect or remove it"
                raise InputFileError(msg)

    @property
    def buses(self) -> int:
        """B."""
        return len(self.bus_names)

    def admittance(self) -> ComplexArray:
        """Bus admittance matrix [B, B], per unit."""
        matrix = np.diag(self.shunts.astype(np.complex128))
        for branch in self.branches:
            f, t = branch.from_bus, branch.to_bus
            ff, ft, tf, tt = branch.two_port
            matrix[f, f] += ff
            matrix[f, t] += ft
            matrix[t, f] += tf
            matrix[t, t] += tt
        return matrix

    def nominal(self) -> ComplexArray:
        """Power fed in at each bus [B] by all elements of the file, per unit."""
        power = np.zeros(self.buses, dtype=np.complex128)
        for injection in self.injections:
            power[injection.bus] += injection.power_mva / self.base_mva
        return power

    def bus(self, name: str) -> int:
        """Number of a bus.

        Raises:
            InputFileError: there is none, or several, of that name.
        """
        found = [number for number, own in enumerate(self.bus_names) if own == name]
        if len(found) != 1:
            how = "no bus" if not found else f"{len(found)} buses"
            msg = f"{self.name}: {how} named {name!r}; buses: {', '.join(self.bus_names[:20])}"
            raise InputFileError(msg)
        return found[0]

    def _reached(self) -> set[int]:
        import networkx as nx

        graph = nx.Graph((branch.from_bus, branch.to_bus) for branch in self.branches)
        graph.add_node(self.slack)
        reached: set[int] = nx.node_connected_component(graph, self.slack)
        return reached
