import json
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_hardware.dram import (
    Configuration,
    Engine,
    Part,
    Trace,
    load_part,
    part_ids,
    read_part,
    simulate,
)
from trimtab_hardware.dram.checker import check
from trimtab_hardware.dram.configuration_files import to_mcconfig


def test_files_give_the_same_result_as_objects(
    tmp_path: Path, mixed: Trace, parts: dict[str, Part]
) -> None:
    part, design = parts["DDR4"], Configuration(page_policy="Closed", arbiter="Fifo")
    trace_file, map_file, design_file = (tmp_path / name for name in ("t.stl", "m.json", "c.json"))
    rows = zip(mixed.arrival, mixed.address, mixed.is_write, strict=True)
    trace_file.write_text(
        "".join(f"{t}: {'write' if w else 'read'} {a:#x}\n" for t, a, w in rows), encoding="utf-8"
    )
    map_file.write_text(part.map.to_json())
    design_file.write_text(to_mcconfig(design))
    named = simulate(trace_file, "ddr4-2400-4gb-x8", str(design_file), address_map=map_file)
    direct = simulate(mixed, part, design)
    assert named.total_ck == direct.total_ck
    assert named.energy_pj == direct.energy_pj
    assert np.array_equal(named.arrival_latency_ck, direct.arrival_latency_ck)


def test_a_broken_configuration_file_is_named(tmp_path: Path, mixed: Trace) -> None:
    path = tmp_path / "mc.json"
    path.write_text(json.dumps({"mcconfig": {"RequestBufferSize": 0}}))
    with pytest.raises(InputFileError, match=r"mc\.json: configuration: request_buffer_size = 0"):
        simulate(mixed, "ddr3-1600-1gb-x8", path)


def test_a_part_is_read_by_the_suffix_of_its_path(tmp_path: Path, mixed: Trace) -> None:
    with pytest.raises(InputFileError, match=r"none\.json: cannot be read"):
        simulate(mixed, str(tmp_path / "none.json"))
    with pytest.raises(InputFileError, match="cannot be read"):
        read_part(tmp_path / "none.ini")


@pytest.mark.parametrize("part_id", part_ids())
def test_every_shipped_part_serves_a_trace_without_breaking_a_rule(
    part_id: str, mixed: Trace
) -> None:
    part = load_part(part_id)
    design = Configuration(page_policy="OpenAdaptive")
    result = simulate(mixed, part, design, commands=True, wrap=True)
    assert result.commands is not None
    assert not check(result.commands, part).first
    assert result.energy_pj == pytest.approx(sum(result.energy_parts_pj.values()))
    assert np.all(result.arrival_latency_ck >= result.latency_ck)
    assert int(result.latency_ck.min()) >= min(part.timing.rl, part.timing.wl) + part.burst_ck


def test_channels_share_a_stream(stream: Trace, parts: dict[str, Part]) -> None:
    one = simulate(stream, parts["DDR3"])
    four = simulate(stream, parts["DDR3"], Configuration(channels=4), commands=True)
    assert four.total_ck < 0.3 * one.total_ck
    assert four.commands is not None
    assert set(four.commands.channel.tolist()) == {0, 1, 2, 3}
    assert not check(four.commands, parts["DDR3"]).violations
    columns = sum(four.counts[name] for name in ("RD", "WR", "RDA", "WRA"))
    assert columns == len(stream)


def test_two_ranks_obey_the_rules_between_ranks(mixed: Trace, parts: dict[str, Part]) -> None:
    far = Trace.of(mixed.arrival, mixed.address | (mixed.address & 64) << 26, mixed.is_write)
    design = Configuration(ranks=2, request_buffer_size=16)
    for name in ("DDR3", "DDR4"):
        part = parts[name]
        chosen = part.address_map(ranks=2)
        dense = Trace.of(far.arrival // 16, far.address % (1 << chosen.bits), far.is_write)
        result = Engine(dense, part).run(design, commands=True)
        assert result.commands is not None
        assert set(result.commands.rank.tolist()) == {0, 1}
        assert not check(result.commands, part, ranks=2).first


def test_a_prefix_is_simulated_as_a_trace_of_its_own(mixed: Trace, parts: dict[str, Part]) -> None:
    short = simulate(mixed.prefix(100), parts["DDR3"])
    assert (short.requests, len(short.latency_ck)) == (100, 100)
    assert short.total_ck < simulate(mixed, parts["DDR3"]).total_ck


def test_a_lone_read_takes_activation_latency_and_burst(parts: dict[str, Part]) -> None:
    one = Trace.of(np.array([5]), np.array([0]), np.array([False]))
    for part in parts.values():
        t = part.timing
        result = simulate(one, part)
        assert result.latency_ck.tolist() == [t.rcd + t.rl + part.burst_ck]
        assert result.refresh_gap_ck == result.total_ck


def test_an_address_beyond_the_capacity_is_refused_unless_it_may_wrap(
    tmp_path: Path, parts: dict[str, Part]
) -> None:
    path = tmp_path / "far.stl"
    path.write_text("0: read 0x0\n9: read 0x80000040\n")
    with pytest.raises(InputFileError, match=r"far\.stl: request 2: address 0x80000040 is beyond"):
        simulate(path, "ddr3-1600-1gb-x8")
    assert simulate(path, "ddr3-1600-1gb-x8", wrap=True).requests == 2
    assert simulate(path, parts["DDR4"]).requests == 2
