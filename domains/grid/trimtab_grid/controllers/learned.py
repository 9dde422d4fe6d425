"""Learned controllers as a scenario offers them: shipped or freshly trained weights.

Weights belong to one plant at one step length. On other plants `ppo` alone is offered: until it is
trained there it plays the rule that its student imitates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.contracts.controller import AnyController, Entry
from trimtab.contracts.problem import Budget, ControlProblem, Need

from trimtab_grid.scenario import GridScenario

WEIGHTS = Path(__file__).parent.parent / "weights"
UNTRAINED = (
    "ppo: nothing learned ships for this plant; until `trimtab train` its row is the rule that it "
    "would imitate"
)
HELP = {
    "ppo": "student of load following, improved on-policy on a leash",
    "sac": "soft actor-critic from that student",
    "sac_lagrangian": "soft actor-critic whose costs are priced by multipliers",
    "cvar": "student improved for the worst 5 % of days, by its stock",
    "offline_online": "implicit Q-learning from logs of load following, then online",
}


def weights_name(controller: str, scenario: GridScenario) -> str:
    """File name of a controller's weights for the scenario's plant and step."""
    return f"{controller}-{scenario.resolved_plant().name}-{scenario.step_min:g}min.safetensors"


def trained(scenario: GridScenario, folder: Path = WEIGHTS) -> dict[str, Path]:
    """Weights in `folder` that fit the scenario's plant and step, by controller."""
    paths = {name: folder / weights_name(name, scenario) for name in HELP}
    return {
        name: path
        for name, path in paths.items()
        if path.exists() and path.with_suffix(".json").exists()
    }


def entries(scenario: GridScenario, folder: Path = WEIGHTS) -> dict[str, Entry]:
    """Learned controllers whose weights fit the scenario's plant and step."""
    found: dict[str, Entry] = {}
    for name, path in trained(scenario, folder).items():
        notes = json.loads(path.with_suffix(".json").read_text())["notes"]
        found[name] = _entry(name, path, notes)
    if not found:
        text = "plays the rule that it would imitate: no weights for this plant, see trimtab train"
        needs = frozenset[Need]({"model"})
        interface = interface_of(scenario)
        found["ppo"] = Entry("learned", _policy, text, needs, interface=interface)
    return found


def interface_of(scenario: GridScenario) -> str:
    """The action interface that is learnt on a plant."""
    return "order" if scenario.resolved_plant().commitment == "order" else "default"


def _entry(name: str, path: Path, notes: Mapping[str, Any]) -> Entry:
    defaults: dict[str, Any] = {"weights": str(path)}
    risk = {key: notes[key] for key in ("stock_l", "stock_low_l", "stock_high_l") if key in notes}
    return Entry(
        role="learned",
        factory=_stock_policy if risk else _policy,
        help=HELP[name],
        needs=frozenset({"model"}) if risk else frozenset(),
        interface=str(notes["interface"]),
        defaults=defaults | risk,
        files=(path, path.with_suffix(".json")),
        trained=Budget(env_steps=int(notes["env_steps"]), cpu_s=float(notes["cpu_s"])),
    )


def _policy(problem: ControlProblem, **parameters: Any) -> AnyController:
    from trimtab_grid.controllers.players import LearnedController

    return LearnedController(problem, **parameters)


def _stock_policy(problem: ControlProblem, **parameters: Any) -> AnyController:
    from trimtab_grid.controllers.players import StockPlayer

    return StockPlayer(problem, **parameters)
