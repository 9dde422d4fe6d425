"""Networks that installed wheels bring: where they lie, when they begin, whose licence they carry.

The files are read in place, never copied, and neither ``sumo_rl`` nor ``sumo`` is imported (their
import has side effects and wants ``SUMO_HOME``).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trimtab.contracts.errors import InputFileError, MissingDependencyError, UnknownNameError

Wheel = Literal["sumo-rl", "eclipse-sumo"]

_ROOTS: dict[Wheel, tuple[str, str]] = {
    "sumo-rl": ("sumo_rl", "nets"),
    "eclipse-sumo": ("sumo", "tools/game"),
}

COLOGNE_LICENCE = "TAPASCologne (DLR), CC BY-NC-SA 3.0: non-commercial use only"
INGOLSTADT_LICENCE = "InTAS Ingolstadt traffic scenario, GPL-3.0"
SYNTHETIC_LICENCE = "RESCO synthetic network, CC BY-NC-SA 4.0: non-commercial use only"
SUMO_RL_LICENCE = "sumo-rl example network, MIT"
SUMO_LICENCE = "Eclipse SUMO game network, EPL-2.0 OR GPL-2.0-or-later"

CUT_PHASES_NOTE = (
    "the wheel's file has one 25 s green phase and one all-red phase commented out that RESCO has: "
    "never place its figures beside RESCO's published columns without saying so"
)


@dataclass(frozen=True, slots=True)
class NetSource:
    """A network with demand in an installed wheel.

    Attributes:
        folder: its folder inside the wheel's network folder.
        net: network file, relative to ``folder``; likewise the route and additional files.
        begin_s, end_s: simulated period, s since midnight of the demand.
        decision_interval_s, yellow_s: timing of the RESCO decision loop on this network, s.
        licence: one line to show wherever results on this network are shown.
        note: what a reader must know before comparing figures, or an empty string.
    """

    name: str
    wheel: Wheel
    folder: str
    net: str
    routes: tuple[str, ...]
    licence: str
    additional: tuple[str, ...] = ()
    begin_s: int = 0
    end_s: int = 3600
    decision_interval_s: int = 10
    yellow_s: int = 3
    note: str = ""

    @property
    def net_file(self) -> Path:
        """Path of the network in the installed wheel."""
        return self._path(self.net)

    @property
    def route_files(self) -> tuple[Path, ...]:
        """Paths of the demand files."""
        return tuple(self._path(name) for name in self.routes)

    @property
    def additional_files(self) -> tuple[Path, ...]:
        """Paths of the additional files."""
        return tuple(self._path(name) for name in self.additional)

    def _path(self, name: str) -> Path:
        path = wheel_root(self.wheel) / self.folder / name
        if not path.is_file():
            msg = (
                f"{path}: network {self.name!r} is not in the installed {self.wheel} wheel; "
                f"reinstall it with pip install --force-reinstall --no-deps {self.wheel}"
            )
            raise InputFileError(msg)
        return path


def wheel_root(wheel: Wheel) -> Path:
    """Folder of the networks inside an installed wheel, found without importing it.

    Raises:
        MissingDependencyError: the wheel is not installed.
    """
    package, below = _ROOTS[wheel]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(package=wheel, extra="traffic", purpose="a wheel network")
    return Path(spec.submodule_search_locations[0]) / below


def _resco(
    name: str, licence: str, begin_s: int = 0, decision_interval_s: int = 10, yellow_s: int = 3
) -> NetSource:
    stem = name.removesuffix("w")
    return NetSource(
        name=name,
        wheel="sumo-rl",
        folder=f"RESCO/{stem}",
        net=f"{stem}.net.xml",
        routes=(f"{stem}.rou.xml" if begin_s else f"{stem}_1.rou.xml",),
        licence=licence,
        begin_s=begin_s,
        end_s=begin_s + 3600,
        decision_interval_s=decision_interval_s,
        yellow_s=yellow_s,
        note=CUT_PHASES_NOTE if name.endswith("w") else "",
    )


def _sumo_rl(name: str, folder: str, net: str, routes: str, end_s: int = 3600) -> NetSource:
    return NetSource(name, "sumo-rl", folder, net, (routes,), SUMO_RL_LICENCE, end_s=end_s)


def _game(
    name: str,
    net: str,
    *routes: str,
    end_s: int,
    begin_s: int = 0,
    additional: tuple[str, ...] = (),
) -> NetSource:
    return NetSource(
        name,
        "eclipse-sumo",
        ".",
        net,
        routes,
        SUMO_LICENCE,
        additional=additional,
        begin_s=begin_s,
        end_s=end_s,
    )


_BEGIN_COLOGNE_S = 7 * 3600
_BEGIN_INGOLSTADT_S = 16 * 3600

RESCO_NETS: tuple[NetSource, ...] = (
    _resco("grid4x4", SYNTHETIC_LICENCE),
    _resco("arterial4x4", SYNTHETIC_LICENCE, decision_interval_s=5, yellow_s=2),
    _resco("cologne1", COLOGNE_LICENCE, _BEGIN_COLOGNE_S),
    _resco("cologne3", COLOGNE_LICENCE, _BEGIN_COLOGNE_S),
    _resco("cologne8", COLOGNE_LICENCE, _BEGIN_COLOGNE_S),
    _resco("ingolstadt1", INGOLSTADT_LICENCE, _BEGIN_INGOLSTADT_S),
    _resco("ingolstadt7w", INGOLSTADT_LICENCE, _BEGIN_INGOLSTADT_S),
    _resco("ingolstadt21w", INGOLSTADT_LICENCE, _BEGIN_INGOLSTADT_S),
)
"""The eight RESCO networks as the sumo-rl wheel ships them (``w``: differs from RESCO's own)."""

_TWO_WAY = "2way-single-intersection"
_LUCAS = "4x4-Lucas"

OTHER_NETS: tuple[NetSource, ...] = (
    *(
        _sumo_rl(
            f"2way-{d}", _TWO_WAY, "single-intersection.net.xml", f"single-intersection-{d}.rou.xml"
        )
        for d in ("gen", "horizontal", "vertical", "vhvh")
    ),
    *(
        _sumo_rl(f"lucas4x4-{d}", _LUCAS, "4x4.net.xml", f"4x4{d}.rou.xml")
        for d in ("c1", "c1c2", "c1c2c1c2", "c2", "c2c1", "teste")
    ),
    _sumo_rl("grid2x2", "2x2grid", "2x2.net.xml", "2x2.rou.xml"),
    _sumo_rl("grid3x3", "3x3grid", "3x3Grid2lanes.net.xml", "routes14000.rou.xml"),
    NetSource(
        "loop4x4",
        "sumo-rl",
        "4x4loop",
        "4x4loop.net.xml",
        ("4x4loop.rou.xml",),
        SUMO_RL_LICENCE,
        additional=("circle.add.xml",),
    ),
    _sumo_rl("nguyen", "Nguyen", "nguyentl.net.xml", "nguyencontext.rou.xml"),
    _sumo_rl("double", "double", "network.net.xml", "flow.rou.xml"),
    _sumo_rl(
        "single",
        "single-intersection",
        "single-intersection.net.xml",
        "single-intersection.rou.xml",
    ),
    _game("corridor", "corridor/corridor.net.xml", "corridor/corridor.rou.xml", end_s=600),
    _game("grid6", "grid6/grid6.net.xml", "grid6/grid6.rou.xml", end_s=220),
    _game("square", "square/square.net.xml", "square/square.rou.xml", end_s=180),
    _game("kuehne", "kuehne/kuehne.net.xml", "kuehne/kuehne.rou.xml", end_s=180),
    _game("cross", "cross/cross.net.xml", "cross/cross.rou.xml", end_s=180),
    _game("a10kw", "A10KW/osm.net.xml", "A10KW/osm.passenger.rou.xml", end_s=1800),
    _game(
        "fokr_bs",
        "fokr_bs_demo/fokr_bs.net.xml.gz",
        "fokr_bs_demo/15_16_bicycle.trips.xml",
        "fokr_bs_demo/15_16_ped.trips.xml",
        "fokr_bs_demo/15_16_veh.trips.xml.gz",
        begin_s=15 * 3600,
        end_s=16 * 3600,
        additional=("fokr_bs_demo/vtypes_default.add.xml",),
    ),
)
"""Other wheel networks with at least one controllable signal."""


def find_net(name: str) -> NetSource:
    """Return the wheel network of that name.

    Raises:
        UnknownNameError: there is none.
    """
    known = {source.name: source for source in (*RESCO_NETS, *OTHER_NETS)}
    if name not in known:
        raise UnknownNameError(name, "wheel network", known)
    return known[name]
