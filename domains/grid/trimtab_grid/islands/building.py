"""Makes the problem of a cluster: one microgrid's problem per island, joined by ties."""

from __future__ import annotations

from trimtab_grid import building
from trimtab_grid.islands.problem import IslandsControl
from trimtab_grid.islands.scenario import IslandsScenario


def build(
    scenario: IslandsScenario,
    copies: int = 1,
    interface: str = "default",
    autoreset: bool = False,
) -> IslandsControl:
    """See `Domain.build`; interfaces of `islands.problem.INTERFACES`."""
    return IslandsControl(
        scenario,
        copies,
        interface,
        autoreset=autoreset,
        build=lambda island: building.build(island, copies, interface, autoreset),
    )
