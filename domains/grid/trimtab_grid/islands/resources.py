"""What controllers of a cluster may be granted."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab_grid.islands.ties import Ties
from trimtab_grid.resources import GridModel


@dataclass(frozen=True, slots=True)
class ClusterModel:
    """Resource "model".

    Attributes:
        names: of the islands.
        islands: each island's own model.
        ties: between them.
        widths: of each island's own observation; columns of its ties follow.
    """

    names: tuple[str, ...]
    islands: tuple[GridModel, ...]
    ties: Ties
    widths: tuple[int, ...]
