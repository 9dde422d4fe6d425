import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trimtab.run.scenario_file import LoadedScenario, load_scenario

TANK = """\
name: tank
domain: toy.tank
problem: {horizon_h: 6}
controllers: [level_band, tariff]
seeds: [1, 2, 3]
"""
OWN = """\
import os, signal
from pathlib import Path

import numpy as np

from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import Action


class Idle(Controller):
    '''Does nothing.'''

    def __init__(self, problem):
        self.shape = (problem.copies, problem.spec.n_agents, 1)

    def act(self, obs):
        return Action(discrete=np.zeros(self.shape, np.int64))


class Dies(Idle):
    '''Kills its process the first `times` times.'''

    times = 1
    tally = Path(__file__).with_name("deaths")

    def act(self, obs):
        deaths = len(self.tally.read_text()) if self.tally.exists() else 0
        if deaths < self.times:
            self.tally.write_text("x" * (deaths + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().act(obs)


class AlwaysDies(Dies):
    times = 10**9


class Raises(Idle):
    def reset(self, seed, context=None, rows=None):
        self.seed = seed

    def act(self, obs):
        if 2 in self.seed:
            raise KeyError("seed two")
        return super().act(obs)


class Peeks(Idle):
    def __init__(self, problem):
        problem.resource("future")


class Prints(Idle):
    def act(self, obs):
        print("noise from domain code")
        return super().act(obs)


NOT_A_CONTROLLER = 3
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., LoadedScenario]:
    """Loads a scenario of the tanks, with overrides."""
    path = tmp_path / "tank.yaml"
    path.write_text(TANK, encoding="utf-8")
    return lambda *overrides: load_scenario(path, overrides)


@pytest.fixture
def own_module(tmp_path: Path) -> Iterator[str]:
    """Name of an importable module with the user's own controllers."""
    folder = tmp_path / "own"
    folder.mkdir()
    name = f"own_{abs(hash(tmp_path)) % 10**9}"
    (folder / f"{name}.py").write_text(OWN, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield name
    sys.path.remove(str(folder))
    sys.modules.pop(name, None)
