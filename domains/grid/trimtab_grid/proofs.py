"""Proves the theorem of every shipped plant by full enumeration: ``make proofs``.

Of the islands of the shipped cluster also that no tie flow leads them out of their safe sets.

With ``--write`` the certificates in the package are written anew; without it they are only
compared with what was proven now. The mutants' score is kept as long as their sources are the same;
``benchmarks/grid_mutants.py --write`` puts it in.

``python -m trimtab_grid.proofs mine.yaml certificate.json`` proves the plant of one's own scenario
and writes its certificate, which the scenario then names as ``certificate: certificate.json``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from trimtab.contracts.errors import InputFileError, TrimtabError

from trimtab_grid.arrays import PlantArrays, plant_arrays
from trimtab_grid.certificate import (
    ROOMS,
    Certificate,
    MutantScore,
    TieProof,
    code_sha256,
    facts,
    read_certificate,
    shipped_path,
    standing,
    write_certificate,
)
from trimtab_grid.islands.composition import prove_tied
from trimtab_grid.plant import load_plant
from trimtab_grid.proof import ProofResult, prove, solver_version
from trimtab_grid.safety import safe_tables
from trimtab_grid.scenario import GridScenario
from trimtab_grid.shield_tables import BuiltTables

PLANTS = (
    ("isle-harbour", 15.0),
    ("isle-ridge", 15.0),
    ("isle-bay", 15.0),
    ("plant-b", 60.0),
    ("plant-a", 1.0),
)
"""Shipped plants and the step lengths they are shipped with."""
TIED = frozenset({"isle-harbour", "isle-ridge", "isle-bay"})
"""Those that are joined by tie lines."""
PROCESSES = 2


def certify(
    name: str,
    step_min: float,
    record: PlantArrays,
    built: BuiltTables,
    result: ProofResult,
    mutants: MutantScore | None,
    tied: ProofResult | None,
) -> Certificate:
    """The certificate of a proof; `tied` is that of the plant's ties."""
    return Certificate(
        plant=name,
        step_min=step_min,
        unit_states=result.states,
        sound_queries=result.sound_queries,
        live_queries=result.live_queries,
        unsat=result.unsat,
        solver=f"z3 {solver_version()}",
        cpu_s=round(result.cpu_s, 1),
        mutants=mutants,
        ties=tie_proof(tied),
        **facts(record, built),
    )


def tie_proof(tied: ProofResult | None) -> TieProof | None:
    """The part of a certificate about ties."""
    if tied is None:
        return None
    asked = tied.sound_queries + tied.live_queries
    return TieProof(queries=asked, unsat=tied.unsat, sources_sha256=code_sha256((ROOMS,)))


def check_plant(name: str, step_min: float, *, write: bool) -> bool:
    """Prove one plant, say what came out, and write or compare its certificate."""
    begin = time.perf_counter()
    record = plant_arrays(load_plant(name), step_min)
    built = safe_tables(record)
    result = prove(record, PROCESSES)
    tied = prove_tied(record) if name in TIED else None
    path = shipped_path(name, step_min)
    shipped = read_certificate(path)
    proven = result.proven and (tied is None or tied.proven)
    if write and proven:
        mutants = shipped.mutants if shipped else None
        kept = mutants if mutants is not None and mutants.holds else None
        shipped = certify(name, step_min, record, built, result, kept, tied)
        write_certificate(path, shipped)
    holds, line = standing(shipped, record, built)
    _say(
        f"{name} at {step_min:g} min: {result.states} unit states, "
        f"{result.sound_queries} + {result.live_queries} queries, {result.unsat} unsat, "
        f"{result.cpu_s:.0f} s CPU, {time.perf_counter() - begin:.0f} s; certificate {line}"
    )
    if tied is not None:
        asked = tied.sound_queries + tied.live_queries
        _say(f"  with ties: {asked} queries, {tied.unsat} unsat, {tied.cpu_s:.0f} s CPU")
    for failure in (*result.failures[:5], *(tied.failures[:5] if tied is not None else ())):
        _say(f"  {failure}")
    return proven and holds


def prove_own(name: str, out: Path) -> bool:
    """Prove the plant of a scenario of one microgrid and write its certificate to `out`.

    Raises:
        TrimtabError: the scenario is wrong or of another domain, the plant cannot be kept safe, or
            z3 is not installed.
    """
    from trimtab.run.scenario_file import load_scenario

    loaded = load_scenario(name)
    problem = loaded.scenario.problem
    if not isinstance(problem, GridScenario):
        msg = f"{name}: is of {loaded.domain.name}; name a scenario of grid.microgrid"
        raise InputFileError(msg)
    plant = problem.resolved_plant()
    record = plant_arrays(plant, problem.step_min)
    built = safe_tables(record)
    result = prove(record, PROCESSES)
    asked = result.sound_queries + result.live_queries
    _say(
        f"{plant.name} at {problem.step_min:g} min: {result.states} unit states, {asked} queries, "
        f"{result.unsat} unsat, {result.cpu_s:.0f} s CPU"
    )
    for failure in result.failures[:5]:
        _say(f"  {failure}")
    if result.proven:
        made = certify(plant.name, problem.step_min, record, built, result, None, None)
        write_certificate(out, made)
        _say(f"{out}: written; add to the problem of {name}: certificate: {out.name}")
    return result.proven


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] = ()) -> int:
    """Prove all shipped plants, or one's own; 1 if not proven or not as certified, 2 if refused."""
    write = "--write" in arguments
    own = [argument for argument in arguments if argument != "--write"]
    if own:
        if len(own) != 2 or write:  # noqa: PLR2004
            _say("usage: python -m trimtab_grid.proofs [--write | SCENARIO CERTIFICATE.json]")
            return 2
        try:
            return 0 if prove_own(own[0], Path(own[1])) else 1
        except TrimtabError as error:
            _say(str(error))
            return 2
    outcomes = [check_plant(*plant, write=write) for plant in PLANTS]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
