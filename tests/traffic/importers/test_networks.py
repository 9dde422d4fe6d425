from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.networks import convert_network, network_format
from trimtab_traffic.network import compile_network
from trimtab_traffic.toolchain import run_binary


def osm_town() -> str:
    """A signalised cross of two named streets, written by hand."""
    places = {1: (0, 0), 2: (-3, 0), 3: (3, 0), 4: (0, -2), 5: (0, 2)}
    nodes = "".join(
        f'<node id="{k}" lat="{50 + y * 0.001}" lon="{7 + x * 0.001}" version="1">'
        + ('<tag k="highway" v="traffic_signals"/>' if k == 1 else "")
        + "</node>"
        for k, (x, y) in places.items()
    )
    ways = "".join(
        f'<way id="{k}" version="1"><nd ref="{a}"/><nd ref="1"/><nd ref="{b}"/>'
        f'<tag k="highway" v="secondary"/><tag k="name" v="Große Straße {k}"/></way>'
        for k, a, b in ((10, 2, 3), (11, 4, 5))
    )
    return f'<osm version="0.6">{nodes}{ways}</osm>'


def test_openstreetmap_gets_a_signal_where_the_map_has_one(tmp_path: Path) -> None:
    source = tmp_path / "town.osm"
    source.write_text(osm_town())
    converted = convert_network(source, tmp_path / "work")
    assert len(compile_network(converted.net_file).controllable) == 1
    assert converted.notes[0] == "town.osm: OpenStreetMap converted: 8 edges, 1 signals"
    assert any("replace them by the real ones" in note for note in converted.notes)


def test_conversion_gives_the_same_bytes_every_time(tmp_path: Path) -> None:
    source = tmp_path / "town.osm"
    source.write_text(osm_town())
    first, second = (convert_network(source, tmp_path / str(k)).net_file for k in (1, 2))
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in first.parent.iterdir()] == ["town.net.xml"]


def test_matsim_network_loses_its_document_type(grid_net: Path, tmp_path: Path) -> None:
    source = tmp_path / "matsim.xml"
    arguments = ["-s", str(grid_net), "--matsim-output", str(source)]
    run_binary("netconvert", arguments, source=grid_net)
    assert "<!DOCTYPE" in source.read_text()
    converted = convert_network(source, tmp_path / "work")
    assert converted.net_file.is_file()
    assert "<!DOCTYPE …> removed" in converted.repairs[0]


def test_opendrive_is_converted(grid_net: Path, tmp_path: Path) -> None:
    source = tmp_path / "town.xodr"
    arguments = ["-s", str(grid_net), "--opendrive-output", str(source)]
    run_binary("netconvert", arguments, source=grid_net)
    assert "OpenDRIVE converted" in convert_network(source, tmp_path / "work").notes[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.osm", "<osm/>", "holds nothing"),
        ("a.osm", "<gpx><trk/></gpx>", "no network format"),
        ("a.osm", '<!DOCTYPE osm [<!ENTITY a "b">]><osm/>', "document type"),
        ("a.osm", '<osm><node id="1" lat="50" lon="7"/></osm>', "netconvert refused|no road"),
        ("a.xodr", "<osm><way/></osm>", r"a OpenDRIVE file has <OpenDRIVE>"),
        ("a.txt", "hello", "no network format that can be converted"),
    ],
)
def test_file_that_is_no_network_is_refused_in_one_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputFileError, match=message) as error:
        convert_network(path, tmp_path / "work")
    assert "\n" not in str(error.value)


def test_foreign_formats_are_told_by_ending(tmp_path: Path) -> None:
    titles = {}
    for name in ("a.xodr", "a.net", "a.inp", "a.inpx"):
        (tmp_path / name).write_text("")
        found = network_format(tmp_path / name)
        titles[name] = None if found is None else found.title
    assert titles == {
        "a.xodr": "OpenDRIVE",
        "a.net": "Visum",
        "a.inp": "VISSIM",
        "a.inpx": "VISSIM",
    }
