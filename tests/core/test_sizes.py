"""Files and functions stay short: at most 500 lines a file, 80 a function, 35 for nine in ten."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for top in ("core", "domains", "app") for path in (ROOT / top).rglob("*.py"))


def function_lines(path: Path) -> list[int]:
    """Lines of every function of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(f.end_lineno or f.lineno) - f.lineno + 1 for f in functions]


@pytest.mark.parametrize("top", ["core", "domains", "app"])
def test_nine_in_ten_functions_have_at_most_35_lines_and_none_more_than_80(top: str) -> None:
    lengths = sorted(
        lines for path in FILES if path.is_relative_to(ROOT / top) for lines in function_lines(path)
    )
    assert lengths[9 * len(lengths) // 10] <= 35
    assert lengths[-1] <= 80


def test_no_file_has_more_than_500_lines() -> None:
    long = [path for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > 500]
    assert long == []
