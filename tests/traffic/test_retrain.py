"""`make retrain`: every part once, resumed where it was cut, installed when all is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trimtab.deploy.weights import load_policy
from trimtab.run.parameter_file import read_parameters
from trimtab_traffic.retrain import Retraining, tiny


class Cut(Exception):
    """Stands for a kill."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_retraining_that_was_cut_goes_on_with_its_part_and_replaces_what_ships(
    tmp_path: Path,
) -> None:
    lines: list[str] = []

    def until_the_region(line: str) -> None:
        lines.append(line)
        if line == "regional ...":
            raise Cut

    work, tuned, weights = tmp_path / "work", tmp_path / "tuned", tmp_path / "weights"
    with pytest.raises(Cut):
        Retraining(work, tiny(), until_the_region).run()
    begun = [line for line in lines if line.endswith("...")]
    lines.clear()
    retraining = Retraining(work, tiny(), lines.append)
    retraining.run()
    assert [line for line in lines if line.endswith("done before")] == [
        line.replace(" ...", ": done before") for line in begun[:-1]
    ]
    parts = [line for line in lines if line.endswith("...")]
    assert parts[:3] == ["regional ...", "pareto ...", "resco-actuated ..."]
    assert len(parts) + len(begun) - 1 == 17
    retraining.install(tuned, weights)
    assert read_parameters(tuned / "resco" / "stage_score.json")[0] == "stage_score"
    assert all(load_policy(weights / f"{n}.safetensors").params for n in ("graph", "regional"))
    about = json.loads((tuned / "field" / "sotl.json").read_text(encoding="utf-8"))
    assert bool(about["parameters"]) == about["manifest"]["accepted"]
    assert not work.exists()
