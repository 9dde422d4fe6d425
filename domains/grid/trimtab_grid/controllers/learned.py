"""Learned controllers as a scenario offers them: shipped or freshly trained weights.

Weights belong to one plant at one step length. On other plants every learned controller can be
trained; until then it plays the rule that students imitate, and only if it is named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trimtab.contracts.controller import AnyController, Entry
from trimtab.contracts.problem import Budget, ControlProblem, Need

from trimtab_grid.plant import is_shipped
from trimtab_grid.scenario import GridScenario

WEIGHTS = Path(__file__).parent.parent / "weights"
HELP = {
    "ppo": "student of a dispatch rule, improved on-policy on a leash",
    "student": "student of the best planner without foresight, improved on-policy on a leash",
    "sac": "soft actor-critic from that student",
    "sac_lagrangian": "the same with a limit on battery throughput, priced by a multiplier",
    "cvar": "student of the averse program, for the worst 5 % of days, by its stock",
    "offline_online": "implicit Q-learning from logs of that planner, then online",
}


def weights_name(controller: str, scenario: GridScenario) -> str:
    """File name of a controller's weights for the scenario's plant and step."""
    return f"{controller}-{scenario.resolved_plant().name}-{scenario.step_min:g}min.safetensors"


def trained(scenario: GridScenario, folder: Path = WEIGHTS) -> dict[str, Path]:
    """Weights in `folder` that fit the scenario's plant and step, by controller.

    Those of the package are of shipped plants: another plant of the same name has none.
    """
    if folder == WEIGHTS and not is_shipped(scenario.resolved_plant()):
        return {}
    paths = {name: folder / weights_name(name, scenario) for name in HELP}
    return {
        name: path
        for name, path in paths.items()
        if path.exists() and path.with_suffix(".json").exists()
    }


def entries(scenario: GridScenario, folder: Path = WEIGHTS) -> dict[str, Entry]:
    """Every learned controller, with its weights where they fit the scenario's plant and step."""
    shipped, interface = trained(scenario, folder), interface_of(scenario)
    found: dict[str, Entry] = {}
    for name, text in HELP.items():
        if name in shipped:
            notes = json.loads(shipped[name].with_suffix(".json").read_text())["notes"]
            found[name] = _entry(name, shipped[name], notes)
        else:
            told = f"{text}; no weights for this plant: plays a rule, see trimtab train"
            needs = frozenset[Need]({"model"})
            found[name] = Entry("learned", _factory(name), told, needs, interface=interface)
    return found


def untrained_note(scenario: GridScenario) -> tuple[str, ...]:
    """Says which learned controllers have no weights for the scenario's plant."""
    names = ", ".join(sorted(HELP.keys() - trained(scenario).keys()))
    if not names:
        return ()
    return (f"no weights ship for this plant: {names}; until `trimtab train` they play a rule",)


def interface_of(scenario: GridScenario) -> str:
    """The action interface that is learnt on a plant."""
    return "order" if scenario.resolved_plant().commitment == "order" else "default"


def _entry(name: str, path: Path, notes: Mapping[str, Any]) -> Entry:
    defaults: dict[str, Any] = {"weights": str(path)}
    risk = {key: notes[key] for key in ("stock_l", "stock_low_l", "stock_high_l") if key in notes}
    return Entry(
        role="learned",
        factory=_factory(name),
        help=HELP[name],
        needs=frozenset({"model"}) if risk else frozenset(),
        interface=str(notes["interface"]),
        defaults=defaults | risk,
        files=(path, path.with_suffix(".json")),
        trained=Budget(env_steps=int(notes["env_steps"]), cpu_s=float(notes["cpu_s"])),
    )


def _factory(name: str) -> Callable[..., AnyController]:
    return _stock_policy if name == "cvar" else _policy


def _policy(problem: ControlProblem, **parameters: Any) -> AnyController:
    from trimtab_grid.controllers.players import LearnedController

    return LearnedController(problem, **parameters)


def _stock_policy(problem: ControlProblem, **parameters: Any) -> AnyController:
    from trimtab_grid.controllers.players import StockPlayer

    return StockPlayer(problem, **parameters) if parameters else _policy(problem)
