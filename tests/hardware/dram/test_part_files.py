import json
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
