import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import ContractError, UnknownNameError
from trimtab.contracts.space import (
    Categorical,
    Condition,
    Float,
    Integer,
    Ordinal,
    Permutation,
    Space,
)

SPACE = Space(
    (
        Float("gain", 0.1, 10.0, log=True),
        Float("bias", -1.0, 1.0),
        Integer("depth", 1, 8),
        Ordinal("buffer", (1, 2, 4, 8)),
        Categorical("policy", ("open", "closed")),
        Permutation("order", 4),
        Integer("timeout", 0, 9, active_if=Condition("policy", ("open",))),
    )
)


@given(st.integers(0, 2**32 - 1))
def test_coded_designs_survive_the_unit_cube_and_the_readable_form(seed: int) -> None:
    coded = SPACE.sample(5, np.random.default_rng(seed))
    assert np.allclose(SPACE.decode(SPACE.encode(coded)), coded, rtol=1e-12, atol=1e-12)
    assert np.array_equal(SPACE.code(SPACE.designs(coded)), coded)


def test_the_corners_of_the_cube_are_the_ends_of_the_ranges() -> None:
    low, high = SPACE.designs(SPACE.decode(np.array([[0.0] * 10, [1.0] * 10])))
    assert (low["gain"], low["depth"], low["buffer"]) == (0.1, 1, 1)
    assert (high["gain"], high["depth"], high["buffer"]) == (10.0, 8, 8)


def test_conditions_switch_parameters_off() -> None:
    designs = SPACE.designs(SPACE.sample(20, np.random.default_rng(0)))
    active = SPACE.active(SPACE.code(designs))
    assert [d["policy"] == "open" for d in designs] == active[:, -1].tolist()


def test_a_misspelt_parameter_is_named_with_the_right_one() -> None:
    design = SPACE.designs(SPACE.sample(1, np.random.default_rng(0)))[0]
    design["gian"] = design.pop("gain")
    with pytest.raises(UnknownNameError, match="Did you mean 'gain'"):
        SPACE.code([design])


def test_values_out_of_range_are_refused() -> None:
    design = SPACE.designs(SPACE.sample(1, np.random.default_rng(0)))[0]
    with pytest.raises(ContractError, match=r"depth: 9 is not an integer in \[1, 8\]"):
        SPACE.code([design | {"depth": 9}])
