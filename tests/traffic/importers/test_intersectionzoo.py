from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.checks import check_files
from trimtab_traffic.importers.intersectionzoo import import_intersection
from trimtab_traffic.safexml import elements
from trimtab_traffic.toolchain import run_binary

ARMS = {"A": (0, 300), "B": (300, 0), "C": (0, -300), "D": (-300, 0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crossing named as the data set names its edges, of our own making."""
    work = tmp_path_factory.mktemp("zoo")
    nodes = ['<node id="TL" x="0" y="0" type="traffic_light"/>']
    edges = []
    for arm, (x, y) in ARMS.items():
        nodes += [
            f'<node id="{arm}" x="{x}" y="{y}"/>',
            f'<node id="{arm}B" x="{2 * x}" y="{2 * y}"/>',
        ]
        for name, start, end, lanes in (
            (f"{arm}B2{arm}", f"{arm}B", arm, 1),
            (f"{arm}2TL", arm, "TL", 2),
            (f"TL2{arm}", "TL", arm, 2),
        ):
            edges.append(f'<edge id="{name}" from="{start}" to="{end}" numLanes="{lanes}"/>')
    (work / "n.xml").write_text(f"<nodes>{''.join(nodes)}</nodes>")
    (work / "e.xml").write_text(f"<edges>{''.join(edges)}</edges>")
    target = work / "0"
    target.mkdir()
    arguments = ["-n", str(work / "n.xml"), "-e", str(work / "e.xml"), "--no-turnarounds"]
    run_binary("netconvert", [*arguments, "-o", str(target / "net.net.xml")], source=work)
    (target / "inflows.txt").write_text("2000\n1000\n2000\n30000\n")
    return target


def volumes(path: Path) -> dict[str, float]:
    return {f.text("id"): f.number("vehsPerHour") for f in elements(path) if f.name == "flow"}


def test_inflows_become_peak_hour_flows_of_every_turn(folder: Path, tmp_path: Path) -> None:
    files = check_files(import_intersection(folder, tmp_path))
    flows = volumes(files.route_files[0])
    by_arm = {a: sum(v for name, v in flows.items() if name.startswith(a)) for a in ARMS}
    assert by_arm["A"] == pytest.approx(2000 * 0.084 * 2)
    assert by_arm["B"] == pytest.approx(by_arm["A"] / 2)
    assert by_arm["D"] == pytest.approx(900 * 2)
    assert flows["AB2A-TL2C"] == pytest.approx(0.8 * by_arm["A"])
    assert flows["AB2A-TL2B"] == flows["AB2A-TL2D"] == pytest.approx(0.1 * by_arm["A"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2000\nmany\n1\n1\n", r"inflows\.txt:2: 'many' is no daily traffic"),
        ("2000\n-1\n1\n1\n", r"inflows\.txt:2: '-1'"),
        ("2000\n", r"1 inflows for 4 approaches \(A, B, C, D\)"),
    ],
)
def test_wrong_inflows_are_refused(folder: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "net.net.xml").write_bytes((folder / "net.net.xml").read_bytes())
    (tmp_path / "inflows.txt").write_text(text)
    with pytest.raises(InputFileError, match=message):
        import_intersection(tmp_path, tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_another_network_is_no_intersection_of_the_set(grid_net: Path, tmp_path: Path) -> None:
    (tmp_path / "net.net.xml").write_bytes(grid_net.read_bytes())
    with pytest.raises(InputFileError, match="no edge A2TL"):
        import_intersection(tmp_path, tmp_path / "work")
