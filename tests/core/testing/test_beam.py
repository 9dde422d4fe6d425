import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import BoundError, UnknownNameError
from trimtab.contracts.problem import Bound, DesignSpec
from trimtab.testing.toys.beam import (
    DEFLECTION,
    DOMAIN,
    MASS,
    BeamModel,
    BeamProblem,
)


@given(load_n=st.floats(1.0, 30_000.0), seed=st.integers(0, 2**31))
def test_no_stiff_beam_is_lighter_than_the_bound(load_n: float, seed: int) -> None:
    problem = BeamModel(load_n=load_n)
    beams = BeamProblem(problem)
    drawn = beams.spec.space.sample(64, np.random.default_rng(seed))
    scored = beams.evaluate(drawn, "full", 0)
    stiff = scored.objectives[scored.constraints[:, 0] <= 0, 0]
    bound = DOMAIN.bound(problem, 0)
    if stiff.size:
        assert bound is not None
        assert stiff.min() >= bound.value * (1 - 1e-9)


def test_a_load_that_no_beam_carries_has_no_bound() -> None:
    assert DOMAIN.bound(BeamModel(load_n=1e6), 0) is None


def test_the_bound_is_attained_and_its_front_undominated() -> None:
    problem = BeamModel()
    bound = DOMAIN.bound(problem, 0)
    assert bound is not None
    DOMAIN.verify(problem, 0, bound)
    best = {"width_m": 4 / 350, "height_m": 0.1, "material": "aluminium"}
    scored = BeamProblem(problem).evaluate_design(best, "full", 0)
    assert scored.objectives[0] == pytest.approx([bound.value, 0.005])
    mass, deflection = np.array([list(point.values()) for point in bound.front]).T
    assert (np.diff(mass) > 0).all()
    assert (np.diff(deflection) < 0).all()


def test_a_bound_above_a_stiff_beam_is_refused() -> None:
    with pytest.raises(BoundError, match="is stiff"):
        DOMAIN.verify(BeamModel(), 0, Bound(4.0, "proven", "a guess"))


def test_the_reference_is_stiff_enough_and_heavier_than_the_bound() -> None:
    problem = BeamModel()
    design = DOMAIN.reference_designs(problem)["square_bar"]
    scored = BeamProblem(problem).evaluate_design(design, "full", 0)
    assert scored.constraints.max() <= 0
    assert scored.objectives[0, 0] > 3.1


def test_a_beam_is_exported_in_millimetres(tmp_path: Path) -> None:
    design = DOMAIN.reference_designs(BeamModel())["square_bar"]
    (file,) = DOMAIN.export(BeamModel(), "square_bar", design, tmp_path)
    assert json.loads(file.read_text())["width_mm"] == 45.0


def test_a_front_names_objectives_only() -> None:
    spec = BeamProblem(BeamModel()).spec
    assert spec.front_metrics == (MASS, DEFLECTION)
    chosen = DesignSpec("x", spec.space, spec.objectives, front=("deflection_m",))
    assert chosen.front_columns == (1,)
    with pytest.raises(UnknownNameError, match="Did you mean 'mass_kg'"):
        DesignSpec("x", spec.space, spec.objectives, front=("mass",))
