from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.network import TrafficNetwork
from trimtab_traffic.plans import (
    DayPlan,
    is_stage,
    read_plan_tables,
    read_programs,
    write_day_plans,
    write_plan_tables,
    write_programs,
)
from trimtab_traffic.safexml import read_tree
from trimtab_traffic.signals import Phase, Program
from trimtab_traffic.sources import RESCO_NETS

NETS = [net.name for net in RESCO_NETS]
STATES = st.sampled_from(["Gr", "rG", "gG", "yr", "ry", "rr", "Gg"])


@st.composite
def programs(draw: st.DrawFn) -> Program:
    durations = st.floats(0.5, 200, allow_nan=False)
    limits = st.one_of(st.just(float("nan")), durations)
    names = st.text("aß&", max_size=3)
    phases = [
        Phase(draw(STATES), draw(durations), draw(limits), draw(limits), name=draw(names))
        for _ in range(draw(st.integers(0, 6)))
    ]
    return Program(
        id=draw(st.sampled_from(["0", "Früh <1>", "a:b"])),
        type=draw(st.sampled_from(["static", "actuated", "delay_based"])),
        offset_s=draw(st.floats(-100, 100)),
        phases=(Phase("Gr", draw(durations)), *phases),
        parameters=(("max-gap", "3.0"),),
    )


def ordered(program: Program) -> Program:
    """With crossed green limits put right, as a valid file has them."""
    phases = tuple(
        replace(p, min_duration_s=p.max_duration_s, max_duration_s=p.min_duration_s)
        if p.min_duration_s > p.max_duration_s
        else p
        for p in program.phases
    )
    return replace(program, phases=phases)


def shown(program: Program) -> list[tuple[object, ...]]:
    """Everything a program says, comparable (NaN limits as text)."""
    return [(p.state, p.duration_s, str(p.min_duration_s), str(p.max_duration_s), p.next, p.name,
             p.extra) for p in program.phases]  # fmt: skip


@given(programs().map(ordered))
def test_program_survives_an_additional_file(
    tmp_path_factory: pytest.TempPathFactory, program: Program
) -> None:
    path = write_programs(tmp_path_factory.mktemp("p") / "plan.add.xml", {"Ampel 'ü'": program})
    (read,) = read_programs(path)["Ampel 'ü'"]
    assert shown(read) == shown(program)
    assert (read.id, read.type, read.offset_s) == (program.id, program.type, program.offset_s)
    assert read.parameters == program.parameters


@given(programs().map(ordered))
def test_program_survives_the_tables(
    tmp_path_factory: pytest.TempPathFactory, program: Program
) -> None:
    files = write_plan_tables(tmp_path_factory.mktemp("p"), {"1": program})
    read = read_plan_tables(*files)["1"]
    assert read.cycle_s == pytest.approx(program.cycle_s)
    assert [(p.state, p.duration_s) for p in read.phases] == [
        (p.state, p.duration_s) for p in program.phases
    ]
    assert read.offset_s == program.offset_s


@pytest.mark.parametrize("name", NETS)
def test_imported_plan_keeps_its_stage_sequence_and_intergreens(
    tmp_path: Path, wheel_net: Callable[[str], TrafficNetwork], name: str
) -> None:
    shipped = {signal.id: signal.program for signal in wheel_net(name).signals}
    read = read_plan_tables(*write_plan_tables(tmp_path, shipped))
    for signal, program in shipped.items():
        first = next(k for k, phase in enumerate(program.phases) if is_stage(phase))
        turned = (*program.phases[first:], *program.phases[:first])
        assert [(p.state, p.duration_s) for p in read[signal].phases] == [
            (p.state, p.duration_s) for p in turned
        ]


def test_cycle_that_begins_with_yellow_is_turned_and_its_offset_moved(tmp_path: Path) -> None:
    phases = (Phase("ry", 3.0), Phase("Gr", 30.0), Phase("yr", 3.0), Phase("rG", 24.0))
    program = Program("0", "static", 10.0, phases, ())
    read = read_plan_tables(*write_plan_tables(tmp_path, {"C": program}))["C"]
    assert [phase.state for phase in read.phases] == ["Gr", "yr", "rG", "ry"]
    assert read.offset_s == 13.0


@pytest.mark.parametrize(
    ("phases", "reason"),
    [((Phase("yr", 3.0),), "has no stage"), ((Phase("Gr", 3.0, next=(0,)),), "branches")],
)
def test_program_without_a_cycle_of_stages_is_not_written_as_tables(
    tmp_path: Path, phases: tuple[Phase, ...], reason: str
) -> None:
    with pytest.raises(InputFileError, match=reason):
        write_plan_tables(tmp_path, {"C": Program("0", "static", 0.0, phases, ())})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("C,0,static,0,1,Gr,30,,,", r"stages\.csv:2: stage 1 where 0 follows; number from 0"),
        ("C,0,static,0,0,Gr,-3,,,", r"stages\.csv:2: duration_s is '-3'"),
        ("C,0,static,x,0,Gr,3,,,", r"stages\.csv:2: offset_s is 'x'"),
        ("C,0,static,0,0,GrG,3,,,", r"state 'yr' differs in length"),
    ],
)
def test_wrong_plan_table_is_refused_with_its_line(
    tmp_path: Path, stages: str, message: str
) -> None:
    program = Program("0", "static", 0.0, (Phase("Gr", 30.0), Phase("yr", 3.0)), ())
    table, intergreens = write_plan_tables(tmp_path, {"C": program})
    table.write_text(f"{table.read_text().splitlines()[0]}\n{stages}\n")
    with pytest.raises(InputFileError, match=message):
        read_plan_tables(table, intergreens)


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ('<phase duration="x" state="G"/>', r"plan\.add\.xml:2: <phase>: duration is 'x'"),
        ('<phase duration="3"/>', r"<phase> has no attribute 'state'"),
        ('<phase duration="9" state="G" minDur="9" maxDur="5"/>', r"minDur 9 s is above maxDur 5"),
        ('<phase duration="3" state="G"/><phase duration="3" state="GG"/>', "differ in state len"),
        ("", "phases are missing"),
    ],
)
def test_wrong_program_is_refused(tmp_path: Path, phase: str, message: str) -> None:
    path = tmp_path / "plan.add.xml"
    path.write_text(f'<additional><tlLogic id="C" type="static">\n{phase}</tlLogic></additional>')
    with pytest.raises(InputFileError, match=message):
        read_programs(path)


def test_day_plans_switch_every_signal_at_their_times(tmp_path: Path) -> None:
    night = Program("plan", "static", 0.0, (Phase("Gr", 20.0), Phase("rG", 20.0)), ())
    path = write_day_plans(
        tmp_path / "day.add.xml",
        [DayPlan(0.0, {"A": night, "B": night}), DayPlan(21600.0, {"A": night, "B": night})],
    )
    root = read_tree(path, "additional")
    assert [e.attributes["programID"] for e in root.find_all("tlLogic")] == [
        "plan-0", "plan-0", "plan-1", "plan-1",
    ]  # fmt: skip
    waut = next(root.find_all("WAUT"))
    assert waut.attributes == {"id": "day-A", "refTime": "0", "startProg": "plan-0"}
    assert waut.children[0].attributes == {"time": "21600", "to": "plan-1"}


def test_day_plans_out_of_order_or_incomplete_are_refused(tmp_path: Path) -> None:
    plan = Program("p", "static", 0.0, (Phase("Gr", 20.0),), ())
    with pytest.raises(InputFileError, match="rising order"):
        write_day_plans(tmp_path / "x", [DayPlan(9.0, {"A": plan}), DayPlan(1.0, {"A": plan})])
    with pytest.raises(InputFileError, match="same signals"):
        write_day_plans(tmp_path / "x", [DayPlan(0.0, {"A": plan}), DayPlan(1.0, {"B": plan})])
