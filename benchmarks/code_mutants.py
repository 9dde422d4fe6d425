"""Mutation test of the job store, its jobs and the scenario files: which faults do tests find?

One place of the source is changed at a time: a comparison, an operator, a constant, a condition,
a statement left out, a word of an SQL statement. The tests that run the changed line (by the
contexts of a coverage run) go first, then the quick tests of the module's list, in processes
forked from one that has the third-party libraries loaded; slower tests, which start workers, are
asked only where their own process runs the line, so the score is a lower bound. Each line of the
results is one mutant, so that a run that was stopped goes on.

    coverage run -m pytest -q tests/core/run tests/core/cli && coverage combine
    python benchmarks/code_mutants.py results.jsonl --sample 300 [--seed 1]
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "core" / "trimtab"
STORE_TESTS = ("run/test_store", "run/test_claims", "run/test_lease", "run/test_checkpoints",
               "run/test_schema", "run/test_rows")  # fmt: skip
SCENARIO_TESTS = ("run/test_scenario_file", "run/test_yaml_document", "run/test_diagnostics",
                  "run/test_sweep", "run/test_scenario_mutants")  # fmt: skip
MODULES = {
    **dict.fromkeys(
        ("store", "schema", "claims", "lease", "rows", "scope", "checkpoints"), STORE_TESTS
    ),
    **dict.fromkeys(("scenario_file", "yaml_document", "diagnostics", "sweep"), SCENARIO_TESTS),
    **dict.fromkeys(("jobs", "identity"), ("run/test_identity",)),
    "template": ("run/test_template", "cli/test_scenario_commands"),
}
"""Module of `trimtab.run` → quick tests that are asked of every fault that close ones missed."""
COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}  # fmt: skip
COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
}  # fmt: skip
WORDS = {
    "and": "or", "<>": "=", ">=": ">", "<=": "<", " desc": " asc", "=0": "=1", "=1": "=0",
    "'queued'": "'running'", "'running'": "'queued'", "not exists": "exists",
    "attempt+1": "attempt", "is not null": "is null", "min(": "max(", "max(": "min(",
    "limit 1": "limit 2", "insert or replace": "insert or ignore",
    "insert or ignore": "insert or replace",
}  # fmt: skip
_SQL = re.compile(r"^\s*(select|insert|update|delete|exists|not exists|and|create|where)\b")
PATIENCE = 4.0
SLOW_S = 25.0
LIST_S = 400.0


@dataclass(frozen=True)
class Mutant:
    """One change: the `place`-th node of the module, and which of its changes."""

    module: str
    place: int
    change: str
    line: int

    @property
    def key(self) -> str:
        """What names it as long as the module does not change."""
        return f"{self.module}:{self.place}:{self.change}"


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Every changed form of a node, with a word for it."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            new = deepcopy(node)
            new.ops[i] = COMPARED[type(op)]()
            yield f"{type(op).__name__} to {type(new.ops[i]).__name__}", new
    elif isinstance(node, ast.BoolOp):
        new = deepcopy(node)
        new.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield f"to {type(new.op).__name__}", new
    elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
        new = deepcopy(node)
        new.op = COMPUTED[type(node.op)]()
        yield f"{type(node.op).__name__} to {type(new.op).__name__}", new
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not left out", node.operand
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        new = deepcopy(node)
        new.test = ast.UnaryOp(ast.Not(), node.test)
        yield "condition negated", new
    elif isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield "returns None", ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call left out", ast.Pass()
    elif isinstance(node, ast.Raise):
        yield "raise left out", ast.Pass()
    elif isinstance(node, ast.AugAssign) and type(node.op) in COMPUTED:
        new = deepcopy(node)
        new.op = COMPUTED[type(node.op)]()
        yield f"{type(node.op).__name__} to {type(new.op).__name__}", new
    elif isinstance(node, ast.Constant):
        for what, value in _other(node.value):
            yield what, ast.Constant(value)


def _other(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, bool):
        yield f"to {not value}", not value
    elif isinstance(value, int | float):
        yield f"to {value + 1}", value + 1
    elif isinstance(value, str) and _SQL.search(value):
        for old, new in WORDS.items():
            for found in re.finditer(re.escape(old), value):
                yield (
                    f"{old.strip()} to {new.strip()} at {found.start()}",
                    value[: found.start()] + new + value[found.end() :],
                )
    elif isinstance(value, str) and value:
        yield "text changed", f"XX{value}XX"


def _skipped(tree: ast.Module) -> set[int]:
    """Ids of nodes that are no behaviour: docstrings, annotations, `__all__`, slots."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.arg | ast.AnnAssign):
            parts.append(node.annotation)
        if isinstance(node, ast.FunctionDef):
            parts += [node.returns, *node.decorator_list]
        if isinstance(node, ast.ClassDef):
            parts += [*node.decorator_list, *node.bases]
        if isinstance(node, ast.Assign) and "__all__" in ast.unparse(node.targets[0]):
            parts.append(node.value)
        if isinstance(node, ast.Assign) and "Literal" in ast.unparse(node.value):
            parts.append(node.value)
        for part in parts:
            found |= {id(below) for below in ast.walk(part)} if part else set()
    return found


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of one module."""
    tree = ast.parse((PACKAGE / "run" / f"{module}.py").read_text(encoding="utf-8"))
    skipped = _skipped(tree)
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in skipped:
            for change, _ in changes(node):
                yield Mutant(module, place, change, getattr(node, "lineno", 0))


def mutated(mutant: Mutant) -> str:
    """The changed source."""
    tree = ast.parse((PACKAGE / "run" / f"{mutant.module}.py").read_text(encoding="utf-8"))
    target = list(ast.walk(tree))[mutant.place]
    new = dict(changes(target))[mutant.change]

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is target else self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Swap().visit(tree)))


def tests_of(mutant: Mutant, coverage_file: Path) -> list[str]:
    """Tests that ran the line in their own process, as pytest names them; few first."""
    if not coverage_file.is_file():
        return []
    from coverage import CoverageData

    covered = CoverageData(str(coverage_file))
    covered.read()
    path = next((f for f in covered.measured_files() if f.endswith(f"run/{mutant.module}.py")), "")
    contexts = covered.contexts_by_lineno(path).get(mutant.line, []) if path else []
    found = []
    for context in sorted(filter(None, contexts)):
        module, _, test = context.rpartition(".")
        file = ROOT / f"{module.replace('.', '/')}.py"
        if file.is_file() and f"def {test}(" in file.read_text(encoding="utf-8"):
            found.append(f"{module.replace('.', '/')}.py::{test}")
    return found


class Workshop:
    """A copy of core whose changed module the tests import."""

    def __init__(self, folder: Path) -> None:
        self.core = folder / "core"
        shutil.copytree(PACKAGE, self.core / "trimtab", ignore=shutil.ignore_patterns("*.pyc"))
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(folder / "compiled")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.dont_write_bytecode = False
        kept = [p for p in sys.path if not (Path(p) / "trimtab").is_dir()]
        sys.path[:] = [str(self.core), *kept]
        self._clock = time.time()

    def put(self, module: str, text: str) -> None:
        """Replace a module; its time is new, so that no compiled form of another is used."""
        path = self.core / "trimtab" / "run" / f"{module}.py"
        path.write_text(text, encoding="utf-8")
        self._clock += 2
        os.utime(path, (self._clock, self._clock))

    def verdict(self, tests: list[str], limit_s: float) -> str:
        """Run tests in a fork: "killed", "endless" or "survived"."""
        child = os.fork()
        if child == 0:
            os.setsid()
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            code = 1
            try:
                import pytest

                code = int(pytest.main([*tests, "-x", "-q", "-p", "no:cacheprovider"]))
            finally:  # whatever the mutant raises ends here
                os._exit(code)
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return "survived" if status == 0 else "killed"
            time.sleep(0.05)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "endless"


def load_libraries() -> None:
    """What every test needs and no mutant changes."""
    import numpy as np  # noqa: F401
    import pydantic  # noqa: F401
    import safetensors.numpy  # noqa: F401
    import typer  # noqa: F401
    import yaml  # noqa: F401


def judge(mutant: Mutant, shop: Workshop, coverage_file: Path) -> str:
    """Run what may find it, the closest tests first."""
    shop.put(mutant.module, mutated(mutant))
    close = tests_of(mutant, coverage_file)
    every = [f"tests/core/{name}.py" for name in MODULES[mutant.module]]
    verdict = "survived"
    if close:
        verdict = shop.verdict(close, SLOW_S + PATIENCE * len(close))
    if verdict == "survived":
        verdict = shop.verdict(every, LIST_S)
    original = (PACKAGE / "run" / f"{mutant.module}.py").read_text(encoding="utf-8")
    shop.put(mutant.module, original)
    return verdict


def report(rows: list[dict[str, str]], total: int) -> None:
    """Print the score, its interval (Wilson, 95 %) and the survivors."""
    n, killed = len(rows), sum(row["verdict"] != "survived" for row in rows)
    z, share = 1.96, killed / max(n, 1)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    print(
        f"{n} of {total} mutants, {killed} found ({100 * share:.1f} %, "
        f"95 % interval {100 * (middle - half):.1f} to {100 * (middle + half):.1f})"
    )
    for row in rows:
        if row["verdict"] == "survived":
            print(f"survivor {row['module']}.py:{row['line']}: {row['change']}")


def main() -> None:
    """Run or resume the mutation test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--modules", default=",".join(MODULES))
    parser.add_argument("--sample", type=int, default=0, help="how many, at random; all if 0")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--coverage", type=Path, default=ROOT / ".coverage")
    parser.add_argument("--again", action="store_true", help="judge survivors anew")
    given = parser.parse_args()
    everything = [m for name in given.modules.split(",") for m in mutants(name)]
    total = len(everything)
    random.Random(given.seed).shuffle(everything)  # noqa: S311
    chosen = everything[: given.sample or None]
    lines = given.results.read_text().splitlines() if given.results.is_file() else []
    done = {row["key"]: row for row in map(json.loads, lines)}
    os.chdir(ROOT)
    load_libraries()
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    shop = Workshop(folder)
    for tests in dict.fromkeys(MODULES.values()):
        if shop.verdict([f"tests/core/{name}.py" for name in tests], LIST_S) != "survived":
            sys.exit(f"without any mutant these fail: {', '.join(tests)}")
    with given.results.open("a") as file:
        for mutant in chosen:
            known = done.get(mutant.key)
            if known and not (given.again and known["verdict"] == "survived"):
                continue
            began = time.monotonic()
            verdict = judge(mutant, shop, given.coverage)
            done[mutant.key] = {
                "key": mutant.key, "module": mutant.module, "line": mutant.line,
                "change": mutant.change, "verdict": verdict,
                "wall_s": round(time.monotonic() - began, 1),
            }  # fmt: skip
            file.write(json.dumps(done[mutant.key]) + "\n")
            file.flush()
    shutil.rmtree(folder)
    report([done[m.key] for m in chosen if m.key in done], total)


if __name__ == "__main__":
    main()
