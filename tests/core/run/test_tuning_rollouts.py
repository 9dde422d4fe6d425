from pathlib import Path

import pytest
from trimtab.contracts.errors import ContractError, UnknownNameError
from trimtab.run.controllers import choose_one
from trimtab.run.rollouts import Rollouts
from trimtab.run.scenario_file import LoadedScenario, load_scenario
from trimtab.run.store import Store
from trimtab.run.tuning import against_shipped, tune_controller


def tanks() -> LoadedScenario:
    return load_scenario("toy/tank-day", ["problem.horizon_h=12"])


def test_candidates_play_the_same_seeds_and_are_cached(tmp_path: Path) -> None:
    designs = [{"night": 0.2, "day": 0.8}, {"night": 0.5, "day": 0.5}]
    with Rollouts(tanks(), "tariff", [101, 102], tmp_path, 1) as rollouts:
        first = rollouts(designs)
        again = rollouts(designs)
    assert [[r.seed for r in row] for row in first] == [[101, 102], [101, 102]]
    assert again == first
    with Store(tmp_path) as store:
        attempts = [job.attempt for job in store.jobs(rollouts.run_id)]
    assert attempts == [1, 1, 1, 1]


def test_tuning_finds_parameters_that_beat_the_middle_of_the_space(tmp_path: Path) -> None:
    loaded = tanks()
    with Rollouts(loaded, "tariff", [101, 102], tmp_path, 1) as rollouts:
        tuned = tune_controller(rollouts, "tariff", loaded.domain.headline, 16)
        ((first, second),) = rollouts([{"night": 0.5, "day": 0.5}])
        ((one, two),) = rollouts([tuned.parameters])
    middle = (first.metrics["pumping_cost"] + second.metrics["pumping_cost"]) / 2
    assert tuned.after < middle
    assert tuned.after == (one.metrics["pumping_cost"] + two.metrics["pumping_cost"]) / 2
    assert tuned.budget.evaluations == 16
    assert list(tuned.trace) == sorted(tuned.trace, reverse=True)


def test_an_unknown_controller_and_one_without_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'tariff'"):
        Rollouts(tanks(), "tarif", [1], tmp_path)
    with (
        Rollouts(tanks(), "level_band", [1], tmp_path) as rollouts,
        pytest.raises(ContractError, match="no parameters to tune"),
    ):
        tune_controller(rollouts, "level_band", tanks().domain.headline, 4)


def test_what_was_found_is_judged_on_the_seeds_given(tmp_path: Path) -> None:
    loaded = tanks()
    headline = loaded.domain.headline
    with Rollouts(loaded, "tariff", [111, 112, 113], tmp_path, 1) as rollouts:
        shipped = dict(rollouts.entry.defaults)
        assert against_shipped(rollouts, headline, shipped) is None
        worse = against_shipped(rollouts, headline, {"night": 0.0, "day": 0.0})
        (found, usual) = rollouts([{"night": 0.0, "day": 0.0}, shipped])
    assert worse is not None
    costs = [[r.metrics[headline.name] for r in row] for row in (found, usual)]
    assert worse.mean == pytest.approx(sum(costs[0]) / 3 - sum(costs[1]) / 3)
    assert (worse.seeds, worse.verdict == "better") == (3, False)
    assert worse.mean > 0


OWN = """
import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.space import Float, Space
from trimtab.contracts.spec import Action

class Band(Controller):
    "Pumps below a level of its own."
    parameters = Space((Float("below", 0.0, 1.0),))
    def __init__(self, problem, below=0.1):
        self.below = below
    def act(self, obs):
        return Action(discrete=(obs.obs[..., :1] < self.below).astype(np.int64))
"""


def test_the_users_own_controller_is_tuned_from_its_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tuned_band.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = tanks()
    with Rollouts(loaded, "tuned_band:Band", [101, 102], tmp_path / "work", 1) as rollouts:
        tuned = tune_controller(rollouts, rollouts.name, loaded.domain.headline, 8)
        ((first, second),) = rollouts([{"below": 0.1}])
    assert rollouts.name == "Band"
    assert tuned.before == (first.metrics["pumping_cost"] + second.metrics["pumping_cost"]) / 2
    assert set(tuned.parameters) == {"below"}


def test_a_controller_of_an_installed_package_is_taken_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed_band.py").write_text(OWN)
    info = tmp_path / "bands-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bands\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[trimtab.controllers]\nband = installed_band:Band\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    choice = choose_one({}, "band")
    assert (choice.name, choice.entry.role) == ("Band", "user")
    assert choice.entry.defaults == {"below": 0.1}
    with pytest.raises(UnknownNameError, match="known: band"):
        choose_one({}, "bund")
