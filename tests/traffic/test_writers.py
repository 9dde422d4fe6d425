"""Exports, and their proof: the raw `sumo` binary gives the product's true delay."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError, UnknownNameError
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.importers.tables import read_table
from trimtab_traffic.network import compile_network
from trimtab_traffic.plans import read_plan_tables, read_programs
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.replay import read_signal_log
from trimtab_traffic.runconfig import raw_true_delay_s
from trimtab_traffic.safexml import read_tree
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.sources import find_net
from trimtab_traffic.writers import SHIELD_COLUMNS, export

TOLERANCE_S = 1e-9
SEED = 3
GENERATED = {
    "network": {
        "generated": {
            "columns": 2, "rows": 1, "block_m": 120, "vehicles_per_h": 900, "pedestrians_per_h": 60,
        }
    },
    "horizon_s": 300,
    "rules": {"profile": "field"},
}  # fmt: skip
COLOGNE = {"network": {"wheel": "cologne8"}, "horizon_s": 300, "rules": {"profile": "resco"}}


def product_delay_s(problem: SignalsProblem, name: str) -> float:
    entry = entries(problem)[name]
    with SignalControl(problem, entry.interface) as control:
        made = make_controller(control, entry, None, name)
        (record,) = evaluate(control, made, [SEED], shield=control.shield)
    return record.metrics["true_delay_s"]


@pytest.mark.parametrize("name", ["fixed", "actuated", "delay_based", "max_pressure", "wave_50"])
@pytest.mark.parametrize("model", [GENERATED, COLOGNE], ids=["generated-field", "cologne8-resco"])
def test_raw_sumo_with_the_export_gives_the_products_true_delay(
    tmp_path: Path, model: dict[str, object], name: str
) -> None:
    problem = SignalsProblem.model_validate(model)
    files = export(problem, name, {}, tmp_path / "out", seed=SEED)
    assert all(path.is_file() for path in files)
    raw = raw_true_delay_s(tmp_path / "out" / "run.sumocfg", SEED)
    assert raw == pytest.approx(product_delay_s(problem, name), abs=TOLERANCE_S)


@pytest.fixture
def own_actuated(
    two_street_problem: Callable[..., SignalsProblem], tmp_path: Path
) -> Callable[[str], SignalsProblem]:
    """Maker of a scenario whose signal runs a program of its owner's, of that type."""

    def make(kind: str) -> SignalsProblem:
        path = tmp_path / "own.add.xml"
        path.write_text(
            f'<additional><tlLogic id="C" type="{kind}" programID="own" offset="0">'
            '<phase duration="40" minDur="5" maxDur="45" state="Gr"/>'
            '<phase duration="3" state="yr"/>'
            '<phase duration="40" minDur="5" maxDur="45" state="rG"/>'
            '<phase duration="3" state="ry"/></tlLogic></additional>',
            encoding="utf-8",
        )
        network = two_street_problem().network.model_dump(exclude_none=True)
        return two_street_problem(
            network={**network, "additional": [path]}, rules={"profile": "field"}
        )

    return make


@pytest.mark.parametrize("kind", ["actuated", "delay_based"])
def test_an_own_actuated_program_is_exported_as_it_is_played(
    own_actuated: Callable[[str], SignalsProblem], tmp_path: Path, kind: str
) -> None:
    problem = own_actuated(kind)
    plan, *_ = export(problem, "fixed", {}, tmp_path / "out", seed=SEED)
    (program,) = read_programs(plan)["C"]
    assert program.type == kind
    raw = raw_true_delay_s(tmp_path / "out" / "run.sumocfg", SEED)
    assert raw == pytest.approx(product_delay_s(problem, "fixed"), abs=TOLERANCE_S)


def test_greens_of_an_own_actuated_program_follow_the_traffic_within_the_rules(
    own_actuated: Callable[[str], SignalsProblem],
) -> None:
    problem = own_actuated("actuated")
    entry = entries(problem)["fixed"]
    with SignalControl(problem, entry.interface) as control:
        evaluate(control, make_controller(control, entry), [SEED])
        played = control.episode_log(0)
        shown = read_signal_log(played["signal_log"])["C"]
        found = DOMAIN.monitor(problem).check(played)
    lasted = {
        then.time_s - now.time_s for now, then in pairwise(shown) if now.state in {"Gr", "rG"}
    }
    assert len(lasted) > 1
    assert min(lasted) >= problem.profile.min_green_s
    assert max(lasted) < 40
    assert not any(violations.count for violations in found.values())


def test_exported_folder_can_be_moved(tmp_path: Path) -> None:
    problem = SignalsProblem.model_validate(COLOGNE)
    export(problem, "fixed", {}, tmp_path / "here")
    before = raw_true_delay_s(tmp_path / "here" / "run.sumocfg", SEED)
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert raw_true_delay_s(tmp_path / "there" / "run.sumocfg", SEED) == before


def test_export_keeps_parameters_and_covers_every_signal(tmp_path: Path) -> None:
    problem = SignalsProblem.model_validate(COLOGNE)
    plan, *_ = export(problem, "actuated", {"max_green_s": 33}, tmp_path)
    programs = read_programs(plan)
    assert len(programs) == 8
    limits = {p.max_duration_s for (program,) in programs.values() for p in program.phases}
    assert 33.0 in limits


def test_time_of_day_plan_holds_in_the_period_and_the_shipped_one_around_it(
    tmp_path: Path,
) -> None:
    problem = SignalsProblem.model_validate(COLOGNE)
    _, day, *_ = export(problem, "actuated", {}, tmp_path)
    root = read_tree(day, "additional")
    wauts = list(root.find_all("WAUT"))
    assert len(wauts) == 8
    switches = [(s.number("time"), s.text("to")) for s in wauts[0].children]
    assert [time_s for time_s, _ in switches] == [25200.0, 25500.0]
    types = {p.text("programID"): p.text("type") for p in root.find_all("tlLogic")}
    assert [types[name] for _, name in switches] == ["actuated", "static"]


def test_tables_of_a_plan_say_what_the_programs_say(tmp_path: Path) -> None:
    problem = SignalsProblem.model_validate(GENERATED)
    plan, _, _, stages, intergreens = export(problem, "fixed", {}, tmp_path)
    tables = read_plan_tables(stages, intergreens)
    for signal, (program,) in read_programs(plan).items():
        assert sorted((p.state, p.duration_s) for p in tables[signal].phases) == sorted(
            (p.state, p.duration_s) for p in program.phases
        )


def test_decision_table_has_one_row_per_signal_and_decision(tmp_path: Path) -> None:
    problem = SignalsProblem.model_validate(COLOGNE)
    export(problem, "wave_50", {}, tmp_path)
    columns = dict.fromkeys(("time_s", "signal", "stage_chosen", "chosen_state"), ())
    rows = list(read_table(tmp_path / "decisions.csv", columns, tuple(columns)))
    assert len(rows) == 8 * 30
    assert {row.number("time_s") for row in rows} == {25200.0 + 10 * k for k in range(30)}


def test_export_says_for_every_signal_whether_its_shield_holds(tmp_path: Path) -> None:
    export(SignalsProblem.model_validate(GENERATED), "wave_50", {}, tmp_path)
    columns = dict.fromkeys(SHIELD_COLUMNS, ())
    rows = list(read_table(tmp_path / "shield.csv", columns, SHIELD_COLUMNS[:-1]))
    assert [row.text("holds") for row in rows] == ["yes", "yes"]
    assert all(row.number("states") > 0 and row.number("deadline_corners") > 0 for row in rows)


def test_decision_table_of_a_cycle_controller_lists_its_greens(tmp_path: Path) -> None:
    problem = SignalsProblem.model_validate(COLOGNE)
    export(problem, "scoot", {}, tmp_path)
    columns = dict.fromkeys(("signal", "chosen_greens_s"), ())
    rows = list(read_table(tmp_path / "decisions.csv", columns, tuple(columns)))
    assert {row.text("signal") for row in rows} == {
        signal.id for signal in compile_network(find_net("cologne8").net_file).controllable
    }
    assert all(float(cell) >= 0 for row in rows for cell in row.text("chosen_greens_s").split())


def test_unknown_controller_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'wave_50'"):
        export(SignalsProblem.model_validate(COLOGNE), "wave50", {}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folder_with_a_colon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="host:port"):
        export(SignalsProblem.model_validate(COLOGNE), "fixed", {}, tmp_path / "seed:1")
    assert not (tmp_path / "seed:1").exists()
