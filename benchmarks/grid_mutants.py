"""Mutation test of the grid shield: which of its faults do exactness tests and the proof find?

Every mutant is judged on six small plants, with order rules and with free commitment, by what
finds it first, quick tests before the solver:

- automaton: legal commands, both fallbacks and what follows, against the rules written here again;
- tubes: tables, their worst values and the energy from which on every command is safe, against a
  plant simulated step by step over all single-trip scenarios;
- decisions: membership in S, admissible commands and battery intervals, against the definition;
- choices: what the run-time kernel makes of them: the nearest command, its reason, the least bad
  command, the return of repaired units, the battery in and beyond S, against the definition;
- theorem: the proof (z3) of the mutant's shield on the true plant.

A mutant is endless if its quick tests take four times the CPU time they take without one.
Results are kept line by line, so that a run that was stopped goes on.

    python benchmarks/grid_mutants.py results.jsonl
    python benchmarks/grid_mutants.py results.jsonl --write     # put the score into certificates
"""

import argparse
import json
import random
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from grid_commit_reference import PARTS, KernelReference
from grid_reference import CELLS, Reference
from trimtab.contracts.errors import InputFileError
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.certificate import (
    MUTATED,
    MutantScore,
    code_sha256,
    read_certificate,
    shipped_path,
    write_certificate,
)
from trimtab_grid.mutation import (
    FAULTS,
    SMALL_PLANTS,
    Mutant,
    mutants,
    mutated_modules,
    refuted,
)
from trimtab_grid.proofs import PLANTS
from trimtab_grid.shield_tables import MOST_ENTRIES, BuiltTables

KERNEL = "shield_kernel"
PATIENCE_S = 40.0
"""CPU seconds of the quick tests after which a mutant counts as endless."""


def too_slow(*_: object) -> NoReturn:
    """Give a mutant up."""
    raise TimeoutError


def size_differs(fill: Any) -> bool:
    """Whether tables are refused at another size than declared."""
    for keys, count, refused in (
        (MOST_ENTRIES // 2 + 1, 2, True),
        (MOST_ENTRIES + 1, 1, True),
        (MOST_ENTRIES, 1, False),
    ):
        side = SimpleNamespace(
            reduction=SimpleNamespace(keys=keys), grid=SimpleNamespace(count=count)
        )
        try:
            fill(None, None, side, 0, 0)
        except InputFileError:
            told = True
        except FAULTS:
            told = False
        if told != refused:
            return True
    return False


def quick(mutant: Mutant | None, references: Sequence[KernelReference]) -> str:
    """Which quick test finds a mutant; empty if none does.

    A mutant of the kernel leaves everything before the last test as it is.
    """
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_S)
    try:
        modules = mutated_modules(mutant)
        if mutant is None or mutant.module != KERNEL:
            found, built = rules_differ(modules, [reference.r for reference in references])
            if found:
                return found
        else:
            built = [reference.r.built for reference in references]
        pairs = list(zip(references, built, strict=True))
        kernel = modules[KERNEL]
        if any(plant.differs(kernel, tables, part) for part in PARTS for plant, tables in pairs):
            return "choices"
    except (TimeoutError, RecursionError, MemoryError):
        return "endless"
    except FAULTS:
        return "crash"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    return ""


def rules_differ(
    modules: Mapping[str, ModuleType], references: Sequence[Reference]
) -> tuple[str, list[BuiltTables]]:
    """Which test of automaton, tubes or decisions finds a fault, and the tables that were built."""
    if any(reference.automaton_differs(modules["automaton"]) for reference in references):
        return "automaton", []
    if size_differs(modules["shield_tables"].fill):
        return "tubes", []
    build, legal = modules["shield_tables"].build_tables, modules["tubes"].legal_commands
    built = [build(reference.record, CELLS) for reference in references]
    pairs = list(zip(references, built, strict=True))
    if any(reference.tables_differ(tables, legal) for reference, tables in pairs):
        return "tubes", built
    if any(reference.decisions_differ(modules, tables) for reference, tables in pairs):
        return "decisions", built
    return "", built


def proof(mutant: Mutant, references: Sequence[KernelReference]) -> str:
    """Whether the theorem finds a mutant that the quick tests did not.

    It is not asked of the last plant, which is not adequate, nor of the kernel, which only chooses
    among commands that the theorem is about.
    """
    if mutant.module == KERNEL:
        return "survived"
    adequate = [reference.r for reference in references[:-1]]
    proofs = (refuted(mutant, r.record, r.states, CELLS) for r in adequate)
    return "theorem" if any(proofs) else "survived"


def main() -> None:
    """Run or resume the mutation test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("--sample", type=int, default=0, help="how many, at random; all if 0")
    parser.add_argument("--part", type=int, default=0, help="of --parts, to share the work")
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the score into certificates")
    options = parser.parse_args()
    everything = list(mutants())
    generated = len(everything)
    random.Random(1).shuffle(everything)  # noqa: S311
    everything = everything[: options.sample or None]
    done = {}
    if options.results.is_file():
        rows = [json.loads(line) for line in options.results.read_text().splitlines()]
        done = {(row["where"], row["change"], row["place"]): row for row in rows}
    mine = everything[options.part :: options.parts]
    missing = [m for m in mine if not done.get(key_of(m), {}).get("verdict")]
    if missing:
        references = [
            KernelReference(Reference(plant_arrays(plant(), 1.0))) for plant in SMALL_PLANTS
        ]
        signal.signal(signal.SIGVTALRM, too_slow)
        if found := quick(None, references):
            sys.exit(f"reference and shield disagree without any mutation: {found}")
    with options.results.open("a", encoding="utf-8") as file:
        for test in (quick, proof):
            for mutant in missing:
                key = key_of(mutant)
                if key in done and (test is quick or done[key]["verdict"]):
                    continue
                names = dict(zip(("where", "change", "place"), key, strict=True))
                done[key] = names | {"verdict": test(mutant, references)}
                file.write(json.dumps(done[key]) + "\n")
                file.flush()
    rows = [done[key_of(m)] for m in everything if done.get(key_of(m), {}).get("verdict")]
    report(rows, generated)
    if options.write and len(rows) == len(everything):
        killed = sum(row["verdict"] != "survived" for row in rows)
        score = MutantScore(generated=len(rows), killed=killed, sources_sha256=code_sha256(MUTATED))
        for path in (shipped_path(*plant) for plant in PLANTS):
            if certificate := read_certificate(path):
                write_certificate(path, certificate.model_copy(update={"mutants": score}))


def key_of(mutant: Mutant) -> tuple[str, str, int]:
    """What names a mutant as long as its function does not change."""
    return f"{mutant.module}.{mutant.function}", mutant.change, mutant.place


def report(rows: list[Any], total: int) -> None:
    """Print the score and the survivors."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    killed = len(rows) - counts.get("survived", 0)
    print(f"{len(rows)} of {total} mutants, {killed} killed ({100 * killed / len(rows):.1f} %)")
    for verdict, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {verdict:12s} {count}")
    for row in rows:
        if row["verdict"] == "survived":
            print(f"survivor {row['where']} [{row['place']}]: {row['change']}")


if __name__ == "__main__":
    main()
