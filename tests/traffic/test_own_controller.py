"""The engineer's own controller, as `docs/traffic.md` shows it."""

import re
from pathlib import Path

import numpy as np
import pytest
from trimtab.run.controllers import choose_one
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.writers import export

PAGE = Path(__file__).parents[2] / "docs/traffic.md"
TOWN = SignalsProblem.model_validate(
    {"network": {"generated": {"columns": 2, "rows": 1, "block_m": 120}}, "horizon_s": 120}
)


@pytest.fixture
def fullest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    page = PAGE.read_text(encoding="utf-8").partition("## Your own controller")[2]
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    (tmp_path / "fullest_page.py").write_text(found[1], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "fullest_page:Fullest"


def test_the_page_shows_a_controller_that_serves_the_fullest_lanes(fullest: str) -> None:
    choice = choose_one({}, fullest)
    assert (choice.name, choice.entry.role) == ("fullest", "user")
    assert choice.entry.defaults == {"stay_veh": 4.0}
    with SignalControl(TOWN, choice.entry.interface) as problem:
        made = make_controller(problem, choice.entry, {"stay_veh": 0.0}, choice.name)
        (record,) = evaluate(problem, made, [1], shield=problem.shield)
        assert record.metrics["throughput_veh_h"] > 0
        obs = problem.reset(np.array([1]))
        for _ in range(8):
            obs = problem.step(made.act(obs)).obs
        vehicles, chosen = problem.state.lane_vehicles(), made.act(obs).discrete[0, :, 0]
        for stage, lanes in zip(chosen, made.served, strict=True):
            counts = [vehicles[served].sum() for served in lanes]
            assert counts[stage] == max(counts)


def test_it_is_exported_like_any_other(fullest: str, tmp_path: Path) -> None:
    files = export(TOWN, fullest, {}, tmp_path / "out")
    assert {"replay.add.xml", "decisions.csv", "shield.csv"} <= {path.name for path in files}
