import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
QUICK = ("--set", "budget.evaluations=30", "--workers", "1")
DESIGN = "width_m: 0.05\nheight_m: 0.06\nmaterial: steel\n"


def test_a_design_run_prints_optimizers_and_recommends_a_design(
    trimtab: Command, tmp_path: Path
) -> None:
    wanted = ("--controllers", "random,cmaes", "--n-seeds", "3")
    result = trimtab("run", "toy/beam", *QUICK, *wanted, "--json").document
    assert result["kind"] == "design"
    assert {row["name"]: row["role"] for row in result["rows"]} == {
        "cmaes": "optimizer", "random": "optimizer", "square_bar": "reference",
    }  # fmt: skip
    row = next(row for row in result["rows"] if row["name"] == "cmaes")
    assert row["budget"]["evaluations"] == 90
    assert row["regret"] > 0
    assert row["search"]["curve"]["calls"][-1] == 30
    assert result["bound"]["kind"] == "proven"
    best = result["recommendation"]
    assert set(best["design"]) == {"width_m", "height_m", "material"}

    shown = trimtab("run", "toy/beam", *QUICK, *wanted)
    assert shown.code == 0
    assert "7 from the store" in shown.err or "8 from the store" in shown.err
    assert "met bound" in shown.out

    kept = json.loads((tmp_path / result["run_dir"] / "design.json").read_text())
    assert (kept["schema"], kept["design"]) == ("trimtab/design/1", best["design"])
    played = trimtab("simulate", "toy/beam", "--design", "best", "--json").document
    assert played["record"]["name"] == best["name"]
    assert played["record"]["design"] == best["design"]
    written = trimtab("export", "toy/beam", "--design", "best", "--out", "cut", "--json").document
    assert written["design"] == {"name": best["name"], "values": best["design"]}
    cut = json.loads((tmp_path / written["files"][0]).read_text())
    assert cut["width_mm"] == round(1000 * best["design"]["width_m"], 3)
    other = trimtab("simulate", "toy/beam", "--set", "problem.load_n=2e3", "--design", "best")
    assert other.code == 2
    assert "holds no finished run of toy/beam with these settings" in other.err


def test_one_design_is_simulated_with_all_its_metrics(trimtab: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(DESIGN)
    shown = trimtab("simulate", "toy/beam", "--design", "mine.yaml", "--out", "log")
    assert shown.code == 0
    assert "mass_kg              23.55" in shown.out
    assert "kept" in shown.out
    assert (tmp_path / "log" / "record.json").exists()
    today = trimtab("simulate", "toy/beam", "--design", "reference", "--json").document
    assert today["schema"] == "trimtab/simulation/1"
    assert today["record"]["name"] == "square_bar"
    named = trimtab("simulate", "toy/beam", "--design", "square_bar", "--json").document
    assert named["record"] == today["record"]


def test_tuning_a_design_leaves_a_file_that_simulate_and_run_take(
    trimtab: Command, tmp_path: Path
) -> None:
    asked = ("--optimizer", "random", "--evaluations", "20", "--seed", "3", "--workers", "1")
    tuned = trimtab("tune", "toy/beam", *asked, "--out", "best.json", "--json").document
    assert tuned["schema"] == "trimtab/tuning/1"
    assert tuned["evaluations"] == 20
    assert tuned["before"] == pytest.approx(15.89625)
    assert tuned["after"] < tuned["before"]
    played = trimtab("simulate", "toy/beam", "--design", "best.json", "--json").document
    assert played["record"]["metrics"]["mass_kg"] == tuned["after"]
    joined = trimtab(
        "run", "toy/beam", *QUICK, "--controllers", "random", "--controller", "best.json",
        "--n-seeds", "1", "--json",
    ).document  # fmt: skip
    assert {row["name"]: row["role"] for row in joined["rows"]}["best"] == "user"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("simulate", "toy/beam"), "give --controller NAME, or --design"),
        (("simulate", "toy/beam", "--controller", "cmaes"), "unknown controller 'cmaes'"),
        (("simulate", "toy/tank-day", "--design", "best"), "has controllers, not designs"),
        (("simulate", "toy/beam", "--design", "refrence"), "Did you mean 'reference'"),
        (("simulate", "toy/beam", "--design", "none.yaml"), "none.yaml: cannot be read"),
        (("simulate", "toy/beam", "--design", "best"), "has no job store yet"),
        (("export", "toy/beam", "--out", "x"), "give --controller NAME, or --design"),
        (("tune", "toy/beam", "--optimizer", "cmeas"), "Did you mean 'cmaes'"),
        (("tune", "toy/tank-day"), "name what to tune: --controller NAME"),
    ],
)
def test_wrong_designs_are_named_in_one_line(
    trimtab: Command, command: tuple[str, ...], said: str
) -> None:
    ended = trimtab(*command)
    assert ended.code == 2
    assert said in " ".join(ended.err.split()).replace("│ ", "")


def test_a_design_file_that_does_not_fit_names_the_parameter(
    trimtab: Command, tmp_path: Path
) -> None:
    cases = {
        "width_m: 0.05\n": "design lacks height_m, material",
        DESIGN.replace("material", "metal"): "unknown design parameter 'metal'",
        DESIGN.replace("0.05", "5"): "width_m: 5 is outside [0.01, 0.1] m",
        "- 1\n": "is no design",
    }
    for text, said in cases.items():
        (tmp_path / "mine.yaml").write_text(text)
        ended = trimtab("simulate", "toy/beam", "--design", "mine.yaml")
        assert ended.code == 2
        assert said in ended.err


def test_a_search_without_a_feasible_design_says_so(trimtab: Command) -> None:
    heavy = ("--set", "problem.load_n=25000", "--evaluations", "2", "--workers", "1")
    ended = trimtab("tune", "toy/beam", *heavy, "--optimizer", "sobol")
    assert ended.code == 0
    assert "no design that was tried keeps every limit" in ended.err
    assert "violated" in ended.out
