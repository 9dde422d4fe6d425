"""A design for a scenario's own traces by the shipped transfer policy, with no simulator call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.errors import TrimtabError

from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import DramScenario
from trimtab_hardware.dram.spaces import seed10
from trimtab_hardware.dram.transfer import SHIPPED, load_policy, observed


def proposed_design(scenario: DramScenario, weights: Path = SHIPPED) -> Mapping[str, Any]:
    """The arm of least predicted energy × time, weighted over the workloads.

    Parameters that the scenario holds at a value choose among the arms where some has that value,
    and overrule the arm where none has.

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
    misses = [sum(design[name] != value for name, value in held.items()) for design in designs]
    best = np.lexsort((outcome, misses))[0]
    return {**designs[best], **held}
