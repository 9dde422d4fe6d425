"""The compiled signal model agrees with the file, the published table and itself."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError, UnknownNameError
from trimtab_traffic.network import TrafficNetwork, compile_network
from trimtab_traffic.sources import RESCO_NETS

# name: (signals, edges, lanes, stages per signal, cycles s, shipped yellows s)
RESCO_TABLE = {
    "grid4x4": (16, 80, 240, {8}, {104}, {3}),
    "arterial4x4": (16, 80, 120, {5}, {65}, {3}),
    "cologne1": (1, 10, 19, {4}, {90}, {5}),
    "cologne3": (3, 48, 76, {3, 4}, {90}, {3}),
    "cologne8": (8, 149, 157, {2, 3, 4}, {72, 90}, {3}),
    "ingolstadt1": (1, 11, 33, {3}, {90}, {3}),
    "ingolstadt7w": (7, 95, 276, {2, 3}, {65, 90}, {3}),
    "ingolstadt21w": (21, 853, 1918, {2, 3, 4}, {65, 85, 90}, {3, 5}),
}

Compiler = Callable[[str], TrafficNetwork]
Writer = Callable[..., Path]


@pytest.mark.parametrize("name", RESCO_TABLE)
def test_resco_networks_have_the_sizes_of_the_table(name: str, wheel_net: Compiler) -> None:
    net = wheel_net(name)
    signals, edges, lanes, stages, cycles, yellows = RESCO_TABLE[name]
    assert (len(net.signals), len(net.edges), net.n_lanes) == (signals, edges, lanes)
    assert {len(s.stage_states) for s in net.signals} == stages
    assert {s.program.cycle_s for s in net.signals} == cycles
    assert {s.shipped_yellow_s for s in net.signals} == yellows


@pytest.mark.parametrize("source", RESCO_NETS, ids=lambda s: s.name)
def test_right_of_way_rows_match_the_names_of_internal_lanes(
    source: object, wheel_net: Compiler
) -> None:
    # netconvert names internal edges after the first row they serve: ":J_5_1" is row 5 + 1
    for signal in wheel_net(source.name).signals:  # type: ignore[attr-defined]
        for c in signal.connections:
            first, lane = c.via[0].removeprefix(f":{c.junction}_").split("_")
            assert c.request == int(first) + int(lane)


@pytest.mark.parametrize("name", ["cologne8", "ingolstadt21w", "fokr_bs"])
def test_conflicts_are_symmetric_and_somebody_can_always_tell_who_yields(
    name: str, wheel_net: Compiler
) -> None:
    for signal in wheel_net(name).signals:
        assert (signal.foes == signal.foes.T).all()
        assert not signal.foes.diagonal().any()
        assert not (signal.yields & ~signal.foes).any()


def test_crossing_streets_conflict_and_only_the_first_yields_when_told_to(
    two_streets: Writer,
) -> None:
    signal = compile_network(two_streets(response="10")).signals[0]
    assert signal.foes.tolist() == [[False, True], [True, False]]
    assert signal.yields.tolist() == [[False, True], [False, False]]


def test_stages_are_green_states_without_yellow_once_each(two_streets: Writer) -> None:
    phases = [
        f'<phase duration="5" state="{s}"/>' for s in ("Gr", "yr", "rr", "rG", "ru", "Gr", "rY")
    ]
    signal = compile_network(two_streets(phases)).signals[0]
    assert signal.stage_states == ("Gr", "rG")
    assert signal.stage_green.tolist() == [[True, False], [False, True]]


def test_lengths_speeds_and_storage_come_from_the_lanes(two_streets: Writer) -> None:
    net = compile_network(two_streets())
    signal = net.signals[0]
    assert signal.approach_lanes == ("WC_0", "SC_0")
    assert signal.exit_lanes == ("CE_0", "CN_0")
    lane = net.lanes["CE_0"]
    assert (lane.length_m, lane.speed_mps, lane.storage_veh) == (200.0, 13.89, 200 / 7.5)
    assert lane.polyline_m.tolist() == [[8.0, -1.6], [208.0, -1.6]]


def test_movements_group_links_by_edges_and_direction(wheel_net: Compiler) -> None:
    signal = wheel_net("grid4x4").signals[0]
    assert len(signal.movements) == 12
    assert sorted(link for m in signal.movements for link in m.links) == list(range(signal.n_links))


def test_the_last_program_is_the_active_one(two_streets: Writer, tmp_path: Path) -> None:
    extra = tmp_path / "plan.add.xml"
    extra.write_text(
        '<additional><tlLogic id="C" type="static" programID="night" offset="7">'
        '<phase duration="9" state="GG" name="both"/></tlLogic></additional>'
    )
    signal = compile_network(two_streets(), [extra]).signals[0]
    assert [p.id for p in signal.programs] == ["0", "night"]
    assert signal.program.offset_s == 7
    assert signal.program.phases[0].name == "both"


def test_unicode_ids_and_gzip_are_read_like_plain_files(
    two_streets: Writer, tmp_path: Path
) -> None:
    plain = two_streets(tls="Königstraße/七")
    packed = tmp_path / "packed.net.xml.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    net = compile_network(packed)
    assert net.signal("Königstraße/七").n_links == 2
    assert net.digest == compile_network(plain).digest


def test_a_network_without_signals_is_refused(two_streets: Writer) -> None:
    with pytest.raises(InputFileError, match=r"no traffic light program.*tls\.guess"):
        compile_network(two_streets([]))


def test_min_green_above_max_green_is_refused(two_streets: Writer) -> None:
    phase = '<phase duration="30" state="Gr" minDur="40" maxDur="20"/>'
    with pytest.raises(InputFileError, match=r"'C' phase 0: minDur 40 s is above maxDur 20 s"):
        compile_network(two_streets([phase]))


def test_phases_of_different_length_are_refused(two_streets: Writer) -> None:
    phases = ['<phase duration="30" state="Gr"/>', '<phase duration="30" state="rGr"/>']
    with pytest.raises(InputFileError, match="differ in state length"):
        compile_network(two_streets(phases))


def test_a_link_beyond_the_state_is_refused(two_streets: Writer) -> None:
    with pytest.raises(InputFileError, match=r"controls link 5 .* states of 2 characters"):
        compile_network(two_streets(last=5))


def test_a_single_stage_signal_is_left_as_shipped(two_streets: Writer) -> None:
    net = compile_network(two_streets(['<phase duration="30" state="Gr"/>']))
    assert net.controllable == ()
    said = "1 of 1 signals have fewer than two stages and are left as shipped: 'C'"
    assert net.warnings == (said,)


def test_many_signals_left_as_shipped_are_counted_in_one_line(wheel_net: Compiler) -> None:
    (line,) = [said for said in wheel_net("kuehne").warnings if "left as shipped" in said]
    assert line.startswith("8 of 12 signals")
    assert line.endswith(": 'bottom0', 'bottom1', 'left0', ...")


def test_a_link_that_is_never_green_is_warned_of(two_streets: Writer) -> None:
    phases = ['<phase duration="30" state="Gr"/>', '<phase duration="30" state="gr"/>']
    warnings = compile_network(two_streets(phases)).warnings
    assert warnings == ("signal 'C': links [1] are never green in any stage",)


def test_positions_that_control_nothing_are_warned_of(two_streets: Writer) -> None:
    phases = ['<phase duration="30" state="GrG"/>', '<phase duration="30" state="rGG"/>']
    warnings = compile_network(two_streets(phases)).warnings
    assert warnings == ("signal 'C': positions [2] of its states control nothing",)


def test_an_old_network_format_is_warned_of(two_streets: Writer) -> None:
    (warning,) = compile_network(two_streets(version="1.9")).warnings
    assert warning.startswith("network format 1.9 is older than 1.20")


def test_entities_are_refused(two_streets: Writer) -> None:
    doctype = '<!DOCTYPE net [<!ENTITY a "b">]>\n'
    with pytest.raises(InputFileError, match="contains a document type"):
        compile_network(two_streets(doctype=doctype))


def test_broken_xml_is_reported_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "broken.net.xml"
    path.write_text("<net>\n <edge id='a'>\n</net>")
    with pytest.raises(InputFileError, match=r"broken\.net\.xml:3:3: not well-formed"):
        compile_network(path)


def test_another_kind_of_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "demand.rou.xml"
    path.write_text("<routes><vehicle id='v'/></routes>")
    with pytest.raises(InputFileError, match=r"root element is <routes>, expected <net>"):
        compile_network(path)


def test_a_missing_attribute_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bare.net.xml"
    path.write_text("<net><junction id='J'><request index='0'/></junction></net>")
    with pytest.raises(InputFileError, match=r"1: <request> has no attribute 'response'"):
        compile_network(path)


def test_a_missing_file_and_a_cut_archive_are_reported(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no such file"):
        compile_network(tmp_path / "absent.net.xml")
    cut = tmp_path / "cut.net.xml.gz"
    cut.write_bytes(gzip.compress(b"<net/>" * 100)[:20])
    with pytest.raises(InputFileError, match="cannot be decompressed"):
        compile_network(cut)


def test_an_unknown_signal_is_suggested(wheel_net: Compiler) -> None:
    net = wheel_net("grid4x4")
    with pytest.raises(UnknownNameError, match="Did you mean"):
        net.signal(net.signals[0].id + "x")
