from collections.abc import Callable
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.checks import check_files
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.network import compile_network

STATES = ("Gr", "yr", "rG", "ry")


def program(name: str, green_s: int) -> str:
    phases = "".join(
        f'<phase duration="{green_s if "G" in state else 3}" state="{state}"/>' for state in STATES
    )
    return f'<tlLogic id="C" type="static" programID="{name}" offset="0">{phases}</tlLogic>'


SWITCHES = '<wautSwitch time="3600" to="pm"/><wautSwitch time="7200" to="am"/>'


def day_plan(switches: str = SWITCHES, **attributes: object) -> str:
    given = {"refTime": 0, "id": "day", "startProg": "am"} | attributes
    text = " ".join(f'{key}="{value}"' for key, value in given.items())
    return f'<WAUT {text}>{switches}</WAUT><wautJunction wautID="day" junctionID="C"/>'


def checked(net: Path, body: str, begin_s: float, end_s: float) -> TrafficFiles:
    routes, programs = net.with_name("cars.rou.xml"), net.with_name("day.add.xml")
    routes.write_text(
        '<routes><flow id="f" begin="0" end="20000" number="90" from="WC" to="CE"/></routes>'
    )
    programs.write_text(f"<additional>{body}</additional>")
    files = TrafficFiles(net, (routes,), (programs,), begin_s, end_s)
    return check_files(files, net.parent / "work")


def green_s(files: TrafficFiles) -> float:
    (signal,) = compile_network(files.net_file, files.additional_files).signals
    return signal.program.phases[0].duration_s


@pytest.mark.parametrize(
    ("plan", "begin_s", "expected_s"),
    [
        ({}, 0.0, 30.0),
        ({}, 3600.0, 18.0),
        ({}, 7300.0, 30.0),
        ({"refTime": 600}, 3600.0, 30.0),
        ({"period": 8000}, 11700.0, 18.0),
    ],
)
def test_the_program_in_force_at_the_begin_is_the_shipped_one(
    two_streets: Callable[..., Path], plan: dict[str, int], begin_s: float, expected_s: float
) -> None:
    body = program("am", 30) + program("pm", 18) + day_plan(**plan)
    files = checked(two_streets(), body, begin_s, begin_s + 300.0)
    assert green_s(files) == expected_s


def test_no_clock_is_left_and_a_switch_within_the_period_is_told(
    two_streets: Callable[..., Path],
) -> None:
    body = program("am", 30) + program("pm", 18) + day_plan()
    files = checked(two_streets(), body, 3000.0, 4200.0)
    assert not compile_network(files.net_file, files.additional_files).switched_by_clock
    assert (
        "day plan 'day': signal 'C' keeps program 'am' for the whole period: its switch to 'pm' at "
        "3600 s is left out; evaluate that part of the day with a begin_s of its own"
    ) in files.notes


def test_a_day_plan_in_the_network_file_is_held_as_well(two_streets: Callable[..., Path]) -> None:
    net = two_streets()
    inside = program("am", 30) + program("pm", 18) + day_plan() + "</net>"
    net.write_text(net.read_text().replace("</net>", inside))
    files = checked(net, "", 0.0, 300.0)
    assert green_s(files) == 30.0
    assert compile_network(files.net_file).version == compile_network(net).version


def test_the_networks_own_program_counts_where_the_plan_names_it(
    two_streets: Callable[..., Path],
) -> None:
    body = program("pm", 18) + day_plan(startProg="0")
    files = checked(two_streets(), body, 0.0, 300.0)
    assert green_s(files) == 30.0  # as in DEFAULT_PHASES


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (day_plan(startProg="off"), r"day\.add\.xml:1: day plan 'day' has signal 'C' on program"),
        ('<WAUT id="x" startProg="0"/><wautJunction wautID="y" junctionID="C"/>', "'y' is not def"),
    ],
)
def test_a_plan_that_cannot_be_held_is_refused(
    two_streets: Callable[..., Path], body: str, message: str
) -> None:
    with pytest.raises(InputFileError, match=message):
        checked(two_streets(), body, 0.0, 300.0)


def test_what_is_wrong_with_the_held_program_is_said_of_the_file_given(
    two_streets: Callable[..., Path],
) -> None:
    wrong = program("am", 30).replace('state="Gr"', 'state="GG"')
    with pytest.raises(InputFileError, match="cross and both have 'G'") as error:
        checked(two_streets(), wrong + program("pm", 18) + day_plan(), 0.0, 300.0)
    assert str(error.value).startswith(f"{two_streets().with_name('day.add.xml')}:1: ")


def test_the_copy_without_a_clock_has_the_name_of_the_file_given(
    two_streets: Callable[..., Path],
) -> None:
    files = checked(two_streets(), program("am", 30) + day_plan(), 0.0, 300.0)
    (held,) = files.additional_files
    assert held.name == "day.add.xml"
    assert held.parent.is_relative_to(two_streets().parent / "work")
