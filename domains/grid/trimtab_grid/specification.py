"""Static description of a microgrid's control problem: channels, actions, observed columns."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.contracts.spec import (
    Box,
    Composite,
    ContextVariable,
    CostChannel,
    RewardChannel,
    Spec,
)

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.engine.observe import PLANT_COLUMNS, UNIT_COLUMNS
from trimtab_grid.episodes import lead_steps
from trimtab_grid.objective import THROUGHPUT_L_PER_KWH, UNSERVED_L_PER_KWH
from trimtab_grid.scenario import UNSHIELDED

SCU = "scu"
"""The published agents' interface (`scu_problem`)."""
INTERFACES: Mapping[str, bool] = {
    "default": False,
    "order": True,
    SCU: True,
    f"default{UNSHIELDED}": False,
    f"order{UNSHIELDED}": True,
    f"{SCU}{UNSHIELDED}": True,
}
"""Action interfaces, and whether the choice goes by the fixed order of units; without the shield
between choice and plant where the name says so."""
INTERVENTION_L = 0.01
"""Light penalty that tells a learner of projections (arXiv 2509.12833); no part of C."""

REWARDS = (
    RewardChannel("fuel", "L", "min"),
    RewardChannel("start", "L", "min"),
    RewardChannel("throughput", "kWh", "min", THROUGHPUT_L_PER_KWH),
    RewardChannel("unserved", "kWh", "min", UNSERVED_L_PER_KWH),
    RewardChannel("terminal", "L", "min"),
    RewardChannel("exchange", "L", "min"),
    RewardChannel("curtailed", "kWh", "min", 0.0),
    RewardChannel("co2", "kg", "min", 0.0),
    RewardChannel("intervention", "1", "min", INTERVENTION_L),
)
COSTS = (
    CostChannel("unserved", "kWh", 0.0),
    CostChannel("surplus", "kWh", 0.0),
    CostChannel("reserve_missing", "kW", 0.0),
    CostChannel("intervention", "1", 0.0, "budget"),
)


def observed_columns(plant: PlantArrays) -> tuple[str, ...]:
    """Names of the observation's columns, forecasts by their lead in steps."""
    own = [f"{name}[{i}]" for i in range(plant.n) for name in UNIT_COLUMNS]
    leads = lead_steps(plant.step_min)
    ahead = [f"{q}+{lead}#{k}" for k, lead in enumerate(leads) for q in ("load", "wind", "pv")]
    return (*own, *PLANT_COLUMNS, *ahead)


def grid_spec(
    plant: PlantArrays,
    name: str,
    by_order: bool,
    horizon: int,
    soc_window: tuple[float, float],
    extra: tuple[str, ...] = (),
) -> Spec:
    """The spec of one microgrid.

    Args:
        plant: its record.
        name: of the plant.
        by_order: the "order" interface.
        horizon: steps.
        soc_window: charge states an episode may begin with.
        extra: observed columns besides those of an island.
    """
    power = float(plant.power_kw) or 1.0
    box = Box("battery", "kW", -float(plant.charge_kw), float(plant.discharge_kw) or power)
    commands = (3,) if by_order else (3,) * int(plant.n)
    start = min(max(float(plant.soc_initial), soc_window[0]), soc_window[1])
    return Spec(
        name=f"grid.{name}-{'order' if by_order else 'units'}-1",
        agent_type=(0,),
        actions=(Composite(commands, (box,)),),
        obs_dim=len(observed_columns(plant)) + len(extra),
        rewards=REWARDS,
        costs=COSTS,
        context=(
            ContextVariable("load_scale", "1", 0.6, 1.0, 1.0),
            ContextVariable("wind_scale", "1", 0.0, 1.0, 1.0),
            ContextVariable("soc_initial", "1", *soc_window, start),
        ),
        horizon=horizon,
        dt_s=60.0 * float(plant.step_min),
        supports_snapshot=True,
    )
