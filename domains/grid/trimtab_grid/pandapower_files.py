"""Reads networks that pandapower wrote as JSON, without pandapower and without running their code.

`pandapower.from_json` imports the modules and classes that a file names; this reader takes tables
of plain values only. Line and transformer models are pandapower's (its documentation, "Electric
Model"), agreement to 1e-8 per unit is tested. What is not modelled here is refused by name.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from trimtab.contracts.errors import InputFileError

from trimtab_grid.acnetwork import AcNetwork, Branch, HeldVoltage, Injection
from trimtab_grid.json_files import is_number, parse_json
from trimtab_grid.user_files import read_text

MAX_BUSES = 2000
_MODELLED = {
    "bus", "line", "trafo", "load", "sgen", "storage", "gen", "ext_grid", "shunt", "switch",
}  # fmt: skip
_REFUSED = {
    "trafo3w", "impedance", "ward", "xward", "dcline", "motor", "asymmetric_load",
    "asymmetric_sgen", "svc", "tcsc", "ssc", "vsc", "bus_dc", "line_dc", "b2b_vsc",
}  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one element table, each with its index as in the file."""

    name: str
    rows: Mapping[int, Row]

    def live(self) -> Iterable[tuple[int, Row]]:
        """Rows in service."""
        return ((key, row) for key, row in self.rows.items() if row.get("in_service", True))


Tables = Mapping[str, Table]


def is_pandapower(document: Any) -> bool:
    """Whether a JSON document is a pandapower network."""
    return isinstance(document, dict) and document.get("_class") == "pandapowerNet"


def read_network(path: Path) -> AcNetwork:
    """The network of a pandapower JSON file.

    Raises:
        InputFileError: unreadable, inconsistent, or with elements that are not modelled.
    """
    return parse_network(read_text(path), path.name)


def parse_network(text: str, name: str) -> AcNetwork:
    """As `read_network`, of the text of a file; `name` is used in messages."""
    document = parse_json(text, name)
    if not is_pandapower(document) or not isinstance(document.get("_object"), dict):
        msg = f'{name}: is no network of pandapower ("_class": "pandapowerNet"); use pp.to_json'
        raise InputFileError(msg)
    content = document["_object"]
    tables = {key: _table(content, key, name) for key in _MODELLED | _REFUSED}
    for key in sorted(_REFUSED):
        if any(True for _ in tables[key].live()):
            msg = f"{name}: has elements in table {key!r}, which is not modelled; replace them"
            raise InputFileError(msg)
    settings = _Settings(
        name, _setting(content, "sn_mva", 1.0, name), _setting(content, "f_hz", 50.0, name)
    )
    return _Builder(tables, settings).network()


@dataclass(frozen=True, slots=True)
class _Settings:
    name: str
    base_mva: float
    frequency_hz: float


def _setting(content: Mapping[str, Any], key: str, default: float, name: str) -> float:
    value = content.get(key, default)
    if not is_number(value) or not 0.0 < value < 1e6:  # noqa: PLR2004
        msg = f"{name}: {key} is {value!r}; write a positive number"
        raise InputFileError(msg)
    return float(value)


def _table(content: Mapping[str, Any], key: str, name: str) -> Table:
    """A table in pandas' "split" form, or an empty one."""
    wrapped = content.get(key)
    if wrapped is None:
        return Table(key, {})
    inner = wrapped.get("_object") if isinstance(wrapped, dict) else None
    split = parse_json(inner, f"{name}: table {key}") if isinstance(inner, str) else inner
    parts = split if isinstance(split, dict) else {}
    columns, index, values = (parts.get(k) for k in ("columns", "index", "data"))
    if not (isinstance(columns, list) and isinstance(index, list) and isinstance(values, list)):
        msg = f"{name}: table {key!r} is not in the form that pp.to_json writes; save it again"
        raise InputFileError(msg)
    fits = len(index) == len(values) == len(set(map(repr, index)))
    if not fits or not all(isinstance(v, list) and len(v) == len(columns) for v in values):
        msg = f"{name}: table {key!r}: rows, index and columns do not fit together"
        raise InputFileError(msg)
    if not all(isinstance(k, int) for k in index) or not all(isinstance(c, str) for c in columns):
        msg = f"{name}: table {key!r}: the index must be whole numbers, columns must be names"
        raise InputFileError(msg)
    rows = {k: dict(zip(columns, v, strict=True)) for k, v in zip(index, values, strict=True)}
    return Table(key, rows)


class _Builder:
    """Makes a network of the tables; buses joined by closed bus switches become one."""

    def __init__(self, tables: Tables, settings: _Settings) -> None:
        self._tables, self._settings = tables, settings
        self._kv: list[float] = []
        self._names: list[str] = []
        self._bus: dict[int, int] = {}
        self._open = self._open_ends()

    def network(self) -> AcNetwork:
        self._number_buses()
        slack, voltage = self._slack()
        lines = [b for key, row in self._tables["line"].live() for b in self._line(key, row)]
        trafos = [b for key, row in self._tables["trafo"].live() for b in self._trafo(key, row)]
        shunts = np.zeros(len(self._names), dtype=np.complex128)
        for key, row in self._tables["shunt"].live():
            self._add_shunt(shunts, key, row)
        return AcNetwork(
            name=self._settings.name,
            bus_names=tuple(self._names),
            bus_kv=np.array(self._kv),
            slack=slack,
            slack_voltage=voltage,
            branches=(*lines, *trafos),
            shunts=shunts,
            injections=tuple(self._injections()),
            held=tuple(self._held()),
            base_mva=self._settings.base_mva,
        )

    def _refuse(self, table: str, key: int, what: str) -> NoReturn:
        msg = f"{self._settings.name}: {table} {key}: {what}"
        raise InputFileError(msg)

    def _number(
        self, table: str, key: int, row: Row, column: str, default: float | None = None
    ) -> float:
        value = row.get(column)
        if value is None and default is not None:
            return default
        if not is_number(value):
            self._refuse(table, key, f"{column} is {value!r}; write a number")
        return float(value)  # type: ignore[arg-type]

    def _positive(
        self, table: str, key: int, row: Row, column: str, default: float | None = None
    ) -> float:
        value = self._number(table, key, row, column, default)
        if value <= 0.0:
            self._refuse(table, key, f"{column} is {value:g}; write a number above 0")
        return value

    def _at(self, table: str, key: int, row: Row, column: str = "bus") -> int:
        number = row.get(column)
        if not isinstance(number, int) or number not in self._bus:
            self._refuse(table, key, f"{column} {number!r} is no bus in service")
        return self._bus[number]

    def _number_buses(self) -> None:
        live = dict(self._tables["bus"].live())
        if not 1 <= len(live) <= MAX_BUSES:
            msg = f"{self._settings.name}: has {len(live)} buses; 1 to {MAX_BUSES} are handled"
            raise InputFileError(msg)
        joined = self._joined(live)
        for key, row in live.items():
            head = joined[key]
            if head == key:
                self._bus[key] = len(self._names)
                self._names.append(str(row.get("name") or key))
                self._kv.append(self._positive("bus", key, row, "vn_kv"))
        for key in live:
            self._bus[key] = self._bus[joined[key]]

    def _joined(self, live: Mapping[int, Row]) -> dict[int, int]:
        """Lowest bus of the group that closed bus switches form, per bus."""
        head = {key: key for key in live}
        for key, row in self._tables["switch"].rows.items():
            if row.get("et") != "b" or not row.get("closed", True):
                continue
            if row.get("z_ohm"):
                self._refuse("switch", key, "z_ohm is not modelled; set it to 0")
            pair = (row.get("bus"), row.get("element"))
            if not all(isinstance(end, int) and end in head for end in pair):
                continue
            low, high = sorted((head[pair[0]], head[pair[1]]))  # type: ignore[index]
            head = {bus: low if group == high else group for bus, group in head.items()}
        return head

    def _open_ends(self) -> dict[tuple[str, int], set[int]]:
        """Buses at which a line ("l") or transformer ("t") is switched off."""
        ends: dict[tuple[str, int], set[int]] = {}
        for key, row in self._tables["switch"].rows.items():
            kind, closed = row.get("et"), row.get("closed", True)
            if closed or kind == "b":
                continue
            element, bus = row.get("element"), row.get("bus")
            if kind not in {"l", "t"} or not isinstance(element, int) or not isinstance(bus, int):
                self._refuse("switch", key, f"of type {kind!r} is not modelled")
            ends.setdefault((kind, element), set()).add(bus)
        return ends

    def _slack(self) -> tuple[int, complex]:
        found = [("ext_grid", key, row) for key, row in self._tables["ext_grid"].live()]
        found += [("gen", key, row) for key, row in self._tables["gen"].live() if row.get("slack")]
        if len(found) != 1:
            msg = f"{self._settings.name}: has {len(found)} slacks in service; give exactly one"
            raise InputFileError(msg)
        table, key, row = found[0]
        angle = math.radians(self._number(table, key, row, "va_degree", 0.0))
        held = self._positive(table, key, row, "vm_pu", 1.0)
        return self._at(table, key, row), cmath.rect(held, angle)

    def _ends(
        self, kind: str, key: int, row: Row, columns: tuple[str, str]
    ) -> tuple[int, int] | None:
        """Bus numbers of a branch; a new one at an open end; None if both ends are open."""
        opened = self._open.get((kind, key), set())
        sides = [row.get(column) in opened for column in columns]
        if all(sides):
            return None
        table = "line" if kind == "l" else "trafo"
        found = [self._at(table, key, row, column) for column in columns]
        for side, is_open in enumerate(sides):
            if is_open:
                self._kv.append(self._kv[found[side]])
                self._names.append(f"{table} {key} open end")
                found[side] = len(self._names) - 1
        return found[0], found[1]

    def _line(self, key: int, row: Row) -> Sequence[Branch]:
        ends = self._ends("l", key, row, ("from_bus", "to_bus"))
        if ends is None:
            return ()
        settings = self._settings
        kv = self._kv[ends[0]]
        base_ohm = kv * kv / settings.base_mva
        length = self._positive("line", key, row, "length_km")
        parallel = self._positive("line", key, row, "parallel", 1.0)
        resistance = self._number("line", key, row, "r_ohm_per_km")
        reactance = self._number("line", key, row, "x_ohm_per_km")
        if not (resistance or reactance):
            self._refuse("line", key, "has no impedance; join its buses by a switch")
        capacitance_nf = self._number("line", key, row, "c_nf_per_km", 0.0)
        susceptance = 2.0 * math.pi * settings.frequency_hz * capacitance_nf * 1e-9
        conductance = self._number("line", key, row, "g_us_per_km", 0.0) * 1e-6
        shunt = complex(conductance, susceptance) * length * parallel * base_ohm / 2.0
        limit_ka = self._number("line", key, row, "max_i_ka", 0.0) * parallel
        limit_ka *= self._positive("line", key, row, "df", 1.0)
        rated = limit_ka * math.sqrt(3.0) * kv / settings.base_mva
        series = base_ohm * parallel / (complex(resistance, reactance) * length)
        name = str(row.get("name") or f"line {key}")
        return (Branch(name, "line", *ends, series, shunt, shunt, 1.0 + 0j, rated, rated),)

    def _trafo(self, key: int, row: Row) -> Sequence[Branch]:
        ends = self._ends("t", key, row, ("hv_bus", "lv_bus"))
        if ends is None:
            return ()
        sn = self._positive("trafo", key, row, "sn_mva")
        parallel = self._positive("trafo", key, row, "parallel", 1.0)
        high_kv, low_kv, shift = self._tapped(key, row)
        low_bus_kv = self._kv[ends[1]]
        series, shunt_from, shunt_to = self._pi(key, row, low_kv, low_bus_kv)
        ratio = (high_kv / low_kv) / (self._kv[ends[0]] / low_bus_kv)
        load = sn * parallel * self._positive("trafo", key, row, "df", 1.0)
        load /= self._settings.base_mva
        named = (
            self._number("trafo", key, row, "vn_hv_kv"),
            self._number("trafo", key, row, "vn_lv_kv"),
        )
        return (
            Branch(
                str(row.get("name") or f"trafo {key}"),
                "trafo",
                *ends,
                series,
                shunt_from,
                shunt_to,
                cmath.rect(ratio, math.radians(shift)),
                load * self._kv[ends[0]] / named[0],
                load * low_bus_kv / named[1],
            ),
        )

    def _pi(
        self, key: int, row: Row, low_kv: float, low_bus_kv: float
    ) -> tuple[complex, complex, complex]:
        """Series admittance and both shunts of the T model of a transformer, per unit."""
        sn = self._positive("trafo", key, row, "sn_mva")
        parallel = self._positive("trafo", key, row, "parallel", 1.0)
        scale = (low_kv / low_bus_kv) ** 2 * self._settings.base_mva / sn / 100.0
        whole = self._positive("trafo", key, row, "vk_percent")
        real = self._number("trafo", key, row, "vkr_percent")
        if not 0.0 <= real <= whole:
            self._refuse("trafo", key, f"vkr_percent {real:g} must be 0 to vk_percent")
        impedance = complex(real, math.sqrt(whole * whole - real * real)) * scale / parallel
        iron_mw = self._number("trafo", key, row, "pfe_kw", 0.0) * 1e-3
        magnetising = self._number("trafo", key, row, "i0_percent", 0.0) / 100.0 * sn
        reactive = math.sqrt(max(0.0, magnetising * magnetising - iron_mw * iron_mw))
        base = (low_bus_kv / low_kv) ** 2 / self._settings.base_mva
        shunt = complex(iron_mw, -reactive) * base * parallel
        if shunt == 0:
            return 1.0 / impedance, 0j, 0j
        shares = (
            self._number("trafo", key, row, "leakage_resistance_ratio_hv", 0.5),
            self._number("trafo", key, row, "leakage_reactance_ratio_hv", 0.5),
        )
        first = complex(impedance.real * shares[0], impedance.imag * shares[1])
        return _delta_of_star(first, impedance - first, 1.0 / shunt)

    def _tapped(self, key: int, row: Row) -> tuple[float, float, float]:
        """Rated voltages at the tap in use, kV, and the phase shift, degrees."""
        high = self._positive("trafo", key, row, "vn_hv_kv")
        low = self._positive("trafo", key, row, "vn_lv_kv")
        shift = self._number("trafo", key, row, "shift_degree", 0.0)
        kind = self._tap_kind(key, row)
        side = row.get("tap_side")
        if kind is None or side not in {"hv", "lv"}:
            return high, low, shift
        tap = self._number("trafo", key, row, "tap_pos") - self._number(
            "trafo", key, row, "tap_neutral"
        )
        step = self._number("trafo", key, row, "tap_step_percent", 0.0) / 100.0
        degrees = self._number("trafo", key, row, "tap_step_degree", 0.0)
        direction = 1.0 if side == "hv" else -1.0
        if kind == "Ideal":
            turned = tap * degrees or 2.0 * math.degrees(math.asin(tap * step / 2.0))
            return high, low, shift + direction * turned
        added = cmath.rect(tap * step, math.radians(degrees))
        factor = abs(1.0 + added)
        turned = math.degrees(math.atan(added.imag / (1.0 + added.real)))
        shift += direction * turned
        return (high * factor, low, shift) if side == "hv" else (high, low * factor, shift)

    def _tap_kind(self, key: int, row: Row) -> str | None:
        if row.get("tap_dependency_table") or row.get("tap_dependent_impedance"):
            self._refuse("trafo", key, "tap-dependent impedance is not modelled")
        if is_number(row.get("tap2_pos")) and row.get("tap2_pos") != row.get("tap2_neutral"):
            self._refuse("trafo", key, "a second tap changer is not modelled")
        if not is_number(row.get("tap_pos")):
            return None
        if "tap_changer_type" not in row:  # files of pandapower before version 3
            return "Ideal" if row.get("tap_phase_shifter") else "Ratio"
        kind = row["tap_changer_type"]
        if kind not in {None, "Ratio", "Symmetrical", "Ideal"}:
            self._refuse("trafo", key, f"tap_changer_type {kind!r} is not modelled")
        return None if kind is None else str(kind)

    def _add_shunt(self, shunts: Any, key: int, row: Row) -> None:
        bus = self._at("shunt", key, row)
        kv = self._number("shunt", key, row, "vn_kv", self._kv[bus])
        power = complex(
            self._number("shunt", key, row, "p_mw"), -self._number("shunt", key, row, "q_mvar")
        )
        power *= self._number("shunt", key, row, "step", 1.0)
        shunts[bus] += power * (self._kv[bus] / kv) ** 2 / self._settings.base_mva

    def _injections(self) -> Iterable[Injection]:
        for table, sign in (("load", -1.0), ("storage", -1.0), ("sgen", 1.0), ("gen", 1.0)):
            for key, row in self._tables[table].live():
                if table == "gen" and row.get("slack"):
                    continue
                self._refuse_voltage_dependence(table, key, row)
                power = complex(
                    self._number(table, key, row, "p_mw"),
                    self._number(table, key, row, "q_mvar", 0.0) if table != "gen" else 0.0,
                )
                power *= sign * self._number(table, key, row, "scaling", 1.0)
                name = str(row.get("name") or f"{table} {key}")
                yield Injection(name, table, self._at(table, key, row), power)

    def _refuse_voltage_dependence(self, table: str, key: int, row: Row) -> None:
        for column in row:
            if column.startswith("const_") and row[column]:
                self._refuse(table, key, f"{column} is not modelled; set it to 0")

    def _held(self) -> Iterable[HeldVoltage]:
        for key, row in self._tables["gen"].live():
            if not row.get("slack"):
                held = self._positive("gen", key, row, "vm_pu", 1.0)
                yield HeldVoltage(self._at("gen", key, row), held)


def _delta_of_star(
    first: complex, second: complex, middle: complex
) -> tuple[complex, complex, complex]:
    """Series admittance and shunts of the pi circuit equal to a T circuit of impedances."""
    total = first * second + first * middle + second * middle
    return middle / total, second / total, first / total
