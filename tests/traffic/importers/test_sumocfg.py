from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.sumocfg import read_config
from trimtab_traffic.sources import RESCO_NETS, NetSource


def write_config(folder: Path, body: str) -> Path:
    for name in ("town.net.xml", "cars.rou.xml", "bus.rou.xml.gz", "stops.add.xml"):
        (folder / name).write_text("<x/>")
    path = folder / "town.sumocfg"
    path.write_text(f"<configuration>{body}</configuration>")
    return path


@pytest.mark.parametrize("source", RESCO_NETS, ids=lambda source: source.name)
def test_wheel_configurations_name_the_files_and_period_of_the_catalogue(
    source: NetSource,
) -> None:
    config = source.net_file.with_name(source.net.replace(".net.xml", ".sumocfg"))
    files = read_config(config)
    assert (files.net_file, files.route_files) == (source.net_file, source.route_files)
    assert (files.begin_s, files.end_s) == (source.begin_s, source.end_s)
    assert files.repairs == ()


def test_lists_times_aliases_and_flat_options_are_read(tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        '<n v="town.net.xml"/><input><routes value="cars.rou.xml, bus.rou.xml.gz"/>'
        '<additional-files value="stops.add.xml"/></input>'
        '<time><begin value="07:00:00"/><end value="28800"/></time>',
    )
    files = read_config(config)
    assert [path.name for path in files.route_files] == ["cars.rou.xml", "bus.rou.xml.gz"]
    assert [path.name for path in files.additional_files] == ["stops.add.xml"]
    assert (files.begin_s, files.end_s) == (25200.0, 28800.0)


def test_physics_options_are_kept_and_others_are_listed(tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        '<input><net-file value="town.net.xml"/></input>'
        '<processing><lateral-resolution value="0.8"/></processing>'
        '<output><fcd-output value="/etc/cron.d/x"/></output><remote-port value="8813"/>',
    )
    files = read_config(config)
    assert files.options == (("lateral-resolution", "0.8"),)
    assert files.notes == ("town.sumocfg: options not used: fcd-output, remote-port",)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("C:\\Users\\me\\town.net.xml", "town.net.xml"),
        ("town.net.xml.gz", "town.net.xml"),
        ("lost/town.net.xml", "town.net.xml"),
    ],
)
def test_path_from_another_machine_is_mended_and_listed(
    tmp_path: Path, entry: str, found: str
) -> None:
    config = write_config(tmp_path, f'\n<input><net-file value="{entry}"/></input>')
    files = read_config(config)
    assert files.net_file == tmp_path / found
    assert files.repairs == (f"{config}:2: net-file {entry!r} read from {found!r}",)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "names no network; add <net-file"),
        (
            '<input><net-file value="town.net.xml"/><step-length value="0.3"/></input>',
            r":1: step-length is '0.3'; write 1 s or a fraction like 0.5",
        ),
        ('<input><net-file value="gone.net.xml"/></input>', r":1: net-file 'gone.net.xml' is not"),
        (
            '<net-file value="town.net.xml"/><begin value="soon"/>',
            r":1: begin is 'soon'; write seconds or h:m:s",
        ),
    ],
)
def test_configuration_that_cannot_be_used_says_why(
    tmp_path: Path, body: str, message: str
) -> None:
    with pytest.raises(InputFileError, match=message):
        read_config(write_config(tmp_path, body))
