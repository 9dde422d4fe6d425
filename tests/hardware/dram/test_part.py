from dataclasses import replace

import pytest
from trimtab.contracts.errors import InputFileError, UnknownNameError
from trimtab_hardware.dram import load_part, part_ids


def test_an_unknown_part_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="ddr3-1600-1gb-x8"):
        load_part("ddr3-1600")


def test_the_reference_parts_have_the_capacity_of_their_maps() -> None:
    for name, gibibytes in (("ddr3-1600-1gb-x8", 1), ("ddr4-2400-4gb-x8", 4)):
        part = load_part(name)
        assert part.capacity_bytes == gibibytes << 30 == 1 << part.map.bits
        assert part.burst_bytes == 64


def test_the_bank_row_column_maps_put_rows_below_banks() -> None:
    ddr3 = load_part("ddr3-1600-1gb-x8").address_map("bank-row-column")
    ddr4 = load_part("ddr4-2400-4gb-x8").address_map("bank-row-column")
    assert (ddr3.row, ddr3.bank) == (tuple(range(13, 27)), (27, 28, 29))
    assert (ddr4.row, ddr4.group, ddr4.bank) == (tuple(range(13, 28)), (28, 29), (30, 31))


def test_every_shipped_part_has_a_legal_table() -> None:
    for name in part_ids():
        part = load_part(name)
        assert not part.timing.warnings, name
        assert part.source
        assert part.capacity_bytes == 1 << part.map.bits


def test_a_refresh_longer_than_its_interval_is_refused() -> None:
    timing = load_part("ddr3-1600-1gb-x8").timing
    with pytest.raises(InputFileError, match="rfc = 88 is not below refi = 80"):
        replace(timing, refi=80)


def test_a_negative_distance_is_refused_by_name() -> None:
    timing = load_part("ddr3-1600-1gb-x8").timing
    with pytest.raises(InputFileError, match="timing rcd = -1"):
        replace(timing, rcd=-1)


def test_a_short_row_cycle_is_a_warning() -> None:
    timing = replace(load_part("ddr3-1600-1gb-x8").timing, rc=30)
    assert timing.warnings == ("rc = 30 is below ras + rp = 38",)


def test_a_map_of_another_part_is_refused_with_the_field() -> None:
    part = load_part("ddr3-1600-1gb-x8")
    with pytest.raises(InputFileError, match="field group has bits"):
        part.check_map(load_part("ddr4-2400-4gb-x8").map)


def test_refreshes_need_an_interval():
    part = load_part("ddr3-1600-1gb-x8")
    still = replace(part, timing=replace(part.timing, refi=0, rfc=0))
    still.check_refresh("NoRefresh", managed=False)
    with pytest.raises(InputFileError, match="refi = 0: give the interval of refreshes"):
        still.check_refresh("AllBank", managed=False)


def test_a_data_bus_with_the_bits_of_error_correction_is_refused():
    with pytest.raises(InputFileError, match=r"a data bus of 72 bits: .*without those of error"):
        replace(load_part("ddr3-1600-1gb-x8"), devices=9)
