import numpy as np
import pytest
from trimtab_grid.ageing_lfp import anode_potential_v, lfp_loss

HOURS = np.arange(365 * 24 + 1)
HISTORIES = {
    "daily": 0.5 + 0.4 * np.sin(2 * np.pi * HOURS / 24),
    "rest": np.full(len(HOURS), 0.5),
    "saw": np.abs((HOURS / 7.0) % 2 - 1) * 0.7 + 0.15,
}


@pytest.mark.parametrize(
    ("history", "temperature_c", "calendar", "cycling"),
    [
        ("daily", 25.0, 0.010527569165648377, 0.011226141649812072),
        ("rest", 25.0, 0.011039748309666392, 0.0),
        ("saw", 35.0, 0.019879026661979556, 0.013018673215492264),
    ],
)
def test_a_year_of_the_lfp_cell_loses_what_blast_lite_1_1_1_says(
    history, temperature_c, calendar, cycling
):
    loss = lfp_loss(HISTORIES[history], 1.0, temperature_c)
    assert loss.calendar == pytest.approx(calendar, rel=1e-12)
    assert loss.cycling == pytest.approx(cycling, rel=1e-12, abs=1e-15)
    assert loss.total == loss.calendar + loss.cycling


def test_the_step_matters_little_and_the_last_day_may_be_short():
    hours = np.arange(0.0, 60.0 + 1e-9, 0.25)
    coarse = lfp_loss(0.5 + 0.4 * np.sin(2 * np.pi * hours[::4] / 24), 1.0)
    fine = lfp_loss(0.5 + 0.4 * np.sin(2 * np.pi * hours / 24), 0.25)
    assert fine.total == pytest.approx(coarse.total, rel=0.02)


def test_a_fuller_cell_has_a_lower_anode_potential():
    assert (np.diff(anode_potential_v(np.linspace(0.0, 1.0, 50))) < 0.0).all()
