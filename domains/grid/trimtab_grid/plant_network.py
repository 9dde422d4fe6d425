"""The AC network around a plant: voltages and loadings of every step, for any number of plants.

The plant's load is spread over the loads of the network file in proportion to their size, at their
own power factors; its sources feed in at named buses at unity power factor. The slack of the file
is the plant's grid-forming source: it carries what is left, losses and reactive power included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from trimtab.contracts.errors import InputFileError, UnknownNameError
from trimtab.contracts.spec import BoolArray, FloatArray

from trimtab_grid.acflow import AcFlow
from trimtab_grid.acnetwork import AcNetwork, ComplexArray
from trimtab_grid.network_settings import NetworkSettings
from trimtab_grid.pandapower_files import read_network
from trimtab_grid.plant import Plant


class PlantPowers(NamedTuple):
    """What flows in one step of N plants (or N steps of one), kW.

    Attributes:
        load_kw: [N] load that is served.
        genset_kw: [N, units].
        battery_kw: [N], discharge positive.
        wind_kw: [N] after curtailment.
        pv_kw: [N] after curtailment.
    """

    load_kw: FloatArray
    genset_kw: FloatArray
    battery_kw: FloatArray
    wind_kw: FloatArray
    pv_kw: FloatArray


@dataclass(frozen=True, slots=True)
class NetworkState:
    """Network metrics of N steps.

    Attributes:
        v_min_pu: [N] lowest voltage.
        v_max_pu: [N] highest voltage.
        line_percent: [N] largest line load, 0 without lines.
        trafo_percent: [N] largest transformer load, 0 without transformers.
        losses_kw: [N] active losses, carried by the slack.
        voltage_kept: [N] all voltages are inside their band (and the flow has a solution).
        loading_kept: [N] no branch is overloaded (and the flow has a solution).
        voltage: [N, B] complex, per unit: where to start the next step from.
    """

    v_min_pu: FloatArray
    v_max_pu: FloatArray
    line_percent: FloatArray
    trafo_percent: FloatArray
    losses_kw: FloatArray
    voltage_kept: BoolArray
    loading_kept: BoolArray
    voltage: ComplexArray


class PlantNetwork:
    """A network with the buses of one plant found, factorised once."""

    def __init__(
        self, settings: NetworkSettings, plant: Plant, network: AcNetwork | None = None
    ) -> None:
        """Read the network (unless given) and place the plant in it.

        Raises:
            InputFileError: the file is wrong, has no load, or lacks a named bus.
            UnknownNameError: a genset that the plant does not have is placed.
        """
        self.settings, self.plant = settings, plant
        self.network = read_network(settings.file) if network is None else network
        self._flow = AcFlow(self.network)
        names = [unit.name for unit in plant.gensets]
        for unit in settings.gensets:
            if unit not in names:
                raise UnknownNameError(unit, "genset of the network block", names)
        self._gensets = [self._bus(settings.gensets.get(name)) for name in names]
        self._others = [self._bus(bus) for bus in (settings.battery, settings.wind, settings.pv)]
        self._load_share = self._shares()
        kinds = np.array([branch.kind for branch in self.network.branches])
        self._is_line, self._is_trafo = kinds == "line", kinds == "trafo"

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the network file is not used."""
        unused = [i.name for i in self.network.injections if i.kind != "load"]
        if not unused:
            return ()
        listed = ", ".join(unused[:10])
        return (f"{self.network.name}: sources {listed} are not used, the plant's own are",)

    def state(self, powers: PlantPowers, start: ComplexArray | None = None) -> NetworkState:
        """Solve the network for N operating points; `start` as in `AcFlow.solve`."""
        injected = self.injected(powers)
        flow = self._flow.solve(injected, start)
        magnitude, loading = flow.magnitude, flow.loading_percent()
        lowest, highest = magnitude.min(axis=1), magnitude.max(axis=1)
        inside = (lowest >= self.settings.v_min_pu) & (highest <= self.settings.v_max_pu)
        light = loading.max(axis=1, initial=0.0) <= self.settings.loading_max_percent
        return NetworkState(
            v_min_pu=lowest,
            v_max_pu=highest,
            line_percent=loading[:, self._is_line].max(axis=1, initial=0.0),
            trafo_percent=loading[:, self._is_trafo].max(axis=1, initial=0.0),
            losses_kw=flow.losses(injected) * self.network.base_mva * 1e3,
            voltage_kept=inside & flow.converged,
            loading_kept=light & flow.converged,
            voltage=flow.voltage,
        )

    def injected(self, powers: PlantPowers) -> ComplexArray:
        """Power fed in at every bus [N, B], per unit."""
        scale = 1.0 / (1e3 * self.network.base_mva)
        total = np.empty((len(powers.load_kw), self.network.buses), dtype=np.complex128)
        total.real = powers.load_kw[:, None] * (scale * self._load_share.real)
        total.imag = powers.load_kw[:, None] * (scale * self._load_share.imag)
        sources = [
            *zip(self._gensets, powers.genset_kw.T, strict=True),
            *zip(self._others, powers[2:], strict=True),
        ]
        for bus, power_kw in sources:
            total.real[:, bus] += scale * power_kw
        return total

    def _bus(self, name: str | None) -> int:
        return self.network.slack if name is None else self.network.bus(name)

    def _shares(self) -> ComplexArray:
        """Complex power fed in at each bus per kW of the plant's load."""
        share = np.zeros(self.network.buses, dtype=np.complex128)
        for injection in self.network.injections:
            if injection.kind == "load":
                share[injection.bus] += injection.power_mva
        whole = -float(share.real.sum())
        if whole <= 0.0:
            msg = f"{self.network.name}: has no load to spread the plant's over; add its loads"
            raise InputFileError(msg)
        return np.asarray(share / whole)
