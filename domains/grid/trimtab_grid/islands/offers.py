"""The table in which a scenario of a cluster offers its controllers; reading it loads no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from trimtab.contracts.controller import AnyController, Entry
from trimtab.contracts.problem import ControlProblem, Need

from trimtab_grid.islands import learned
from trimtab_grid.islands.scenario import IslandsScenario

MILP_HORIZON_H = 168.0
"""Longest episode on which central programs are offered."""
_APART = {
    "load_following": "each island alone: cheapest units for load and reserve, battery first",
    "cycle_charging": "each island alone: running units charge the battery to a setpoint",
    "combined": "each island alone: the cheaper of load following and cycle charging",
}
REFERENCES = tuple(_APART)
"""What is done today where islands are run by different hands."""


def entries(scenario: IslandsScenario) -> Mapping[str, Entry]:
    """Every controller of a cluster, by public name."""
    found: dict[str, Entry] = {}
    model: frozenset[Need] = frozenset({"model"})
    for name, text in _APART.items():
        found[name] = Entry("reference", partial(_apart, name=name), text, model)
    for name, rule in (("surplus_sharing", "load_following"), ("combined_sharing", "combined")):
        text = f"{rule}; surplus wind goes to neighbours"
        found[name] = Entry("classical", partial(_sharing, rule=rule), text, model)
    found["random"] = Entry("classical", _random, "any admissible command and wish", model)
    found |= learned.entries(scenario)
    if scenario.horizon_h <= MILP_HORIZON_H:
        found["milp_persistence"] = Entry(
            "classical",
            partial(_central, foresight=False),
            "rolling MILP of all islands and ties, persistence forecast",
            model,
        )
        found["milp_perfect"] = Entry(
            "clairvoyant",
            partial(_central, foresight=True),
            "rolling MILP of all islands and ties, perfect forecast",
            frozenset({"model", "future"}),
        )
    return found


def _apart(problem: ControlProblem, name: str, **parameters: float) -> AnyController:
    from trimtab_grid.controllers import rules
    from trimtab_grid.islands.controllers import Apart

    return Apart(problem, getattr(rules, name), **parameters)


def _sharing(problem: ControlProblem, rule: str, **parameters: float) -> AnyController:
    from trimtab_grid.controllers import rules
    from trimtab_grid.islands.controllers import SurplusSharing

    return SurplusSharing(problem, getattr(rules, rule), **parameters)


def _random(problem: ControlProblem) -> AnyController:
    from trimtab_grid.islands.controllers import Random

    return Random(problem)


def _central(problem: ControlProblem, foresight: bool) -> AnyController:
    from trimtab_grid.islands.central import CentralProgram

    return CentralProgram(problem, foresight=foresight)
