"""Makes the problem of a scenario of one microgrid, of the kind that the interface asks for."""

from __future__ import annotations

from trimtab_grid.problem import GridControl
from trimtab_grid.scenario import GridScenario
from trimtab_grid.scu_problem import ScuControl
from trimtab_grid.series_files import read_series
from trimtab_grid.specification import SCU


def build(
    scenario: GridScenario, copies: int = 1, interface: str = "default", autoreset: bool = False
) -> GridControl:
    """See `Domain.build`; interfaces of `specification.INTERFACES`."""
    kind = ScuControl if interface.startswith(SCU) else GridControl
    return kind(scenario, copies, interface, autoreset=autoreset, read=read_series)
