"""The safety certificate of a plant: what was proven, for which plant, by which solver.

A certificate names the plant's numbers, the shield's sources and its tables by digest. `standing`
computes all of them again when a scenario is loaded: whatever does not match shows as "not proven".
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from trimtab.contracts.errors import EvidenceError
from trimtab.contracts.scenario import StrictModel

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.conditions import conditions
from trimtab_grid.exact import exact_plant
from trimtab_grid.shield_tables import BuiltTables

SHIPPED = Path(__file__).parent / "certificates"
SOURCES = ("automaton.py", "shield_rules.py")
"""Files whose code is both run and proven."""
ROOMS = "islands/rooms.py"
"""The same of islands with tie lines."""
MUTATED = (*SOURCES, "tubes.py", "shield_tables.py", "shield_kernel.py")
"""Files whose code the mutation test changes."""
_SHIELDED = (
    "n order unit_trips step_known grid_forming shed_delay_steps",
    "warm_steps cool_steps min_run_steps min_down_steps repair_steps",
    "prime_kw min_kw warm_kw cool_kw ramp_kw step_h discharge_kw charge_kw energy_kwh",
    "charge_efficiency discharge_efficiency standby_kw reserve_soc_min reserve_soc_max",
    "wind_kw pv_kw dump_kw shed_kw load_min_kw load_max_kw load_rise_kw load_fall_kw soc_error",
)
"""Numbers of a plant that the theorem depends on."""


class ConditionRecord(StrictModel):
    """A condition as certified; None stands for infinity."""

    name: str
    required: float | None
    available: float
    unit: str


class MutantScore(StrictModel):
    """How many faults put into the shield the proof and its tests found.

    Attributes:
        generated: all mutants, every one judged.
        killed: found.
        sources_sha256: of the code that was mutated.
    """

    generated: int
    killed: int
    sources_sha256: str

    @property
    def holds(self) -> bool:
        """Whether the code is still the one that was mutated."""
        return self.sources_sha256 == code_sha256(MUTATED)


class TieProof(StrictModel):
    """What was proven about an island with any tie lines.

    Attributes:
        queries: all, those about its unit states and the one about shares of flows.
        unsat: answered unsat.
        sources_sha256: of the code of the rooms.
    """

    queries: int
    unsat: int
    sources_sha256: str

    @property
    def holds(self) -> bool:
        """Whether every query was unsatisfiable, and the code is still the one they were about."""
        return 0 < self.queries == self.unsat and self.sources_sha256 == code_sha256((ROOMS,))


class Certificate(StrictModel):
    """What was proven about one plant at one step length.

    Attributes:
        plant: name.
        step_min: minutes.
        plant_sha256: of the numbers the theorem depends on.
        disturbances: the set D in words and numbers.
        tables_sha256: of both tables, as the runtime reads them.
        sources_sha256: of the code that is both run and proven.
        conditions: (A), (P), (W).
        need_low_kwh: sup R+; None: infinite.
        need_high_kwh: sup R-.
        unit_states: reachable combinations, all enumerated.
        sound_queries: one per state and legal command.
        live_queries: one per state.
        unsat: queries answered unsat.
        solver: name and version.
        cpu_s: CPU seconds of the proof.
        mutants: score of the mutation test, if it was made.
        ties: proof that no tie flow leads the plant out of its safe set, if it is an island.
    """

    plant: str
    step_min: float
    plant_sha256: str
    disturbances: dict[str, str]
    tables_sha256: str
    sources_sha256: str
    conditions: tuple[ConditionRecord, ...]
    need_low_kwh: float | None
    need_high_kwh: float | None
    unit_states: int
    sound_queries: int
    live_queries: int
    unsat: int
    solver: str
    cpu_s: float
    mutants: MutantScore | None = None
    ties: TieProof | None = None

    @property
    def proven(self) -> bool:
        """Whether every query was unsatisfiable."""
        return self.unsat == self.sound_queries + self.live_queries > 0


def identity(record: PlantArrays, built: BuiltTables) -> dict[str, str]:
    """Digests of the plant's numbers, the tables and the sources."""
    plant = exact_plant(record)
    numbers = {name: str(getattr(plant, name)) for line in _SHIELDED for name in line.split()}
    tables = hashlib.sha256(bytes(built.tables.key.tobytes()))
    for kwh in (built.tables.low_kwh, built.tables.high_kwh):
        tables.update(str(kwh.shape).encode())
        tables.update(kwh.tobytes())
    return {
        "plant_sha256": hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest(),
        "tables_sha256": tables.hexdigest(),
        "sources_sha256": code_sha256(SOURCES),
    }


def code_sha256(names: Sequence[str]) -> str:
    """Digest of some of the package's files."""
    folder = importlib.resources.files("trimtab_grid")
    code = b"".join(folder.joinpath(name).read_bytes() for name in names)
    return hashlib.sha256(code).hexdigest()


def disturbance_text(record: PlantArrays) -> dict[str, str]:
    """The set D of a plant in words."""
    p = exact_plant(record)

    def change(kw: Any) -> str:
        return "any" if math.isinf(kw) else f"{float(kw):g} kW per step"

    return {
        "load": f"{float(p.load_min_kw):g} to {float(p.load_max_kw):g} kW",
        "rise": change(p.load_rise_kw),
        "fall": change(p.load_fall_kw),
        "renewables": f"0 to {float(p.wind_kw + p.pv_kw):g} kW, may vanish or return at once",
        "trips": "any one unit, until it is returned to service" if p.unit_trips else "none",
        "charge reading": f"within {float(p.soc_error):g}",
        "coming step": "known" if p.step_known else "not known when units are committed",
    }


def facts(record: PlantArrays, built: BuiltTables) -> dict[str, Any]:
    """Everything a certificate states that needs no solver."""
    return {
        **identity(record, built),
        "disturbances": disturbance_text(record),
        "conditions": tuple(
            ConditionRecord(
                name=c.name, required=_finite(c.required), available=c.available, unit=c.unit
            )
            for c in conditions(built)
        ),
        "need_low_kwh": _finite(built.up.energy_kwh),
        "need_high_kwh": _finite(built.down.energy_kwh),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def shipped_path(plant: str, step_min: float) -> Path:
    """Where the certificate of a shipped plant lies."""
    return SHIPPED / f"{plant}-{step_min:g}min.json"


def read_certificate(path: Path) -> Certificate | None:
    """The certificate in a file, None if there is none.

    Raises:
        EvidenceError: the file is not a certificate.
    """
    if not path.is_file():
        return None
    try:
        return Certificate.model_validate_json(path.read_bytes())
    except ValidationError as error:
        msg = f"{path}: not a safety certificate ({error.error_count()} faults); prove it again"
        raise EvidenceError(msg) from None


def write_certificate(path: Path, certificate: Certificate) -> None:
    """Put a certificate into a file."""
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(certificate.model_dump(mode="json"), indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")


def standing(
    certificate: Certificate | None, record: PlantArrays, built: BuiltTables
) -> tuple[bool, str]:
    """Whether a certificate proves this plant with this shield, and the line to show.

    Everything but the solver's answers is computed again.
    """
    if certificate is None:
        return False, "not proven: no certificate for this plant and step length"
    if not certificate.proven:
        return False, "not proven: not all queries of the certificate were unsatisfiable"
    for name, value in facts(record, built).items():
        if getattr(certificate, name) != value:
            return False, f"not proven: the certificate's {name} is not this plant's"
    ties = certificate.ties
    if ties is not None and not ties.holds:
        return False, "not proven: the certificate's proof of ties is of other sources, or failed"
    score = certificate.mutants
    if score is not None and not score.holds:
        return False, "not proven: the certificate's mutants are of other sources"
    queries = certificate.sound_queries + certificate.live_queries
    line = f"proven: {queries} queries over {certificate.unit_states} unit states, all unsat"
    if ties is not None:
        line += f"; {ties.queries} more with any tie flows"
    if score is None:
        return True, line
    return True, f"{line}; {score.killed} of {score.generated} faults put into the shield found"


def certificate_of(plant: str, record: PlantArrays, own: Path | None = None) -> Certificate | None:
    """The user's own certificate of a plant, else the one in the package, if there is one."""
    return read_certificate(own or shipped_path(plant, float(record.step_min)))


def standing_of(
    plant: str, record: PlantArrays, built: BuiltTables, own: Path | None = None
) -> tuple[bool, str]:
    """Whether a certificate proves this plant, and the line to show; `own` is the user's."""
    proven, line = standing(certificate_of(plant, record, own), record, built)
    return proven, line if own is None else f"{line} ({own.name})"


def as_plain(certificate: Certificate) -> Mapping[str, Any]:
    """A certificate as plain data, for files and reports."""
    plain: Mapping[str, Any] = certificate.model_dump(mode="json")
    return plain
