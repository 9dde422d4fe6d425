"""What controllers a scenario offers, and with which parameters."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from trimtab_traffic.controllers import entries, tuned_parameters
from trimtab_traffic.controllers.tuned_parameters import FOLDER
from trimtab_traffic.scenario import SignalsProblem

CLASSICAL = {
    "fixed", "actuated", "actuated_5_50", "delay_based", "nema", "sotl", "longest_queue",
    "max_pressure", "mp_move", "mp_split", "mph_split", "greedy", "mp_naive", "wave_50", "scoot",
    "webster", "mpc",
}  # fmt: skip


def offered(profile: str = "field"):
    problem = {"network": {"wheel": "cologne8"}, "rules": {"profile": profile}}
    return entries(SignalsProblem.model_validate(problem))


@pytest.mark.parametrize("profile", ["resco", "field"])
def test_every_classical_controller_is_offered(profile):
    assert set(offered(profile)) >= CLASSICAL


@pytest.mark.parametrize("profile", ["resco", "field"])
def test_defaults_of_tunable_controllers_lie_in_their_space(profile):
    for name, entry in offered(profile).items():
        if entry.parameters is not None and name in CLASSICAL:
            space = entry.parameters
            defaults = {p.name: entry.defaults[p.name] for p in space.parameters}
            assert space.designs(space.code([defaults])) == [pytest.approx(defaults)], name


def test_the_table_row_of_actuated_is_never_tuned():
    for profile in ("resco", "field"):
        entry = offered(profile)["actuated_5_50"]
        assert entry.parameters is None
        assert dict(entry.defaults) == {"min_green_s": 5, "max_green_s": 50}


def test_shipped_parameters_replace_the_defaults_and_carry_their_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(tuned_parameters, "FOLDER", tmp_path)
    document = {
        "schema": "trimtab/parameters/1",
        "controller": "sotl",
        "parameters": {"threshold_veh_s": 77.0},
        "manifest": {"budget": {"evaluations": 3, "env_steps": 4, "cpu_s": 5.0}},
    }
    (tmp_path / "field").mkdir()
    (tmp_path / "field" / "sotl.json").write_text(json.dumps(document))
    entry = offered("field")["sotl"]
    assert entry.defaults["threshold_veh_s"] == 77.0
    assert entry.trained.cpu_s == 5.0
    assert entry.files == (tmp_path / "field" / "sotl.json",)
    assert offered("resco")["sotl"].files == ()


def test_shipped_parameters_come_from_generated_networks_only():
    for path in FOLDER.glob("*/*.json"):
        made = json.loads(path.read_text(encoding="utf-8"))["manifest"]
        networks = made.get("networks", [])
        assert networks or "generated-" in made["scenario"]
        assert all(set(network) == {"generated"} for network in networks)


def test_listing_the_controllers_loads_no_compiler_and_no_solver():
    code = (
        "import sys; from trimtab_traffic.controllers import entries;"
        "from trimtab_traffic.scenario import SignalsProblem;"
        "entries(SignalsProblem.model_validate({'network': {'wheel': 'cologne8'}}));"
        "print([m for m in ('numba', 'pyomo', 'torch', 'libsumo') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
