from pathlib import Path
from typing import Any

import pytest
from trimtab.contracts.errors import ScenarioError, TrimtabError, UnknownNameError
from trimtab.contracts.scenario import DataFile, Scenario, StrictModel, canonical_json, content_id
from trimtab.run.scenario_file import load_scenario, migrated

GOOD = """\
schema: trimtab/scenario/1
name: tank
domain: toy.tank
problem:
  horizon_h: 12
controllers: [level_band, tariff]
seeds: [1, 2]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str, *overrides: str) -> list[str]:
    path = write(folder, text)
    with pytest.raises(ScenarioError) as error:
        load_scenario(path, overrides)
    return [str(f).replace(f"{path}:", "") for f in error.value.faults]


def test_a_good_file_gives_the_model_and_its_domain(tmp_path: Path) -> None:
    loaded = load_scenario(write(tmp_path, GOOD))
    assert loaded.scenario.problem.horizon_h == 12
    assert loaded.scenario.seeds == (1, 2)
    assert loaded.domain.name == "toy.tank"
    assert loaded.notes == ()


def test_a_sweep_is_said_not_to_be_walked_by_a_run(tmp_path: Path) -> None:
    loaded = load_scenario(write(tmp_path, GOOD + "sweep: {over: {problem.horizon_h: [6, 12]}}\n"))
    assert loaded.notes == ("has a sweep, which `run` does not walk: only its base point is run",)


def test_shipped_scenarios_are_found_by_id() -> None:
    assert load_scenario("toy/tank-day").scenario.name == "tank-day"


def test_an_unknown_id_suggests_the_closest_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'toy/tank-day'"):
        load_scenario("toy/tank-dya")


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no such file"):
        load_scenario(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="is not a file: name the scenario in it"):
        load_scenario(tmp_path)


def test_what_is_near_a_missing_file_is_suggested(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(ScenarioError) as near:
        load_scenario(tmp_path / "t.yaml")
    assert str(near.value).endswith("no such file. Did you mean 's.yaml'?")
    with pytest.raises(ScenarioError) as far:
        load_scenario(tmp_path / "quite-another-name.yml")
    assert str(far.value).endswith("no such file")
    with pytest.raises(ScenarioError) as folder:
        load_scenario(tmp_path / "nowhere" / "s.yaml")
    assert str(folder.value).endswith(f"no such file: there is no folder {tmp_path / 'nowhere'}")


def test_all_faults_come_at_once_each_at_its_place(tmp_path: Path) -> None:
    text = GOOD.replace("horizon_h: 12", "horizn_h: 12\n  tariff_peak: 99").replace(
        "seeds: [1, 2]", "seeds: [1, x]\ncontrolers: []"
    )
    assert faults(tmp_path, text) == [
        "5:3: problem.horizn_h: unknown key; known: horizon_h, tariff_peak. "
        "Did you mean 'horizon_h'?",
        "6:16: problem.tariff_peak: input should be less than or equal to 10 (got 99)",
        "8:12: seeds[1]: input should be a valid integer, unable to parse string as an integer "
        "(got 'x')",
        "9:1: controlers: unknown key; known: controllers, description, domain, name, problem, "
        "schema, seeds, sweep. Did you mean 'controllers'?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("toy.tank", "toy.tnk", "3:9: domain: unknown domain 'toy.tnk'; known: "),
        ("tariff]", "tarif]", "6:27: controllers[1]: unknown controller 'tarif'; known: "),
        ("name: tank\n", "", "1:1: name: is missing: add it"),
        ("problem:\n  horizon_h: 12\n", "", "1:1: problem: is missing: add it"),
        ("horizon_h: 12", "horizon_h: .nan", "5:14: problem.horizon_h: "),
        ("scenario/1", "scenario/9", "1:9: schema: trimtab/scenario/9 is newer than"),
        ("trimtab/scenario/1", "other/1", "1:9: schema: input should be 'trimtab/scenario/1'"),
        ("seeds: [1, 2]", "seeds: [1, 1]", "7:8: seeds: seeds must be distinct"),
        ("seeds: [1, 2]", "seeds: [9999999999]", "7:8: seeds: seeds must be distinct"),
        ("seeds: [1, 2]", "seeds: []", "7:8: seeds: list should have at least 1 item, not 0"),
        ("seeds: [1, 2]", "seeds: 3", "7:8: seeds: input should be a list (got 3)"),
        ("seeds: [1, 2]", "seeds: [1]\nseeds: [2]", "8:1: seeds: is given twice"),
        (GOOD, "- 1\n", "1:1: must be a mapping"),
        (
            "seeds: [1, 2]",
            "sweep: {mode: gird, over: {}}",
            "7:15: sweep.mode: input should be 'grid', 'list' or 'random' (got 'gird'). "
            "Did you mean 'grid'?",
        ),
    ],
)
def test_a_fault_is_named_at_its_place(tmp_path: Path, old: str, new: str, fault: str) -> None:
    found = faults(tmp_path, GOOD.replace(old, new))
    assert [f for f in found if f.startswith(fault)], found


def test_faults_of_an_unknown_domain_do_not_hide_the_others(tmp_path: Path) -> None:
    found = faults(
        tmp_path, GOOD.replace("toy.tank", "toy.tnk").replace("seeds: [1, 2]", "seeds: 3")
    )
    assert len(found) == 2


def test_overrides_change_nested_keys_and_items(tmp_path: Path) -> None:
    loaded = load_scenario(
        write(tmp_path, GOOD),
        ["problem.tariff_peak=2.5", "controllers.1=proportional", "seeds=[7, 8]"],
    )
    assert loaded.scenario.problem.tariff_peak == 2.5
    assert loaded.scenario.controllers == ("level_band", "proportional")
    assert loaded.scenario.seeds == (7, 8)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("problem.horizn_h=3", "--set problem.horizn_h=3:1:1: problem.horizn_h: unknown key"),
        ("problem.horizon_h=x", "--set problem.horizon_h=x:1:19: problem.horizon_h: input should"),
        ("nonsense", "--set nonsense:1:1: write it as dotted.key=value"),
        ("name.x=1", "--set name.x=1:1:1: name: has no key 'x': it is 'tank'"),
        ("controllers.7=x", "--set controllers.7=x:1:1: controllers: has 2 items"),
        ("seeds=[", "--set seeds=[:1:8: is not YAML"),
    ],
)
def test_faults_of_overrides_point_at_the_override(
    tmp_path: Path, override: str, fault: str
) -> None:
    (found,) = faults(tmp_path, GOOD, override)
    assert found.startswith(fault)


def test_migrations_lead_from_number_to_number() -> None:
    old = {"schema": "trimtab/scenario/0", "title": "x"}
    data = migrated(old, 0, {0: lambda d: {"name": d["title"]}})
    assert data == {"name": "x", "schema": "trimtab/scenario/1"}


def test_a_schema_without_migration_is_refused() -> None:
    with pytest.raises(TrimtabError) as refused:
        migrated({}, 0, {})
    assert str(refused.value) == (
        "schema trimtab/scenario/0 is no longer read: oldest known is trimtab/scenario/1"
    )


class WithFile(StrictModel):
    demand: DataFile


def validated(folder: Path, name: str) -> Any:
    data = {"name": "x", "domain": "d", "problem": {"demand": name}}
    return Scenario[WithFile].model_validate(data, context={"folder": folder})


def test_data_files_are_relative_to_the_scenario_file(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("1", encoding="utf-8")
    scenario = validated(tmp_path, "d.csv")
    assert scenario.problem.demand == (tmp_path / "d.csv").resolve()
    again = Scenario[WithFile].model_validate_json(scenario.model_dump_json(by_alias=True))
    assert again == scenario


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such file: .*none\.csv"):
        validated(tmp_path, "none.csv")


def test_a_data_file_outside_the_folder_that_confines_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("1", encoding="utf-8")
    data = {"name": "x", "domain": "d", "problem": {"demand": "../d.csv"}}
    inside = tmp_path / "workspace"
    inside.mkdir()
    with pytest.raises(ValueError, match="outside the workspace"):
        Scenario[WithFile].model_validate(data, context={"folder": inside, "inside": inside})


def test_the_folder_of_a_data_file_is_no_part_of_the_identity(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "d.csv").write_text("1", encoding="utf-8")
    first, second = validated(tmp_path / "a", "d.csv"), validated(tmp_path / "b", "d.csv")
    assert first != second
    assert content_id(first) == content_id(second)
    assert '"demand":"d.csv"' in canonical_json(first)


def test_identity_fills_in_defaults_and_ignores_the_order_of_keys(tmp_path: Path) -> None:
    shuffled = "\n".join(
        reversed(
            GOOD.replace(
                "problem:\n  horizon_h: 12", "problem: {horizon_h: 12, tariff_peak: 3.0}"
            ).splitlines()
        )
    )
    first = load_scenario(write(tmp_path, GOOD)).scenario
    assert content_id(first) == content_id(load_scenario(write(tmp_path, shuffled)).scenario)
