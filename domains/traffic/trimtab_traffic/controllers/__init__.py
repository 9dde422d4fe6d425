"""Signal controllers by public name; each family is one file, imported only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from trimtab.contracts.controller import Entry, Factory, Role
from trimtab.contracts.problem import Need
from trimtab.contracts.space import Float, Space

from trimtab_traffic.scenario import SignalsProblem

OBSERVES: frozenset[Need] = frozenset({"model", "state"})
STATIC: frozenset[Need] = frozenset({"model"})


def entries(problem: SignalsProblem) -> dict[str, Entry]:
    """Every controller offered on a scenario, by public name."""
    from trimtab_traffic.controllers.tuned_parameters import with_shipped_parameters

    tuned = {
        name: with_shipped_parameters(name, entry, problem.rules.profile)
        for name, entry in untuned_entries(problem).items()
    }
    return tuned | _learned(problem)


def untuned_entries(problem: SignalsProblem) -> dict[str, Entry]:
    """The classical controllers with their own defaults, by public name."""
    return {
        **_plans(problem),
        **_actuations(problem),
        **_centres(problem),
        **_stage_choices(problem),
        **_scores(),
    }


def _defaults(function: Callable[..., object], space: Space) -> dict[str, Any]:
    """Default arguments of a controller, for the parameters that tuning searches."""
    arguments = signature(function).parameters
    return {p.name: arguments[p.name].default for p in space.parameters}


def _plans(problem: SignalsProblem) -> dict[str, Entry]:
    """Programs whose greens do not follow the traffic."""
    from trimtab_traffic.controllers import native, webster

    return {
        "fixed": Entry(
            role="reference",
            factory=partial(native.Fixed, profile=problem.profile),
            help="the shipped program, of its own type; under field with legal intergreens",
            needs=STATIC,
            interface="native",
            shielded=False,
        ),
        "webster": Entry(
            role="classical",
            factory=partial(webster.Webster, model=problem),
            help="Webster's cycle and splits, offsets climbed on a platoon model; knows the demand",
            needs=STATIC,
            interface="native",
            parameters=webster.PARAMETERS,
            defaults={"offsets": "platoon"},
            shielded=False,
        ),
    }


def _actuations(problem: SignalsProblem) -> dict[str, Entry]:
    """Programs of SUMO's own that stretch greens by detectors."""
    from trimtab_traffic.controllers import native, nema

    greens = {"min_green_s": 5, "max_green_s": 50}

    def program(
        factory: Factory,
        text: str,
        defaults: dict[str, Any],
        parameters: Space | None = None,
        role: Role = "classical",
    ) -> Entry:
        return Entry(
            role=role,
            factory=partial(factory, profile=problem.profile),
            help=text,
            needs=STATIC,
            interface="native",
            parameters=parameters,
            defaults=defaults,
            shielded=False,
        )

    return {
        "actuated": program(
            native.Actuated,
            "SUMO's gap-based actuation of the shipped stages; greens of 5 to 50 s unless tuned",
            {**greens, "max_gap_s": 3.0, "detector_gap_s": 2.0},
            native.ACTUATED_PARAMETERS,
            "reference",
        ),
        "actuated_5_50": program(
            native.Actuated, "SUMO's gap-based actuation, greens of 5 to 50 s, never tuned", greens
        ),
        "delay_based": program(
            native.DelayBased,
            "SUMO's delay-based actuation of the shipped stages",
            {**greens, "min_time_loss_s": 1.0, "detector_range_m": 100.0},
            native.DELAY_BASED_PARAMETERS,
        ),
        "nema": program(
            nema.Nema,
            "SUMO's NEMA dual ring where the geometry permits, elsewhere the shipped plan",
            _defaults(nema.Nema, nema.PARAMETERS),
            nema.PARAMETERS,
        ),
    }


def _centres(problem: SignalsProblem) -> dict[str, Entry]:
    """Controllers that retime running plans, once per cycle."""
    from trimtab_traffic.controllers import on_trial, regional_rule, scoot

    return {
        "scoot": Entry(
            role="classical",
            factory=partial(scoot.Scoot, profile=problem.profile),
            help="splits by degree of saturation, cycle from the critical junction; loops",
            needs=OBSERVES,
            interface="cycle",
            parameters=scoot.PARAMETERS,
            defaults=_defaults(scoot.Scoot, scoot.PARAMETERS),
        ),
        "regional_rule": Entry(
            role="classical",
            factory=partial(
                on_trial.on_trial,
                partial(regional_rule.RegionalRule, profile=problem.profile),
                model=problem,
                name="regional_rule",
            ),
            help="one centre moves splits by the delay that probes foretell, if a trial shows gain",
            needs=OBSERVES,
            interface="split",
            parameters=regional_rule.PARAMETERS,
            defaults=regional_rule.DEFAULTS,
        ),
    }


def _stage_choices(problem: SignalsProblem) -> dict[str, Entry]:
    """Controllers that choose the next stage, each with a state or a model of its own."""
    from trimtab_traffic.controllers import box_hold, max_pressure, mpc, sotl, stage_score

    return {
        "sotl": Entry(
            role="classical",
            factory=sotl.Sotl,
            help="self-organising lights: red approaches gather vehicle-seconds to a threshold",
            needs=OBSERVES,
            interface="stage",
            parameters=sotl.PARAMETERS,
            defaults=_defaults(sotl.Sotl, sotl.PARAMETERS),
        ),
        "mpc": Entry(
            role="classical",
            factory=partial(box_hold.held, mpc.Mpc, profile=problem.profile),
            help="rollout MPC: cheapest stage sequence on point queues; knows each next link",
            needs=OBSERVES,
            interface="stage",
            parameters=mpc.PARAMETERS,
            defaults={"horizon_s": 30, "tail_s": 20.0, "patience_s": 120.0},
        ),
        "max_pressure": Entry(
            role="classical",
            factory=max_pressure.MaxPressure,
            help="Varaiya's max-pressure by movements with estimated turning ratios",
            needs=OBSERVES,
            interface="stage",
            parameters=max_pressure.PARAMETERS,
            defaults=_defaults(max_pressure.MaxPressure, max_pressure.PARAMETERS),
        ),
        "stage_score": Entry(
            role="classical",
            factory=partial(box_hold.held, stage_score.StageScore),
            help="weighted sum of stage features, the rollout of mpc among them; weights tuned",
            needs=OBSERVES,
            interface="graph",
            parameters=stage_score.PARAMETERS,
            defaults=stage_score.TUNED,
        ),
    }


def _scores() -> dict[str, Entry]:
    """Controllers that show the stage of the highest score."""
    from trimtab_traffic.controllers import pressure
    from trimtab_traffic.controllers.stages import Score, StageRule

    def rule(
        score: Callable[..., Score], text: str, parameters: Space | None = None, **defaults: float
    ) -> Entry:
        factory = partial(StageRule, rule=score)
        return Entry("classical", factory, text, OBSERVES, "stage", parameters, defaults)

    advantage = Space((Float("advantage_veh", 0.0, 10.0, "veh"),))
    return {
        "longest_queue": rule(
            pressure.longest_queue,
            "serve the longest queue of halting vehicles",
            advantage,
            **_defaults(pressure.longest_queue, advantage),
        ),
        "mp_move": rule(
            pressure.movement_pressure, "movement max-pressure; knows each vehicle's next link"
        ),
        "mp_split": rule(
            pressure.vehicle_split_pressure, "lane max-pressure of all vehicles; lane detectors"
        ),
        "mph_split": rule(
            pressure.halting_split_pressure, "lane max-pressure of halting vehicles; lane detectors"
        ),
        "greedy": rule(pressure.greedy, "most halting vehicles on the served lanes"),
        "mp_naive": rule(
            pressure.naive_pressure, "lane totals credited to every stage: a counter-example"
        ),
        "wave_50": rule(
            pressure.wave,
            "most vehicles within 50 m of the stop line; knows each vehicle's next link",
            radius_m=50.0,
        ),
    }


def _learned(problem: SignalsProblem) -> dict[str, Entry]:
    from trimtab_traffic.controllers import box_hold, learned, on_trial, pareto, regional

    shipped = learned.shipped_graph(problem.sensors)
    return {
        "graph": Entry(
            role="learned",
            factory=partial(
                box_hold.held, partial(learned.graph, shipped=shipped), hold_s=box_hold.HOLD_S
            ),
            help="graph policy trained on generated networks only; plays any network unseen",
            needs=OBSERVES,
            interface="graph",
            files=(shipped, shipped.with_suffix(".json")),
            trained=learned.training_budget(shipped),
        ),
        "pareto": Entry(
            role="learned",
            factory=pareto.pareto,
            help="stage_score under a preference between delay, stops, buses and pedestrians",
            needs=OBSERVES,
            interface="graph",
            defaults={"preference": pareto.BALANCED},
            files=(pareto.PARETO,),
            trained=pareto.training_budget(pareto.PARETO),
        ),
        "regional": Entry(
            role="learned",
            factory=partial(
                on_trial.on_trial,
                partial(regional.regional, profile=problem.profile),
                model=problem,
                name="regional",
                files=regional.files,
            ),
            help="one learned centre moves splits by what probes tell, if a trial shows gain",
            needs=OBSERVES,
            interface="split",
            files=(regional.REGIONAL, regional.REGIONAL.with_suffix(".json")),
            trained=learned.training_budget(regional.REGIONAL),
        ),
    }
