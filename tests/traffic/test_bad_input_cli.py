"""Bad input through the command line: one line that names the place and the cure, exit code 2.

Nothing may be half-written: the folder looks as before.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from trimtab.cli.app import app
from trimtab_traffic import toolchain

Nets = Callable[..., Path]
DEMAND = '<routes>\n<trip id="a" depart="10" from="WC" to="CE"/>\n</routes>'
GREEN, OTHER = '<phase duration="30" state="Gr"/>', '<phase duration="30" state="rG"/>'


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def trimtab(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.with_name(f"{tmp_path.name}-cache")))
    monkeypatch.delenv("TRIMTAB_WORKSPACE", raising=False)

    def run(*arguments: str) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            app(list(arguments), prog_name="trimtab")
        captured = capfd.readouterr()
        code = exit_.value.code
        return Ended(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., str]:
    """Writer of a scenario on a network and its demand."""

    def write(
        net: Path, demand: str | bytes = DEMAND, routes: str = "cars.rou.xml", extra: str = ""
    ) -> str:
        content = demand if isinstance(demand, bytes) else demand.encode()
        (tmp_path / routes).write_bytes(content)
        (tmp_path / "town.yaml").write_text(
            "schema: trimtab/scenario/1\nname: town\ndomain: traffic.signals\nproblem:\n"
            f"  network: {{net: {net.name}, routes: [{routes}]}}\n  horizon_s: 60\n{extra}"
        )
        return "town.yaml"

    return write


def refusal(trimtab: Callable[..., Ended], scenario: str) -> str:
    """The one line with which `validate` and `run` refuse a scenario, leaving nothing behind."""
    before = sorted(Path.cwd().rglob("*"))
    lines = set()
    for command in (["validate", scenario], ["run", scenario, "--controllers", "fixed"]):
        ended = trimtab(*command)
        assert ended.code == 2, ended
        assert ended.out == ""
        assert "Traceback" not in ended.err
        lines.add(ended.err)
    (line,) = lines
    assert line.count("\n") == 1
    assert sorted(Path.cwd().rglob("*")) == before
    return line


BAD_NETS = {
    "no signal": ({"phases": ()}, ["two.net.xml: network has no traffic light", "--tls.guess"]),
    "too few states": ({"last": 3}, ["'C' controls link 3", "states of 2 characters"]),
    "states of different length": (
        {"phases": (GREEN, '<phase duration="30" state="rGr"/>')},
        ["differ in state length"],
    ),
    "min above max": (
        {"phases": ('<phase duration="9" state="Gr" minDur="9" maxDur="5"/>', OTHER)},
        ["two.net.xml:", "phase 0: minDur 9 s is above maxDur 5 s", "swap"],
    ),
    "conflicting greens": (
        {"phases": (GREEN, '<phase duration="30" state="GG"/>')},
        ["two.net.xml:", "phase 1: links 0 and 1 cross and both have 'G'", "give one 'g' or 'r'"],
    ),
    "single stage": ({"phases": (GREEN,)}, ["none of its 1 signals has two stages"]),
    "document type": (
        {"doctype": '<!DOCTYPE net [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>\n'},
        ["contains a document type", "remove the <!DOCTYPE"],
    ),
    "external entity": (
        {"doctype": '<!DOCTYPE net SYSTEM "file:///etc/passwd">\n'},
        ["contains a document type"],
    ),
}


@pytest.mark.parametrize("name", BAD_NETS)
def test_bad_network_is_refused(
    trimtab: Callable[..., Ended], scenario: Callable[..., str], two_streets: Nets, name: str
) -> None:
    changes, said = BAD_NETS[name]
    line = refusal(trimtab, scenario(two_streets(**changes)))
    assert [part for part in said if part not in line] == []


BOMB = b"<routes>" + b" " * 30_000_000
BAD_DEMANDS: dict[str, tuple[str | bytes, list[str]]] = {
    "edge not in the network": (
        DEMAND.replace('"CE"', '"CEx"'),
        ["cars.rou.xml:2: <trip id='a'> uses edge 'CEx'", "Did you mean 'CE'?"],
    ),
    "outside the period": (
        DEMAND.replace('"10"', '"25210"'),
        ["cars.rou.xml: nothing departs in [0, 60) s", "set begin_s: 25200"],
    ),
    "no demand": ("<routes/>", ["no demand", "add routes"]),
    "time that is none": (DEMAND.replace('"10"', '"soon!"'), ["cars.rou.xml:2:", "depart"]),
    "broken": ("<routes>\n<trip", ["cars.rou.xml:2:", "not well-formed XML"]),
    "another kind of file": ("<net/>", ["the root element is <net>, expected <"]),
    "zip bomb": (gzip.compress(BOMB, 9), ["zip bomb"]),
    "cut archive": (gzip.compress(DEMAND.encode())[:20], ["cannot be decompressed"]),
}


@pytest.mark.parametrize("name", BAD_DEMANDS)
def test_bad_demand_is_refused(
    trimtab: Callable[..., Ended], scenario: Callable[..., str], two_streets: Nets, name: str
) -> None:
    demand, said = BAD_DEMANDS[name]
    period = "  begin_s: 0\n"
    line = refusal(trimtab, scenario(two_streets(), demand, extra=period))
    assert [part for part in said if part not in line] == []


def test_begin_outside_the_demand_of_a_wheel_network_is_refused(
    trimtab: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "early.yaml").write_text(
        "schema: trimtab/scenario/1\nname: early\ndomain: traffic.signals\n"
        "problem: {network: {wheel: cologne1}, begin_s: 0}\n"
    )
    line = refusal(trimtab, "early.yaml")
    assert "nothing departs in [0, 3600) s" in line
    assert "set begin_s: 25200" in line


def test_mixed_sumo_packages_are_refused_with_the_command_that_mends_them(
    trimtab: Callable[..., Ended],
    scenario: Callable[..., str],
    two_streets: Nets,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path_factory.mktemp("site") / "traci-1.27.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: traci\nVersion: 1.27.0\n")
    monkeypatch.syspath_prepend(other.parent)
    toolchain.sumo_version.cache_clear()
    try:
        line = refusal(trimtab, scenario(two_streets()))
    finally:
        toolchain.sumo_version.cache_clear()
    said = ("traci 1.27.0", "pip install", "traci==1.28.0")
    assert [part for part in said if part not in line] == []


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"phases": (GREEN, '<phase duration="30" state="gr"/>')}, "links [1] are never green"),
        ({"version": "1.9"}, "network format 1.9 is older than 1.20"),
        (
            {"phases": ('<phase duration="9" state="Grr"/>', '<phase duration="9" state="rGr"/>')},
            "positions [2] of its states control nothing",
        ),
        (
            {"phases": ('<phase duration="9" state="GG"/>', OTHER), "response": "10"},
            "links 0 and 1 are both G and conflict; link 0 is shown g and yields",
        ),
        ({}, "demand holds 1 <trip> and 0 <flow> tags"),
    ],
)
def test_odd_but_usable_input_is_accepted_with_a_note(
    trimtab: Callable[..., Ended],
    scenario: Callable[..., str],
    two_streets: Nets,
    changes: dict[str, object],
    note: str,
) -> None:
    ended = trimtab("validate", scenario(two_streets(**changes)))
    assert ended.code == 0
    assert note in ended.err


def test_a_rule_that_cannot_be_kept_is_relaxed_with_a_note(
    trimtab: Callable[..., Ended], scenario: Callable[..., str], two_streets: Nets
) -> None:
    rules = "  rules: {limits: {min_green_s: 20, max_red_s: 20}}\n"
    ended = trimtab("validate", scenario(two_streets(), extra=rules))
    assert ended.code == 0
    assert "signal 'C': max red 20 s cannot be met" in ended.err


def test_packed_files_and_unicode_ids_run_whatever_sumo_home_says(
    trimtab: Callable[..., Ended],
    scenario: Callable[..., str],
    two_streets: Nets,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUMO_HOME", "/nowhere")
    net = two_streets(tls="Königstraße")
    packed = net.with_name("two.net.xml.gz")
    packed.write_bytes(gzip.compress(net.read_bytes()))
    trips = gzip.compress(DEMAND.replace('id="a"', 'id="Ünal"').encode())
    name = scenario(packed, trips, routes="cars.rou.xml.gz")
    ended = trimtab("simulate", name, "--controller", "fixed", "--seed", "1", "--out", "log")
    assert ended.code == 0, ended.err
    log = json.loads(Path("log/log.json").read_text(encoding="utf-8"))
    kept = {what: Path("log", log[what]).read_text("utf-8") for what in ("trips", "signal_log")}
    assert "Ünal" in kept["trips"]
    assert "Königstraße" in kept["signal_log"]


def test_imported_files_make_a_scenario_that_validates(
    trimtab: Callable[..., Ended], two_streets: Nets, tmp_path: Path
) -> None:
    (tmp_path / "cars.rou.xml").write_text(DEMAND)
    files = ("--from", two_streets().name, "--from", "cars.rou.xml")
    ended = trimtab("init", "--domain", "traffic.signals", *files, "town.yaml")
    assert ended.code == 0, ended.err
    assert trimtab("validate", "town.yaml").code == 0


def test_files_that_make_no_scenario_are_refused_by_init(
    trimtab: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "cars.rou.xml").write_text(DEMAND)
    ended = trimtab("init", "--domain", "traffic.signals", "--from", "cars.rou.xml", "town.yaml")
    assert (ended.code, ended.out) == (2, "")
    assert "no network among the files" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["cars.rou.xml"]
