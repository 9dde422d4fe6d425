"""Which block of the declared load was shed: in declared order, the first until nothing is left.

The theorem and the simulator know one sheddable power; any part of it may be missing in a step.
What is missing is taken from the blocks one after the other, the last of them in part. A plant
without blocks has one, `ONE`. Load beyond what is declared (`deficit_kw`) is in none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from trimtab.contracts.spec import FloatArray

from trimtab_grid.plant import LoadBlock, Plant

ONE = "sheddable"
"""Name of the load of a plant that declares no blocks."""


def blocks_of(plant: Plant) -> tuple[LoadBlock, ...]:
    """The blocks of a plant in the order in which they are shed; none where no load may be."""
    if plant.shed_blocks or plant.shed_kw == 0.0:
        return plant.shed_blocks
    return (LoadBlock(name=ONE, kw=plant.shed_kw),)


def shed_by_block(plant: Plant, shed_kw: Any) -> dict[str, FloatArray]:
    """Power of each block that was shed, [T] kW.

    Args:
        plant: that declares them.
        shed_kw: declared load that was shed, [T] kW.
    """
    left, found = np.asarray(shed_kw, np.float64), {}
    for block in blocks_of(plant):
        found[block.name] = np.minimum(left, block.kw)
        left = left - found[block.name]
    return found
