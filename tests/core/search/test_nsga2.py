import numpy as np
from trimtab.contracts.problem import Constraint, DesignProblem, DesignSpec, Evaluation
from trimtab.contracts.space import Float, Space
from trimtab.contracts.spec import Metric
from trimtab.search.catalogue import make
from trimtab.search.loop import Search
from trimtab.search.nsga2 import front_numbers


class Schaffer(DesignProblem):
    """x² against (x - 2)²; designs below zero break the constraint."""

    def __init__(self) -> None:
        self.spec = DesignSpec(
            "schaffer",
            Space((Float("x", -10.0, 10.0), Float("y", 0.0, 1.0))),
            (Metric("near", "1", "min"), Metric("far", "1", "max")),
            (Constraint("positive", "1", 0.0),),
        )

    def evaluate(self, designs, fidelity, seed):
        x, y = designs.T
        n = len(x)
        far = -((x - 2) ** 2) - y
        return Evaluation(
            np.column_stack([x**2 + y, far]),
            -x[:, None],
            np.zeros(n),
            ("ok",) * n,
            np.zeros(n, bool),
        )


def test_fronts_are_peeled_one_after_the_other() -> None:
    values = np.array([[[0.0, 3.0], [1.0, 1.0], [3.0, 0.0], [1.0, 2.0], [3.0, 3.0]]])
    assert front_numbers(values).tolist() == [[0, 0, 0, 1, 2]]


def test_it_spreads_over_the_pareto_front_and_keeps_the_constraint() -> None:
    problem = Schaffer()
    running = Search(problem, make("nsga2", problem.spec.space, 1), 960, batch=24)
    while not running.done:
        running.advance()
    last = running.told.designs[-24:]
    good = (last[:, 0] > -0.2) & (last[:, 0] < 2.2) & (last[:, 1] < 0.2)
    assert good.mean() > 0.6
    assert np.ptp(last[good, 0]) > 1.2
