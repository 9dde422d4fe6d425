"""The proof of a user's own plant, from scenario file to report."""

import json

import pytest
from trimtab.run.scenario_file import load_scenario
from trimtab_grid import proofs
from trimtab_grid.domain import DOMAIN

SCENARIO = """schema: trimtab/scenario/1
name: own
domain: grid.microgrid
problem:
  plant_file: plant.yaml
  step_min: 60
  horizon_h: 24
"""
PLANT = """name: own
gensets:
  - {name: G1, prime_kw: 300, min_kw: 90, fuel: {slope_l_kwh: 0.25, no_load_l_h: 8}}
  - {name: G2, prime_kw: 300, min_kw: 90, fuel: {slope_l_kwh: 0.25, no_load_l_h: 8}}
battery: {power_kw: 200, energy_kwh: 400}
commitment: free
disturbances: {load_max_kw: 300, step_known: true, unit_trips: false}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(proofs, "PROCESSES", 1)
    (tmp_path / "own.yaml").write_text(SCENARIO, encoding="utf-8")
    (tmp_path / "plant.yaml").write_text(PLANT, encoding="utf-8")
    return tmp_path


def shield_note(folder, *overrides):
    problem = load_scenario(folder / "own.yaml", overrides).scenario.problem
    return next(note for note in DOMAIN.notes(problem) if "shield" in note)


def test_an_own_plant_is_proven_and_its_certificate_stands_for_it_alone(folder, capsys):
    assert "not proven: no certificate" in shield_note(folder)
    path = folder / "proof.json"
    assert proofs.main([str(folder / "own.yaml"), str(path)]) == 0
    assert "add to the problem of" in capsys.readouterr().err
    assert json.loads(path.read_text(encoding="utf-8"))["unsat"] > 0
    named = "problem.certificate=proof.json"
    problem = load_scenario(folder / "own.yaml", [named]).scenario.problem
    assert path in DOMAIN.data_files(problem)
    assert "the shield is on; proven: " in shield_note(folder, named)
    changed = PLANT.replace("load_max_kw: 300", "load_max_kw: 290")
    (folder / "plant.yaml").write_text(changed, encoding="utf-8")
    assert "not proven: the certificate's plant_sha256" in shield_note(folder, named)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["own.yaml"], "usage: "),
        (["nowhere.yaml", "proof.json"], "nowhere.yaml"),
        (["toy/tank-day", "proof.json"], "name a scenario of grid.microgrid"),
    ],
)
def test_what_cannot_be_proven_is_told(folder, capsys, monkeypatch, arguments, told):
    monkeypatch.chdir(folder)
    assert proofs.main(arguments) == 2
    assert told in capsys.readouterr().err
