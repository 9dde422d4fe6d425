import os
from pathlib import Path

import pytest
from trimtab.contracts.errors import RunFailedError, UnknownNameError
from trimtab.contracts.figure import Axis, Figure
from trimtab.evidence.figures_json import FIGURES_FILE, figures_to_json
from trimtab_app import results


def put(folder: Path, title: str, time_ns: int) -> None:
    file = folder / FIGURES_FILE
    file.write_text(figures_to_json([Figure("bars", title, "a", Axis("y"))]), encoding="utf-8")
    os.utime(file, ns=(time_ns, time_ns))


def test_what_a_report_writes_again_is_read_again(workspace: Path) -> None:
    folder = workspace / "runs" / "x-1"
    folder.mkdir(parents=True)
    put(folder, "old", 1)
    assert results.figures_of("x-1")[0].title == "old"
    put(folder, "new", 2)
    assert results.figures_of("x-1")[0].title == "new"


def test_a_run_without_figures_has_none(workspace: Path) -> None:
    assert results.figures_of("x-2") == ()


def test_a_result_that_cannot_be_read_says_what_to_do(workspace: Path) -> None:
    folder = workspace / "runs" / "x-3"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunFailedError, match="run its scenario again"):
        results.result_of("x-3")


@pytest.mark.parametrize("run", ["../x", "", "/etc", "a/b", "a.b"])
def test_a_run_id_is_no_path(workspace: Path, run: str) -> None:
    with pytest.raises(UnknownNameError):
        results.run_dir(run)
