import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab_hardware.dram import AddressMap, load_part, read_address_map
from trimtab_hardware.dram.address_map import FIELDS, address_map_from


def small(**changes: object) -> AddressMap:
    fields: dict[str, tuple[int, ...]] = {
        "byte": (0, 1, 2), "column": (3, 4, 5, 6), "group": (), "bank": (7,), "row": (8, 9),
    }  # fmt: skip
    return AddressMap(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_missing_bit_is_named() -> None:
    with pytest.raises(InputFileError, match="address bit 8 is missing"):
        small(row=(9,))


def test_a_bit_used_twice_is_named() -> None:
    with pytest.raises(InputFileError, match="address bit 7 is used 2 times"):
        small(row=(7, 8, 9))


def test_scattered_bits_are_packed_least_significant_first() -> None:
    chosen = small(bank=(8,), row=(9, 7))
    place = chosen.decode(np.array([1 << 7, 1 << 9, 1 << 8], dtype=np.int64))
    assert place.row.tolist() == [2, 1, 0]
    assert place.bank.tolist() == [0, 0, 1]


def test_xor_pairs_apply_in_order_before_slicing() -> None:
    chosen = small(xor=((7, 8), (8, 9)))
    place = chosen.decode(np.array([1 << 9, 3 << 8], dtype=np.int64))
    assert place.bank.tolist() == [0, 1]
    assert place.row.tolist() == [3, 2]


def test_an_xor_pair_must_name_two_bits() -> None:
    with pytest.raises(InputFileError, match=r"XOR pair \(7, 7\)"):
        small(xor=((7, 7),))


@given(st.permutations(range(6, 30)))
def test_every_permuted_map_is_one_to_one(order: list[int]) -> None:
    chosen = AddressMap(
        byte=(0, 1, 2), column=(3, 4, 5, *order[:7]), group=(), bank=tuple(order[7:10]),
        row=tuple(order[10:]), xor=((order[7], order[12]),),
    )  # fmt: skip
    rng = np.random.default_rng(sum(order[:3]))
    address = rng.integers(0, 1 << 30, 200)
    place = chosen.decode(address)
    unique = {
        tuple(map(int, where)) for where in zip(place.bank, place.row, place.column, strict=True)
    }
    assert len(unique) == len(np.unique(address >> 3))


def test_the_json_form_round_trips(tmp_path: Path) -> None:
    chosen = load_part("ddr4-2400-4gb-x8").address_map(channels=2, ranks=2)
    file = tmp_path / "map.json"
    file.write_text(chosen.to_json())
    assert read_address_map(file) == chosen


def test_a_file_that_is_not_json_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    file.write_text("{\n  oops\n}")
    with pytest.raises(InputFileError, match=r"map\.json:2:3: not JSON"):
        read_address_map(file)


def test_bits_that_are_no_numbers_name_their_key() -> None:
    with pytest.raises(InputFileError, match="ROW_BIT is not a list of bit numbers"):
        address_map_from({"addressmapping": {"ROW_BIT": ["a"]}})


@pytest.mark.parametrize("entry", [{"FIRST": 13.7, "SECOND": 16}, {"FIRST": True}, [13, 16]])
def test_an_xor_entry_that_is_no_pair_of_whole_numbers_is_shown(entry: object) -> None:
    with pytest.raises(InputFileError, match="XOR entry .* is not a pair"):
        address_map_from({"addressmapping": {"BYTE_BIT": [0], "ROW_BIT": [1], "XOR": [entry]}})


def test_added_channels_keep_every_other_field_apart() -> None:
    part = load_part("ddr3-1600-1gb-x8")
    chosen = part.address_map(channels=4, ranks=2)
    assert chosen.channel == (6, 7)
    assert chosen.rank == (32,)
    assert sorted(bit for name in FIELDS for bit in getattr(chosen, name)) == list(range(33))
    json.loads(chosen.to_json())


def test_a_field_that_is_not_modelled_is_named() -> None:
    document = {"addressmapping": {"BYTE_BIT": [0], "PSEUDOCHANNEL_BIT": [1], "ROW_BIT": [2]}}
    with pytest.raises(InputFileError, match="PSEUDOCHANNEL_BIT: no such field is modelled"):
        address_map_from(document)
