"""Raw `sumo` runs: what is exported is what was run."""

from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.network import compile_network
from trimtab_traffic.plans import DayPlan, write_day_plans, write_programs
from trimtab_traffic.replay import Shown, read_signal_log, replay_programs
from trimtab_traffic.safexml import elements
from trimtab_traffic.signals import Phase, Program
from trimtab_traffic.sources import find_net
from trimtab_traffic.toolchain import run_binary

BEGIN_S, END_S = 25200, 25800
COLOGNE = find_net("cologne8")


def raw_trips(folder: Path, *additional: Path, seed: int = 1) -> list[dict[str, str]]:
    """Trips of a raw `sumo` run; the signal log lies in `folder/signals.xml`."""
    log = folder / "log.add.xml"
    signals = [s.id for s in compile_network(COLOGNE.net_file).signals]
    events = "".join(
        f'<timedEvent type="SaveTLSSwitchStates" source="{s}" dest="{folder}/signals.xml"/>'
        for s in signals
    )
    log.write_text(f"<additional>{events}</additional>")
    files = ",".join(map(str, (*additional, log)))
    arguments = ["-n", str(COLOGNE.net_file), "-r", str(COLOGNE.route_files[0]), "-a", files]
    arguments += ["-b", str(BEGIN_S), "-e", str(END_S), "--seed", str(seed), "--no-step-log"]
    arguments += ["--tripinfo-output", str(folder / "trips.xml"), "--precision", "9"]
    arguments += ["--tripinfo-output.write-unfinished", "--time-to-teleport", "-1"]
    run_binary("sumo", arguments, source=COLOGNE.net_file)
    return [trip.attributes for trip in elements(folder / "trips.xml") if trip.name == "tripinfo"]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, str]], Path]:
    """Trips and signal log of the shipped plans."""
    folder = tmp_path_factory.mktemp("shipped")
    return raw_trips(folder), folder / "signals.xml"


def test_exported_shipped_plans_give_the_same_trips(
    tmp_path: Path, shipped: tuple[list[dict[str, str]], Path]
) -> None:
    programs = {s.id: s.program for s in compile_network(COLOGNE.net_file).signals}
    renamed = {
        name: Program("exported", p.type, p.offset_s, p.phases, p.parameters)
        for name, p in programs.items()
    }
    trips = raw_trips(tmp_path, write_programs(tmp_path / "plan.add.xml", renamed))
    assert len(trips) > 200
    assert trips == shipped[0]


def test_replayed_signal_log_gives_the_same_trips(
    tmp_path: Path, shipped: tuple[list[dict[str, str]], Path]
) -> None:
    log = read_signal_log(shipped[1])
    programs = replay_programs(log, BEGIN_S, END_S, "replay")
    trips = raw_trips(tmp_path, write_programs(tmp_path / "replay.add.xml", programs))
    assert trips == shipped[0]
    assert read_signal_log(tmp_path / "signals.xml") == log


def test_day_plans_hold_from_their_time_on(tmp_path: Path) -> None:
    signal = compile_network(COLOGNE.net_file).signals[0]
    states = signal.stage_states
    first = Program("p", "static", 0.0, (Phase(states[0], 1000.0),), ())
    second = Program("p", "static", 0.0, (Phase(states[1], 1000.0),), ())
    plans = [DayPlan(0.0, {signal.id: first}), DayPlan(25500.0, {signal.id: second})]
    raw_trips(tmp_path, write_day_plans(tmp_path / "day.add.xml", plans))
    log = read_signal_log(tmp_path / "signals.xml")[signal.id]
    assert [(s.time_s, s.state) for s in log] == [(25200.0, states[0]), (25500.0, states[1])]


def test_log_that_misses_the_begin_is_refused() -> None:
    with pytest.raises(InputFileError, match="begins at 5 s, the run at 0 s"):
        replay_programs({"C": [Shown(5.0, "G")]}, 0.0, 10.0, "replay")


def test_replay_covers_the_whole_period() -> None:
    log = {"C": [Shown(100.0, "Gr"), Shown(130.5, "yr"), Shown(133.5, "rG")]}
    program = replay_programs(log, 100.0, 200.0, "replay")["C"]
    assert [(p.state, p.duration_s) for p in program.phases] == [
        ("Gr", 30.5), ("yr", 3.0), ("rG", 66.5),
    ]  # fmt: skip
    assert (program.offset_s, program.cycle_s) == (100.0, 100.0)
