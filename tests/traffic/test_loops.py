"""Stop-line loops count who passes each approach lane."""

from __future__ import annotations

import numpy as np
from trimtab.contracts.spec import Action
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem


def test_loops_count_vehicles_and_never_forget():
    model = SignalsProblem.model_validate(
        {"network": {"wheel": "cologne1"}, "rules": {"profile": "resco"}, "horizon_s": 600}
    )
    with SignalControl(model, "cycle") as problem:
        problem.reset(np.array([1]))
        greens = problem.plan(0).green_of_stages(4)
        action = Action(box=np.array([[[*greens, 0.0]]], dtype=np.float32))
        counts = [problem.state.passed_veh()]
        for _ in range(5):
            problem.step(action)
            counts.append(problem.state.passed_veh())
    assert not counts[0].any()
    assert (np.diff(counts, axis=0) >= 0).all()
    assert 100 < counts[-1].sum() < 400
