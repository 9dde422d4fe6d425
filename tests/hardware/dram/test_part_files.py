import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from trimtab.contracts.errors import InputFileError, UnknownNameError
from trimtab_hardware.dram.part import load_part
from trimtab_hardware.dram.part_files import read_part

DDR4 = {
    "memspec": {
        "memoryType": "DDR4",
        "memoryId": "mine",
        "memarchitecturespec": {
            "burstLength": 8, "dataRate": 2, "nbrOfBankGroups": 4, "nbrOfBanks": 16,
            "nbrOfColumns": 1024, "nbrOfRanks": 1, "nbrOfRows": 32768, "width": 8,
            "nbrOfDevices": 8, "nbrOfChannels": 1,
        },
        "mempowerspec": {
            "idd0": 60.75, "idd02": 4.05, "idd2n": 38.25, "idd2p0": 17.0, "idd2p1": 17.0,
            "idd3n": 44.0, "idd3p0": 22.5, "idd3p1": 22.5, "idd4r": 184.5, "idd4w": 168.75,
            "idd5": 118.0, "idd6": 20.25, "idd62": 2.6, "vdd": 1.2, "vdd2": 2.5,
        },
        "memtimingspec": {
            "AL": 0, "CCD_L": 6, "CCD_S": 4, "CKE": 6, "CKESR": 7, "CL": 16, "DQSCK": 2, "FAW": 26,
            "RAS": 39, "RC": 55, "RCD": 16, "REFM": 1, "REFI": 4680, "RFC": 313, "RL": 16,
            "RPRE": 1, "RP": 16, "RRD_L": 6, "RRD_S": 4, "RTP": 12, "WL": 16, "WPRE": 1, "WR": 18,
            "WTR_L": 9, "WTR_S": 3, "XP": 8, "XPDLL": 325, "XS": 324, "XSDLL": 512, "ACTPDEN": 2,
            "PRPDEN": 2, "REFPDEN": 2, "RTRS": 1, "clkMhz": 1200,
        },
    }
}  # fmt: skip
INI = """
[dram_structure]
protocol = DDR4
bankgroups = 4
banks_per_group = 4
rows = 65536
columns = 1024
device_width = 8
BL = 8
[timing]
tCK = 0.625
AL = 0
CL = 22
CWL = 16
tRCD = 22
tRP = 22
tRAS = 52
tRFC = 560
tREFI = 12480
tRPRE = 1
tWPRE = 1
tRRD_S = 4
tRRD_L = 8
tWTR_S = 4
tWTR_L = 12
tFAW = 34
tWR = 24
tRTP = 12
tCCD_S = 4
tCCD_L = 8
tXP = 10
[power]
VDD = 1.2
IDD0 = 57
IPP0 = 3.0
IDD2N = 37
IDD3N = 52
IDD4W = 150
IDD4R = 168
IDD5AB = 250
[system]
bus_width = 64
"""


def written(tmp_path: Path, section: str = "", **changes: Any) -> Path:
    """A memspec file, with keys of a section changed, or removed where None."""
    document = json.loads(json.dumps(DDR4))
    body = document["memspec"][section] if section else document["memspec"]
    for key, value in changes.items():
        if value is None:
            del body[key]
        else:
            body[key] = value
    path = tmp_path / "part.json"
    path.write_text(json.dumps(document))
    return path


def test_a_memspec_gives_the_shipped_part(tmp_path: Path) -> None:
    part, shipped = read_part(written(tmp_path)), load_part("ddr4-2400-4gb-x8")
    assert part.timing == shipped.timing
    assert part.rails == shipped.rails
    assert part.map.bits == shipped.map.bits
    assert part.tck_ns == shipped.tck_ns


def in_si_units(tmp_path: Path) -> Path:
    """The same part as later versions of DRAMSys write it: seconds, amperes, other names."""
    document = json.loads(json.dumps(DDR4))["memspec"]
    times, power = document["memtimingspec"], document["mempowerspec"]
    del times["clkMhz"]
    times |= {"tCK": 1 / 1.2e9, "RFC1": times.pop("RFC"), "RFC2": 0, "RFC4": 0}
    document["memarchitecturespec"] |= {"RefMode": 1, "maxBurstLength": 8}
    names = {
        "idd02": "ipp0", "idd62": "ipp6n", "idd2p0": "idd2p", "idd3p0": "idd3p", "idd5": "idd5B",
        "idd6": "idd6n", "vdd2": "vpp",
    }  # fmt: skip
    document["mempowerspec"] = {
        names.get(key, key): value if key.startswith("v") else value / 1000
        for key, value in power.items()
        if key not in ("idd2p1", "idd3p1")
    }
    path = tmp_path / "later.json"
    path.write_text(json.dumps({"memspec": document}))
    return path


def test_a_memspec_in_si_units_gives_the_same_part(tmp_path: Path) -> None:
    part, shipped = read_part(in_si_units(tmp_path)), load_part("ddr4-2400-4gb-x8")
    assert part.timing == shipped.timing
    assert part.clock_mhz == shipped.clock_mhz
    for found, own in zip(part.rails, shipped.rails, strict=True):
        assert asdict(found) == pytest.approx(asdict(own))


def test_supplies_of_lpddr4_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    power = {"vdd1": 1.8, "idd01": 0.0035, "idd2p1": 0.0012, "idd5pb1": 0.0025}
    power |= {"vdd2": 1.1, "idd02": 0.045, "idd2p2": 0.003, "idd5pb2": 0.03}
    times = {
        "RFC": None,
        "RFCab": 448,
        "RFCpb": 224,
        "REFIpb": 585,
        "clkMhz": None,
        "tCK": 6.25e-10,
    }
    path = written(tmp_path, "memtimingspec", **times)
    document = json.loads(path.read_text())
    document["memspec"] |= {"memoryType": "LPDDR4", "mempowerspec": power}
    path.write_text(json.dumps(document))
    part = read_part(path)
    assert (part.timing.rfc, part.timing.rfc_pb, part.timing.refi_pb) == (448, 224, 585)
    rails = [(r.volt, r.idd0, r.idd2p0, r.idd5pb) for r in part.rails]
    assert rails == [pytest.approx((1.8, 3.5, 1.2, 2.5)), pytest.approx((1.1, 45.0, 3.0, 30.0))]


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        ("memarchitecturespec", {"RefMode": 2}, "RefMode other than 1 is not modelled"),
        ("memtimingspec", {"AL": 14}, "AL other than 0 is not modelled"),
        ("memtimingspec", {"clkMhz": None, "tCK": 0}, "tCK = 0 is no clock period"),
    ],
)
def test_what_is_not_modelled_is_refused_by_name(
    tmp_path: Path, section: str, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputFileError, match=said):
        read_part(written(tmp_path, section, **change))


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"part\.json: memtimingspec: key RCD or RCDRD is m"):
        read_part(written(tmp_path, "memtimingspec", RCD=None))


def test_a_negative_value_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="memtimingspec: FAW = -3 is not a number >= 0"):
        read_part(written(tmp_path, "memtimingspec", FAW=-3))


def test_a_refresh_longer_than_its_interval_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="rfc = 5000 is not below refi"):
        read_part(written(tmp_path, "memtimingspec", RFC=5000))


def test_a_size_that_is_no_power_of_two_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="rows = 30000 is not a positive power of two|bit"):
        read_part(written(tmp_path, "memarchitecturespec", nbrOfRows=30000))


def test_an_unknown_standard_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="WIDEIO"):
        read_part(written(tmp_path, memoryType="WIDEIO"))


def test_broken_json_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    path.write_text("{\n")
    with pytest.raises(InputFileError, match=r"part\.json:2:1: not JSON"):
        read_part(path)


def test_a_dramsim3_file_gives_a_part(tmp_path: Path) -> None:
    path = tmp_path / "DDR4_8Gb_x8_3200.ini"
    path.write_text(INI)
    part = read_part(path)
    assert (part.id, part.clock_mhz, part.banks, part.devices) == ("DDR4_8Gb_x8_3200", 1600, 16, 8)
    assert (part.timing.rl, part.timing.wl, part.timing.rc, part.timing.faw) == (22, 16, 74, 34)
    assert part.capacity_bytes == 8 << 30
    assert part.rails[1].idd0 == 3.0


def test_a_missing_key_of_an_ini_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "part.ini"
    path.write_text(INI.replace("tFAW = 34\n", ""))
    with pytest.raises(InputFileError, match=r"part\.ini: timing: key tFAW is missing"):
        read_part(path)


def test_a_comment_may_follow_a_value_of_an_ini_file_without_a_space(tmp_path: Path) -> None:
    path = tmp_path / "part.ini"
    path.write_text(INI.replace("tFAW = 34", "tFAW = 34; four activations"))
    assert read_part(path).timing.faw == 34


def test_a_clock_period_of_zero_in_an_ini_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.ini"
    path.write_text(INI.replace("tCK = 0.625", "tCK = 0"))
    with pytest.raises(InputFileError, match=r"part\.ini: timing: tCK = 0 is no clock period"):
        read_part(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"burstLength": 0}, "burst_length = 0: give at least 2"),
        ({"width": 0}, "width_bits = 0: give at least 1"),
        ({"nbrOfBanks": 0}, "banks = 0: give at least 1"),
        ({"nbrOfBankGroups": 32}, "32 groups of 16 banks"),
    ],
)
def test_an_organisation_that_is_no_memory_is_refused(
    tmp_path: Path, change: dict[str, int], said: str
) -> None:
    with pytest.raises(InputFileError, match=rf"part\.json: memarchitecturespec: {said}"):
        read_part(written(tmp_path, "memarchitecturespec", **change))


def test_a_device_without_width_in_an_ini_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.ini"
    path.write_text(INI.replace("device_width = 8", "device_width = 0"))
    with pytest.raises(InputFileError, match=r"part\.ini: dram_structure: width_bits = 0"):
        read_part(path)


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        ("memarchitecturespec", {"nbrOfRows": 1 << 70}, "address bits: at most 60"),
        ("memtimingspec", {"RCD": 10**30}, r"timing rcd = 10+\d* is not a count of cycles"),
    ],
)
def test_figures_beyond_the_engines_integers_are_refused(
    tmp_path: Path, section: str, change: dict[str, int], said: str
) -> None:
    with pytest.raises(InputFileError, match=rf"part\.json: .*{said}"):
        read_part(written(tmp_path, section, **change))
