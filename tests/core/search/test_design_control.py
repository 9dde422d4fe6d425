import numpy as np
import pytest
from trimtab.contracts.errors import ActionError, ContractError
from trimtab.contracts.problem import Constraint, DesignProblem, DesignSpec, Evaluation
from trimtab.contracts.space import Categorical, Float, Ordinal, Permutation, Space
from trimtab.contracts.spec import Action, Metric
from trimtab.search.bridges import as_control

REFERENCE = {"policy": "open", "size": 4, "gain": 0.5, "order": (0, 1, 2)}


class Additive(DesignProblem):
    """Cost 10 minus a sum over columns; policy "wild" breaks the constraint."""

    def __init__(self) -> None:
        self.calls = 0
        self.spec = DesignSpec(
            "additive",
            Space(
                (
                    Categorical("policy", ("open", "closed", "wild")),
                    Ordinal("size", (1, 2, 4, 8)),
                    Float("gain", 0.0, 1.0),
                    Permutation("order", 3),
                )
            ),
            (Metric("cost", "1", "min"),),
            (Constraint("tame", "1", 0.0),),
        )

    def evaluate(self, designs, fidelity, seed):
        n = len(designs)
        self.calls += n
        cost = 10 - designs[:, 0] - designs[:, 1] - designs[:, 2] - (designs[:, 3] == 2)
        wild = (designs[:, 0] == 2).astype(float)
        return Evaluation(cost[:, None], wild[:, None], np.ones(n), ("ok",) * n, np.zeros(n, bool))


@pytest.mark.parametrize("agents", ["one", "per_column"])
def test_a_bandit_plays_one_design_a_decision_and_earns_its_improvement(agents) -> None:
    problem = Additive()
    control = as_control(problem, REFERENCE, agents=agents, copies=2)
    control.reset(np.zeros(2, np.int64))
    choices = np.array([[1, 3, 8, 2, 1, 0], [2, 0, 0, 0, 1, 2]])
    shape = (2, 1, 6) if agents == "one" else (2, 6, 1)
    step = control.step(Action(discrete=choices.reshape(shape)))
    assert step.terminated.all()
    before, after = 10 - 2 - 0.5, 10 - 1 - 3 - 17 / 18 - 1
    assert step.reward[0, 0, 0] == pytest.approx((before - after) / before, rel=1e-6)
    assert step.reward[1, 0, 0] == -2.0
    assert control.calls == problem.calls == 3


def test_edits_sum_to_the_improvement_of_the_last_design() -> None:
    control = as_control(Additive(), REFERENCE, mode="edits", copies=1, horizon=3)
    control.reset(np.zeros(1, np.int64))
    edits = [[2, 0, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0], [0, 0, 2, 0, 0, 0]]
    steps = [control.step(Action(discrete=np.array(e).reshape(1, 6, 1))) for e in edits]
    total = sum(float(step.reward[0, 0, 0]) for step in steps)
    assert total == pytest.approx(float(steps[-1].metrics["improvement"][0]), rel=1e-6)
    assert [bool(step.truncated[0]) for step in steps] == [False, False, True]
    design = control._design.spec.space.designs(control._design.spec.space.decode(control.points))
    assert (design[0]["policy"], design[0]["size"]) == ("closed", 8)


def test_a_design_met_again_is_not_simulated_again() -> None:
    problem = Additive()
    control = as_control(problem, REFERENCE, mode="edits", copies=1, horizon=4)
    control.reset(np.zeros(1, np.int64))
    for choice in (2, 1, 2, 1):
        control.step(Action(discrete=np.array([0, choice, 0, 0, 0, 0]).reshape(1, 6, 1)))
    assert problem.calls == control.calls == 2


def test_ended_copies_restart_at_the_reference_where_training_asks_for_it() -> None:
    control = as_control(Additive(), REFERENCE, copies=2, autoreset=True)
    start = control.reset(np.zeros(2, np.int64))
    step = control.step(Action(discrete=np.ones((2, 6, 1), np.int64)))
    assert np.array_equal(step.obs.obs, start.obs)
    assert step.obs.alive.all()
    assert step.final_obs is not None
    assert step.final_obs.obs[0, 0, 6] == pytest.approx(step.metrics["improvement"][0])


def test_actions_of_the_wrong_shape_or_range_are_refused() -> None:
    control = as_control(Additive(), REFERENCE)
    control.reset(np.zeros(1, np.int64))
    with pytest.raises(ActionError, match=r"must be \(1, 6, 1\), got \(1, 1, 6\)"):
        control.step(Action(discrete=np.zeros((1, 1, 6), np.int64)))
    with pytest.raises(ActionError, match="choices must lie in"):
        control.step(Action(discrete=np.full((1, 6, 1), 7)))


def test_an_infeasible_reference_is_refused() -> None:
    with pytest.raises(ContractError, match="reference must be feasible"):
        as_control(Additive(), REFERENCE | {"policy": "wild"})
