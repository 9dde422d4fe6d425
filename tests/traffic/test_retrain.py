"""`make retrain`: every part once, resumed where it was cut, installed when all is there."""

from __future__ import annotations

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

    def until_the_score(line: str) -> None:
        lines.append(line)
        if line == "stage_score ...":
            raise Cut

    work, tuned, weights = tmp_path / "work", tmp_path / "tuned", tmp_path / "weights"
    with pytest.raises(Cut):
        Retraining(work, tiny(), until_the_score).run()
    begun = [line for line in lines if line.endswith("...")]
    lines.clear()
    refused = tuned / "field" / "sotl.json"
    refused.parent.mkdir(parents=True)
    refused.write_text("{}", encoding="utf-8")
    retraining = Retraining(work, tiny(), lines.append)
    retraining.run()
    assert [line for line in lines if line.endswith("done before")] == [
        line.replace(" ...", ": done before") for line in begun[:-1]
    ]
    assert [line for line in lines if line.endswith("...")] == [
        "stage_score ...",
        "graph ...",
        "regional ...",
        "pareto ...",
    ]
    accepted = (work / "tuned" / "field" / "sotl.json").is_file()
    retraining.install(tuned, weights)
    assert read_parameters(tuned / "resco" / "stage_score.json")[0] == "stage_score"
    assert all(load_policy(weights / f"{n}.safetensors").params for n in ("graph", "regional"))
    assert refused.is_file() == accepted
    assert not work.exists()
