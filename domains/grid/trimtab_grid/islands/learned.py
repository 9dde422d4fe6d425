"""Learned agents of a cluster, one per island with one network, as a scenario offers them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trimtab.contracts.controller import AnyController, Entry
from trimtab.contracts.problem import Budget, ControlProblem

from trimtab_grid.controllers.learned import WEIGHTS
from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.plant import is_shipped

IPPO = "ippo"
HELP = "every island acts on what it sees: student of combined_sharing, improved as a team"


def weights_name(scenario: IslandsScenario) -> str:
    """File name of the weights for the scenario's plants, ties and step."""
    plants = [scenario.island_scenario(k).resolved_plant() for k in range(len(scenario.islands))]
    joined = "+".join(plant.name for plant in plants)
    return f"{IPPO}-{joined}-{len(scenario.ties)}ties-{scenario.step_min:g}min.safetensors"


def entries(scenario: IslandsScenario, folder: Path = WEIGHTS) -> dict[str, Entry]:
    """The learned agents, with their weights where they fit the scenario."""
    path = folder / weights_name(scenario)
    manifest = path.with_suffix(".json")
    if not (path.exists() and manifest.exists() and _is_known(scenario, folder)):
        told = f"{HELP}; no weights for this cluster: plays combined_sharing, see trimtab train"
        return {IPPO: Entry("learned", _play, told, frozenset({"model"}))}
    notes = json.loads(manifest.read_text())["notes"]
    trained = Budget(env_steps=int(notes["env_steps"]), cpu_s=float(notes["cpu_s"]))
    defaults = {"weights": str(path)}
    files = (path, manifest)
    return {IPPO: Entry("learned", _play, HELP, defaults=defaults, files=files, trained=trained)}


def _is_known(scenario: IslandsScenario, folder: Path) -> bool:
    """Whether weights in `folder` may be of these plants; the package's are of shipped ones."""
    count = range(len(scenario.islands))
    shipped = all(is_shipped(scenario.island_scenario(k).resolved_plant()) for k in count)
    return shipped or folder != WEIGHTS


def _play(problem: ControlProblem, **parameters: Any) -> AnyController:
    from trimtab_grid.controllers.players import LearnedController
    from trimtab_grid.islands.controllers import sharing

    return LearnedController(problem, untaught=sharing, **parameters)
