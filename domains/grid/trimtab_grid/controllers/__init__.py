"""Controllers of microgrids, and the table in which a scenario offers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, get_args

from trimtab.contracts.controller import BARE, AnyController, Entry, Role
from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.space import Float, Space

from trimtab_grid.forecasts import Foretold
from trimtab_grid.scenario import UNSHIELDED, GridScenario

REFERENCE = "load_following"
DAY_H = 24.0
"""Longest episode whose fuel the averse program has in sight."""
MILP_HORIZON_H = 168.0
"""Longest episode on which rolling MILPs are offered: a year of them takes hours."""
_COMMANDS, _BATTERY = ("stop", "hold", "start"), ("charge", "idle", "discharge")


def entries(scenario: GridScenario) -> Mapping[str, Entry]:
    """Every classical and clairvoyant controller of a scenario, by public name."""
    interface = "order" if scenario.resolved_plant().commitment == "order" else "default"
    found: dict[str, Entry] = {}

    def add(
        name: str,
        role: Role,
        factory: Callable[..., AnyController],
        text: str,
        needs: tuple[Need, ...] = ("model",),
        **more: Any,
    ) -> None:
        found[name] = Entry(role, factory, text, frozenset(needs), interface=interface, **more)

    _add_rules(add)
    for command in _COMMANDS:
        for battery in _BATTERY:
            add(
                f"always_{command}_{battery}",
                "classical",
                partial(_constant, command=command, battery=battery),
                f"constant: {command} units, {battery} the battery",
            )
    if scenario.data.kind == "generated":
        add(
            "stochastic_dp",
            "classical",
            partial(_stochastic, scenario=scenario),
            "dynamic programming on generated past years, no foresight",
        )
        if scenario.horizon_h <= DAY_H:
            add(
                "averse_dp",
                "classical",
                partial(_averse, scenario=scenario),
                "the same, with the day's fuel in sight: for the worst 5 % of days too",
                parameters=Space((Float("weight", 0.01, 1.0),)),
            )
    if scenario.horizon_h <= MILP_HORIZON_H:
        for kind in get_args(Foretold):
            add(
                f"milp_{kind}",
                "classical" if kind == "persistence" else "clairvoyant",
                partial(_rolling, kind=kind),
                f"rolling MILP, {kind} forecast",
                ("model",) if kind == "persistence" else ("model", "future"),
            )
    add(
        "dp_perfect",
        "clairvoyant",
        _perfect,
        "dynamic programming with perfect foresight",
        ("model", "future"),
    )
    return found


def unshielded(offered: Mapping[str, Entry]) -> dict[str, Entry]:
    """The same controllers without the shield, under `<name>_unshielded`: watched, not projected.

    Their rows show what the shield prevents, and what it costs.
    """
    return {
        f"{name}{BARE}": replace(
            entry,
            role="classical" if entry.role == "reference" else entry.role,
            help=f"{entry.help}; without the shield",
            interface=f"{entry.interface}{UNSHIELDED}",
            shielded=False,
        )
        for name, entry in offered.items()
    }


def _add_rules(add: Callable[..., None]) -> None:
    look = Float("look_h", 0.1, 4.0, unit="h")
    setpoint = Float("setpoint", 0.3, 0.9)
    add("diesel_only", "classical", _rule("diesel_only"), "units for the whole load, no battery")
    add("diesel_wind", "classical", _rule("diesel_wind"), "units for the net load, no battery")
    add(
        REFERENCE,
        "reference",
        _rule("load_following"),
        "cheapest units that cover load and reserve, battery first",
        parameters=Space((look,)),
    )
    add(
        "cycle_charging",
        "classical",
        _rule("cycle_charging"),
        "running units charge the battery to a setpoint",
        parameters=Space((look, setpoint)),
    )
    add(
        "combined",
        "classical",
        _rule("combined"),
        "the cheaper of load following and cycle charging each step",
        parameters=Space((look, setpoint)),
    )
    shares = (
        Float("start_share", 0.6, 1.0),
        Float("stop_share", 0.3, 0.9),
    )
    add(
        "rule_agent",
        "classical",
        _published,
        "published start and stop rules (arXiv 2512.01046)",
        parameters=Space(shares),
    )
    add("random", "classical", _random, "any admissible command and setpoint")


def _rule(name: str) -> Callable[..., AnyController]:
    return partial(_make_rule, name)


def _make_rule(name: str, problem: ControlProblem, **parameters: float) -> AnyController:
    from trimtab_grid.controllers import rules

    factory: Callable[..., AnyController] = getattr(rules, name)
    return factory(problem, **parameters)


def _published(problem: ControlProblem, **parameters: float) -> AnyController:
    from trimtab_grid.controllers.published import PublishedRules

    return PublishedRules(problem, **parameters)


def _random(problem: ControlProblem) -> AnyController:
    from trimtab_grid.controllers.published import RandomAgent

    return RandomAgent(problem)


def _constant(problem: ControlProblem, command: str, battery: str) -> AnyController:
    from trimtab_grid.controllers.published import ConstantAgent

    return ConstantAgent(problem, command, battery)


def _stochastic(problem: ControlProblem, scenario: GridScenario) -> AnyController:
    from trimtab_grid.controllers.stochastic import StochasticProgram

    return StochasticProgram(problem, scenario)


def _averse(problem: ControlProblem, scenario: GridScenario, **parameters: float) -> AnyController:
    from trimtab_grid.controllers.averse import AverseProgram

    return AverseProgram(problem, scenario, **parameters)


def _rolling(problem: ControlProblem, kind: Foretold) -> AnyController:
    from trimtab_grid.controllers.rolling import RollingProgram

    return RollingProgram(problem, kind)


def _perfect(problem: ControlProblem) -> AnyController:
    from trimtab_grid.controllers.clairvoyant import PerfectForesight

    return PerfectForesight(problem)
