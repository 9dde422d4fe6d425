"""Memory parts from the files of other simulators: DRAMSys memspec JSON and DRAMsim3 ini."""

from __future__ import annotations

import configparser
import math
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import InputFileError, UnknownNameError

from trimtab_hardware.dram.address_map import AddressMap
from trimtab_hardware.dram.part import STANDARDS, Part
from trimtab_hardware.dram.timing import Rail, Timing
from trimtab_hardware.dram.user_files import naming, parse_json, read_text

MANAGEMENT = ("RAAIMT", "RAAMMT", "RAADEC")
"""Keys of refresh management."""
CURRENTS = (
    "idd2n", "idd2p0", "idd2p1", "idd3n", "idd3p0", "idd3p1", "idd4r", "idd4w", "idd5", "idd5pb",
    "idd6",
)  # fmt: skip
"""Currents of a memspec besides `idd0`."""
ACT_CK = {"LPDDR4": 4, "DDR5": 2}
"""Command-bus cycles of ACT and column commands where they exceed one (JEDEC)."""


def read_part(path: Path | str) -> Part:
    """Read a DRAMSys memspec (.json) or a DRAMsim3 configuration (.ini).

    Raises:
        InputFileError: The file is unreadable, or a key is missing, negative or no number.
        UnknownNameError: The memory is of a standard that the engine does not know.
    """
    path = Path(path)
    text = read_text(path)
    if path.suffix.lower() == ".ini":
        return _part_from_ini(text, path)
    return _part_from_memspec(parse_json(text, path), path)


class _Table:
    """Numbers of one section by key, with errors that name file, section and key."""

    def __init__(self, path: Path, section: str, body: Any) -> None:
        if not isinstance(body, dict):
            msg = f"{path}: section {section} is missing or is not a table"
            raise InputFileError(msg)
        self.path, self.section, self.body = path, section, body
        self._spelled = {str(key).lower(): key for key in body}

    def __contains__(self, key: str) -> bool:
        return key.lower() in self._spelled

    def number(self, *keys: str, default: float | None = None) -> float:
        """The first of the keys that is there, in whatever case, as a number >= 0."""
        for key in keys:
            if key in self:
                spelled = self._spelled[key.lower()]
                return self._checked(spelled, self.body[spelled])
        if default is None:
            msg = f"{self.path}: {self.section}: key {' or '.join(keys)} is missing"
            raise InputFileError(msg)
        return default

    def count(self, *keys: str, default: int | None = None) -> int:
        """The same as a whole number."""
        value = self.number(*keys, default=default)
        if value != int(value):
            msg = f"{self.path}: {self.section}: {keys[0]} = {value} is not a whole number"
            raise InputFileError(msg)
        return int(value)

    def _checked(self, key: str, raw: Any) -> float:
        try:
            value = float(raw)
        except (TypeError, ValueError):
            value = math.nan
        if isinstance(raw, bool) or not 0 <= value < math.inf:
            msg = f"{self.path}: {self.section}: {key} = {raw!r} is not a number >= 0"
            raise InputFileError(msg)
        return value


def default_map(
    bus_bytes: int, burst_length: int, columns: int, groups: int, group_banks: int, rows: int
) -> AddressMap:
    """Row, bank, column from the top; group bits follow the burst, so that streams alternate."""
    places: dict[str, tuple[int, ...]] = {}
    at = 0

    def take(count: int) -> tuple[int, ...]:
        nonlocal at
        at += count.bit_length() - 1
        return tuple(range(at - (count.bit_length() - 1), at))

    places["byte"] = take(bus_bytes)
    low = take(burst_length)
    places["group"] = take(groups)
    places["column"] = low + take(max(1, columns // burst_length))
    places["bank"] = take(group_banks)
    places["row"] = take(rows)
    return AddressMap(**places)  # type: ignore[arg-type]


def _assembled(
    path: Path, name: str, standard: str, mhz: float, shape: dict[str, int], timing: Timing,
    rails: tuple[Rail, ...],
) -> Part:  # fmt: skip
    with naming(path):
        chosen = default_map(
            shape["devices"] * shape["width_bits"] // 8, shape["burst_length"], shape["columns"],
            shape["groups"], shape["banks"] // shape["groups"], shape["rows"],
        )  # fmt: skip
        return Part(
            id=name, standard=standard, clock_mhz=mhz, **shape, timing=timing, rails=rails,
            map=chosen, source=str(path),
        )  # fmt: skip


def _check_shape(path: Path, section: str, shape: dict[str, int]) -> None:
    """Refuse an organisation that is no memory, before anything is worked out from it."""
    for name, count in shape.items():
        least = 2 if name == "burst_length" else 1
        if count < least:
            msg = f"{path}: {section}: {name} = {count}: give at least {least}"
            raise InputFileError(msg)
    if shape["groups"] > shape["banks"]:
        msg = f"{path}: {section}: {shape['groups']} groups of {shape['banks']} banks in all"
        raise InputFileError(msg)


def _known_standard(name: Any, path: Path) -> str:
    standard = str(name).upper()
    if standard not in STANDARDS:
        raise UnknownNameError(standard, f"DRAM standard in {path}", STANDARDS)
    return standard


def _part_from_memspec(document: Any, path: Path) -> Part:
    spec = document.get("memspec", document) if isinstance(document, dict) else None
    top = _Table(path, "memspec", spec)
    standard = _known_standard(top.body.get("memoryType", ""), path)
    shape_table = _Table(path, "memarchitecturespec", top.body.get("memarchitecturespec"))
    times = _Table(path, "memtimingspec", top.body.get("memtimingspec"))
    shape = {
        "groups": shape_table.count("nbrOfBankGroups", default=1),
        "banks": shape_table.count("nbrOfBanks"),
        "rows": shape_table.count("nbrOfRows"),
        "columns": shape_table.count("nbrOfColumns"),
        "devices": shape_table.count("nbrOfDevices", "nbrOfDevicesOnDIMM", default=1),
        "width_bits": shape_table.count("width"),
        "burst_length": shape_table.count("burstLength"),
    }
    _check_shape(path, shape_table.section, shape)
    for table, key, only in ((times, "REFM", 1), (shape_table, "RefMode", 1), (times, "AL", 0)):
        if table.count(key, default=only) != only:
            msg = f"{path}: {table.section}: {key} other than {only} is not modelled"
            raise InputFileError(msg)
    mhz, in_si = _clock(times)
    managed = {key: shape_table.body[key] for key in MANAGEMENT if key in shape_table.body}
    times = _Table(path, times.section, {**managed, **times.body})
    timing = _memspec_timing(path, times, standard, shape["burst_length"] // 2)
    rails = _memspec_rails(path, top.body.get("mempowerspec"), 1000.0 if in_si else 1.0)
    name = str(top.body.get("memoryId", path.stem))
    return _assembled(path, name, standard, mhz, shape, timing, rails)


def _clock(times: _Table) -> tuple[float, bool]:
    """MHz, and whether the file is in SI units (later files of DRAMSys: tCK in s, currents in A).

    Earlier ones give clkMhz, or tCK in ps, and currents in mA.
    """
    if "clkMhz" in times:
        return times.number("clkMhz"), False
    tck = times.number("tCK")
    if not tck:
        msg = f"{times.path}: {times.section}: tCK = 0 is no clock period"
        raise InputFileError(msg)
    in_si = tck < 1e-3
    return round(1e6 / (tck * 1e12 if in_si else tck), 6), in_si


def _memspec_timing(path: Path, t: _Table, standard: str, burst: int) -> Timing:
    """DRAMSys' names: one key for S and L in DDR3 and LPDDR4, _S/_L in DDR4, S/L in HBM2."""
    rl = t.count("RL", "CL")
    wl = t.count("WL")
    wpre = t.count("WPRE", default=1 if standard == "DDR4" else 0)
    rpre = t.count("RPRE", default=1 if standard == "DDR4" else 0)
    rtrs = t.count("RTRS", default=1)
    rp = t.count("RP", "RPPB")
    ras = t.count("RAS")
    late = 1 if standard == "LPDDR4" else 0  # JESD209-4 counts from WL + 1 + BL / 2
    read_to_write = {
        "DDR3": rl + burst + 2 - wl,
        "DDR4": rl + burst + 1 - wl + wpre,
        "LPDDR4": rl + sum(t.count(k, default=0) for k in ("DQSCK", "RPST")) + burst - wl + wpre,
    }.get(standard, rl + burst + 2 - wl)
    optional = {
        "rfc_pb": ("RFCPB", "RFCSB"), "refi_pb": ("REFIPB", "REFISB"),
        "rp_ab": ("RPAB",), "dqsck": ("DQSCK",),
        **{name.lower(): (name,) for name in MANAGEMENT},
    }  # fmt: skip
    after = ("RRD",) if standard == "LPDDR4" else ()  # REFpb counts as an ACT to other banks
    defaults = {
        "cke": ("CKE",), "ckesr": ("CKESR", "SR"), "xp": ("XP",), "xpdll": ("XPDLL",),
        "xs": ("XS", "XSR"), "xsdll": ("XSDLL",), "actpden": ("ACTPDEN", "CMDCKE"),
        "prpden": ("PRPDEN", "CMDCKE"), "refpden": ("REFPDEN", "CMDCKE"),
    }  # fmt: skip
    act_ck = ACT_CK.get(standard, 1)
    return _timing(
        path, rl=rl, wl=wl, rp=rp, ras=ras, rcd=t.count("RCD", "RCDRD"),
        rc=t.count("RC", "RCPB", default=ras + rp),
        rrd_s=t.count("RRD_S", "RRDS", "RRD"), rrd_l=t.count("RRD_L", "RRDL", "RRD"),
        ccd_s=t.count("CCD_S", "CCDS", "CCD"), ccd_l=t.count("CCD_L", "CCDL", "CCD"),
        faw=t.count("FAW"), rtp=t.count("RTP"), wr=t.count("WR") + late,
        wtr_s=t.count("WTR_S", "WTRS", "WTR") + late, wtr_l=t.count("WTR_L", "WTRL", "WTR") + late,
        rfc=t.count("RFC", "RFCAB", "RFC1"), refi=t.count("REFI"),
        rdwr=t.count("RTW", default=max(1, read_to_write)), rtrs=rtrs, rpre=rpre, wpre=wpre,
        rrefd=t.count("RREFD", "REFSBRD", *after, default=0),
        act_ck=act_ck, cas_ck=act_ck, pre_ck=2 if standard == "LPDDR4" else 1,
        **{name: t.count(*keys, default=0) for name, keys in optional.items()},
        **{name: t.count(*keys, default=1) for name, keys in defaults.items()},
    )  # fmt: skip


def _timing(path: Path, **values: int) -> Timing:
    with naming(path):
        return Timing(**values)


def _memspec_rails(path: Path, body: Any, scale: float) -> tuple[Rail, ...]:
    """One rail per supply: vdd or vdd1, vdd2 (keys that end in 2), vpp (ipp...); none without."""
    if body is None:
        return ()
    t = _Table(path, "mempowerspec", body)
    first = "vdd1" if "vdd1" in t else "vdd"
    supplies = [(first, "idd", "1" if first == "vdd1" else "")]
    supplies += [supply for supply in _FURTHER_SUPPLIES if supply[0] in t]
    return tuple(_rail(t, *supply, scale) for supply in supplies)


_FURTHER_SUPPLIES = (("vdd2", "idd", "2"), ("vpp", "ipp", ""))


def _rail(t: _Table, volt: str, stem: str, end: str, scale: float) -> Rail:
    """One supply; its keys begin with `stem` and may end in `end`."""

    def current(name: str, default: float | None = 0.0) -> float:
        own = name.removeprefix("idd")
        short = {"2p0": "2p", "2p1": "2p", "3p0": "3p", "3p1": "3p", "5": "5b", "6": "6n"}
        keys = [f"{stem}{each}{end}" for each in (own, short.get(own, own))]
        return scale * t.number(*keys, default=default)

    needed = None if volt in ("vdd", "vdd1") else 0.0
    found = {name: current(name) for name in CURRENTS}
    return Rail(volt=t.number(volt), idd0=current("idd0", needed), **found)


def _part_from_ini(text: str, path: Path) -> Part:
    parser = configparser.ConfigParser(inline_comment_prefixes=("#", ";"), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(text, source=str(path))
    except configparser.Error as broken:
        msg = f"{path}: not an ini file: {str(broken).splitlines()[0]}"
        raise InputFileError(msg) from broken
    sections = {  # a comment may follow a value without a space
        name: {key: value.split(";")[0].strip() for key, value in parser[name].items()}
        for name in parser.sections()
    }
    form = _Table(path, "dram_structure", sections.get("dram_structure"))
    times = _Table(path, "timing", sections.get("timing"))
    power = _Table(path, "power", sections.get("power", {"VDD": 0, "IDD0": 0}))
    system = _Table(path, "system", sections.get("system", {}))
    protocol = str(form.body.get("protocol", "")).upper()
    standard = _known_standard({"HBM": "HBM2"}.get(protocol, protocol), path)
    groups, width = form.count("bankgroups", default=1), form.count("device_width")
    wide = system.count("bus_width", default=64)
    shape = {
        "groups": groups, "banks": groups * form.count("banks_per_group"),
        "rows": form.count("rows"), "columns": form.count("columns"),
        "devices": max(1, wide // max(width, 1)), "width_bits": width,
        "burst_length": form.count("BL"),
    }  # fmt: skip
    _check_shape(path, form.section, shape)
    timing = _ini_timing(path, times, shape["burst_length"] // 2)
    tck_ns = times.number("tCK")
    if not tck_ns:
        msg = f"{path}: timing: tCK = 0 is no clock period"
        raise InputFileError(msg)
    return _assembled(path, path.stem, standard, 1000.0 / tck_ns, shape, timing, _ini_rails(power))


def _ini_timing(path: Path, t: _Table, burst: int) -> Timing:
    rl = t.count("CL") + t.count("AL", default=0)
    wl = t.count("CWL") + t.count("AL", default=0)
    ras, rp = t.count("tRAS"), t.count("tRP")
    rrd, ccd, wtr = (
        ("tRRD_S", "tRRD"),
        ("tCCD_S", "tCCD"),
        ("tWTR_S", "tWTR"),
    )  # no groups: S only
    return _timing(
        path, rl=rl, wl=wl, rp=rp, ras=ras, rc=ras + rp, rcd=t.count("tRCD", "tRCDRD"),
        rrd_s=t.count(*rrd), rrd_l=t.count("tRRD_L", *rrd),
        ccd_s=max(burst, t.count(*ccd)), ccd_l=max(burst, t.count("tCCD_L", *ccd)),
        wtr_s=t.count(*wtr), wtr_l=t.count("tWTR_L", *wtr),
        faw=t.count("tFAW"), rtp=t.count("tRTP", "tRTP_L"), wr=t.count("tWR"),
        rfc=t.count("tRFC"), refi=t.count("tREFI", "REFI"), rtrs=t.count("tRTRS", default=1),
        rdwr=max(1, rl + burst - wl + t.count("tRTRS", default=1) + t.count("tWPRE", default=0)),
        rpre=t.count("tRPRE", default=0), wpre=t.count("tWPRE", default=0),
        cke=t.count("tCKE", default=1), ckesr=t.count("tCKESR", "tCKSRE", default=1),
        xp=t.count("tXP", default=1), xs=t.count("tXS", default=1),
    )  # fmt: skip


def _ini_rails(power: _Table) -> tuple[Rail, ...]:
    volt = power.number("VDD")
    down, active_down = power.number("IDD2P", default=0.0), power.number("IDD3P", default=0.0)
    first = Rail(
        volt=volt, idd0=power.number("IDD0"), idd2n=power.number("IDD2N", default=0.0),
        idd2p0=down, idd2p1=down, idd3n=power.number("IDD3N", default=0.0), idd3p0=active_down,
        idd3p1=active_down, idd4r=power.number("IDD4R", default=0.0),
        idd4w=power.number("IDD4W", default=0.0), idd5=power.number("IDD5AB", default=0.0),
        idd6=power.number("IDD6x", default=0.0),
    )  # fmt: skip
    pump = power.number("IPP0", default=0.0)
    return (first, Rail(volt=2.5, idd0=pump)) if pump else (first,)
