from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]
SCENARIO = """\
name: tank
domain: toy.tank
problem: {horizon_h: 6}
controllers: [level_band, tariff]
seeds: [1, 2, 3]
sweep:
  over:
    problem.horizon_h: [4, 5]
    problem.tariff_peak: [2.0, 3.0]
"""


def test_a_sweep_runs_every_point_and_writes_its_table(trimtab: Command, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    ended = trimtab("sweep", "s.yaml", "--workers", "2", "--out", "out", "--json")
    document = ended.document
    assert (ended.code, document["schema"]) == (0, "trimtab/sweep/1")
    points = [p["point"] for p in document["points"]]
    assert [tuple(p.values()) for p in points] == [(4, 2.0), (4, 3.0), (5, 2.0), (5, 3.0)]
    assert all(p["state"] == "done" and p["result"]["rows"] for p in document["points"])
    lines = (tmp_path / "out" / "sweep.csv").read_text().splitlines()
    assert len(lines) == 1 + 4 * 2
    assert lines[0].startswith("problem.horizon_h,problem.tariff_peak,run,state,controller")
    again = trimtab("sweep", "s.yaml", "--workers", "2", "--json").document
    assert again["sweep_id"] == document["sweep_id"]
    listed = trimtab("runs", "list", "--json").document["runs"]
    assert {r["sweep"] for r in listed} == {document["sweep_id"]}


def test_every_point_is_checked_before_anything_starts(trimtab: Command, tmp_path: Path) -> None:
    wrong = SCENARIO.replace("[4, 5]", "[4, 1, x]").replace("tariff_peak", "tarif_peak")
    (tmp_path / "s.yaml").write_text(wrong)
    ended = trimtab("sweep", "s.yaml")
    assert ended.code == 2
    lines = ended.err.splitlines()
    assert any(line.startswith("s.yaml:8:28: sweep.over.problem.horizon_h[1]") for line in lines)
    assert any(line.startswith("s.yaml:8:31: sweep.over.problem.horizon_h[2]") for line in lines)
    assert any("Did you mean 'tariff_peak'" in line for line in lines)
    assert not (tmp_path / "trimtab-work").exists()


def test_a_scenario_without_a_sweep_is_told_what_to_add(trimtab: Command) -> None:
    ended = trimtab("sweep", "toy/tank-day")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "has no sweep: add `sweep:" in ended.err
