"""Machine-checked: no firm tie flow within its rooms leads an island out of its safe set.

For every unit state and admitted command of an island, in symbols: any load, renewables and single
trip of its D; any most import M >= 0 that its ties could bring; any net flow x from -(room to
export) to min(M, room to import). Then with the battery's interval of that step

- the interval is not empty, and its ends can balance the island at x: with units at their caps,
  all renewables and the battery at `high` nothing is missing (without any shedding where the
  island sends), with units at their floors, no renewables and the battery at `low` nothing is
  left over;
- any battery power in the interval keeps its limits and leads back into the safe set.

Dispatch then finds a balancing power, since it moves the battery within the interval as far as
balance asks. The rooms are the functions that the step runs, the rest is `proof`'s: a trip of any
or all ties is x nearer to 0, so the queries cover it, and x = 0 is the island alone.

That the shares that cut an island's flows keep them within its room is a query of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.islands import rooms
from trimtab_grid.proof import ProofResult, Theorem, larger, rebound, unit_states, z3_module
from trimtab_grid.safety import safe_tables
from trimtab_grid.shield_tables import BuiltTables
from trimtab_grid.tubes import Units

EACH_WAY = 3
"""Flows an island sends, or takes, at once in the query about their shares."""


class TiedTheorem(Theorem):
    """The queries of an island with ties.

    Args:
        built: its tables and exact numbers.
    """

    def __init__(self, built: BuiltTables) -> None:
        super().__init__(built)
        self.flow, self.most = z3_module().Reals("flow most_import")
        self.rooms = rebound(vars(rooms), _max=larger, ROUNDING_KW=0)

    def broken(self, units: Units, commands: Sequence[int], absent: int) -> Any:
        """That some flow within the rooms breaks a constraint or leaves the safe set."""
        z3, p, flow = z3_module(), self.plant, self.flow
        step = self.step_of(units, commands, absent)
        cap, floor, shed, load = step.cap, step.floor, step.shed, self.next_load
        coming = larger(flow, 0)
        own = load - self.renewables
        _, alone_high = self.interval_of(step, self.renewables)
        all_low, _ = self.interval_of(step, self.renewables + self.most)
        low, high = self.interval_of(step, self.renewables + coming)
        within = z3.And(
            flow >= -self.rooms.export_room_kw(cap, alone_high, own),
            flow <= self.rooms.import_room_kw(floor, all_low, own),
            flow <= self.most,
            self.most >= 0,
        )
        given = z3.If(flow < 0, z3.RealVal(0), z3.RealVal(shed))
        balanced = z3.And(
            low <= high,
            load - flow <= cap + self.renewables + high + given,
            floor + low <= load - flow + p.dump_kw,
        )
        chosen = z3.And(low <= self.power, self.power <= high)
        kept = z3.And(*self.kept(step))
        return z3.And(within, z3.Not(z3.And(balanced, z3.Implies(chosen, kept))))


def cut_flows_exceed_their_room(ties: int = EACH_WAY) -> Any:
    """Formula that is satisfiable iff flows cut in proportion exceed an island's room."""
    z3 = z3_module()
    room = z3.Real("room")
    agreed = z3.Reals(" ".join(f"agreed{k}" for k in range(ties)))
    share = z3.Reals(" ".join(f"share{k}" for k in range(ties)))
    total = z3.Sum(agreed)
    own = z3.If(total <= room, 1, room / total)  # the other end may cut a flow further
    return z3.And(
        room >= 0,
        *[a >= 0 for a in agreed],
        *[z3.And(s >= 0, s <= own) for s in share],
        z3.Sum([a * s for a, s in zip(agreed, share, strict=True)]) > room,
    )


def prove_tied(record: PlantArrays) -> ProofResult:
    """Full enumeration for an island with any ties, the query about shares included.

    Raises:
        MissingDependencyError: z3 is not installed.
        InputFileError: the plant has no tables.
    """
    built = safe_tables(record)
    theorem = TiedTheorem(built)
    result = theorem.check(unit_states(built))
    return result + theorem.asked("sound", cut_flows_exceed_their_room())
