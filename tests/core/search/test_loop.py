import numpy as np
import pytest
from trimtab.contracts.errors import ContractError
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Violations
from trimtab.contracts.space import Integer, Space
from trimtab.contracts.spec import Metric
from trimtab.search.bridges import as_design
from trimtab.search.cmaes import CmaEs
from trimtab.search.loop import Search, search
from trimtab.search.optimizer import Optimizer, penalised
from trimtab.search.sobol import Sobol
from trimtab.testing.toys.beam import BeamModel, BeamProblem


def lightest_beam_kg() -> float:
    """The optimum in closed form: the tallest beam, as narrow as stiffness allows."""
    best = np.inf
    for young, density in ((210e9, 7850.0), (70e9, 2700.0)):
        height = 0.1
        width = max(4 * 1000.0 / (young * 0.005 * height**3), 0.01)
        best = min(best, density * width * height)
    return best


def test_cmaes_finds_the_lightest_stiff_beam() -> None:
    result = search(BeamProblem(BeamModel()), CmaEs(3, 1), 600, batch=8)
    assert result.score == pytest.approx(lightest_beam_kg(), rel=0.02)
    assert result.budget.evaluations == 600
    assert (np.diff(result.trace) <= 0).all()


def test_sobol_respects_the_constraint() -> None:
    result = search(BeamProblem(BeamModel()), Sobol(3, 1), 200)
    beam = BeamProblem(BeamModel()).evaluate(result.best[None], "full", 0)
    assert beam.constraints.max() <= 0


def rollouts(designs):
    return [
        [
            EpisodeRecord(
                "c",
                s,
                {"delay": (d["k"] - 3) ** 2 + s},
                violations={"rule": Violations(int(d["k"] == 3), 1)},
            )
            for s in (1, 2)
        ]
        for d in designs
    ]


@pytest.mark.parametrize("optimizer", [Sobol(1, 0), CmaEs(1, 0, min_std=np.array([0.1]))])
def test_tuning_avoids_parameters_that_break_rules_and_never_repeats_a_call(
    optimizer: Optimizer,
) -> None:
    problem = as_design("c", Space((Integer("k", 0, 9),)), Metric("delay", "s", "min"), rollouts)
    result = search(problem, optimizer, 10, batch=4)
    assert problem.spec.space.designs(result.best[None])[0]["k"] in (2, 4)
    assert result.budget.evaluations <= 10


def test_a_controller_without_parameters_is_refused_by_name() -> None:
    with pytest.raises(ContractError, match="'fixed' has no parameters"):
        as_design("fixed", None, Metric("delay", "s", "min"), rollouts)


def test_failed_designs_rank_last_and_infeasible_after_feasible() -> None:
    score = penalised(np.array([5.0, 1.0, np.nan, 2.0]), np.array([[0.0], [3.0], [0.0], [-1.0]]))
    assert np.argsort(score).tolist() == [3, 0, 1, 2]


@pytest.mark.parametrize("kind", [CmaEs, Sobol])
def test_a_search_continues_from_its_state_to_the_same_bits(kind: type[CmaEs | Sobol]) -> None:
    beams = BeamProblem(BeamModel())
    whole = Search(beams, kind(3, 1), 60, batch=4)
    while not whole.done:
        whole.advance()
    first = Search(beams, kind(3, 1), 60, batch=4)
    for _ in range(7):
        first.advance()
    second = Search(beams, kind(3, 1), 60, batch=4)
    second.load_state_dict(first.state_dict())
    while not second.done:
        second.advance()
    assert (second.told.designs == whole.told.designs).all()
    assert (second.score == whole.score).all()
    assert second.budget.evaluations == whole.budget.evaluations == 60
