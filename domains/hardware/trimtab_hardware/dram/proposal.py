"""A design for a scenario's own traces by the shipped transfer policy, with no simulator call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.errors import TrimtabError

from trimtab_hardware.dram.metrics import buffer_entries
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import MOST_REFRESH_GAP, DramScenario
from trimtab_hardware.dram.spaces import seed10
from trimtab_hardware.dram.transfer import SHIPPED, load_policy, observed


def proposed_design(scenario: DramScenario, weights: Path = SHIPPED) -> Mapping[str, Any]:
    """The arm of least predicted energy × time, weighted over the workloads.

    Parameters that the scenario holds at a value choose among the arms where some has that value,
    and overrule the arm where none has. A limit of buffer entries chooses likewise; refreshes are
    moved so little that none comes too late. Bandwidth and tails of latency need a simulation.

    Args:
        scenario: of the ten controller parameters.
        weights: of the policy.

    Raises:
        TrimtabError: the scenario searches another space.
    """
    if not scenario.space.startswith("seed10"):
        msg = (
            f"no design is proposed in space {scenario.space}: the policy knows the ten controller "
            "parameters; set `space: seed10`, or search"
        )
        raise TrimtabError(msg)
    problem, policy = DramProblem(scenario), load_policy(weights)
    outcome = np.zeros(len(policy.arms))
    for trace, weight in zip(problem.traces, problem.weights, strict=True):
        outcome += weight * policy.predict(observed(trace, problem.part))
    designs = seed10().designs(policy.arms)
    held = scenario.fixed
    most = scenario.limits.buffer_entries or np.inf
    misses = []
    for design in designs:
        setup = problem.setup({**design, **held})
        large = buffer_entries(setup.configuration, setup.part) > most
        misses.append(large + sum(design[name] != value for name, value in held.items()))
    best = np.lexsort((outcome, misses))[0]
    return {**_refreshed_in_time(designs[best]), **held}


def _refreshed_in_time(design: Mapping[str, Any]) -> dict[str, Any]:
    """The design, its refreshes moved by so little that their gaps keep JEDEC's limit.

    A rank that pulls in q refreshes and then postpones p of them waits for 1 + p + q intervals, and
    until its banks are closed.
    """
    postponed, pulled = design["refresh_max_postponed"], design["refresh_max_pulled_in"]
    if 1 + postponed + pulled < MOST_REFRESH_GAP:
        return dict(design)
    moved = {"refresh_max_postponed": min(postponed, 4), "refresh_max_pulled_in": min(pulled, 2)}
    return {**design, **moved}
