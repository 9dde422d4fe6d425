"""What a tired engineer gets wrong: every answer says what, where and what to do."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
EVERYWHERE = "nothing has been run here yet; or name another --workspace"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("schema", "toy.tnk"), 2, "Did you mean 'toy.tank'?"),
        (("run", "toy/tank-day", "--controllers", ""), 2, "write --controllers a,b"),
        (("run", "toy/tank-day", "--seeds", "5..1"), 2, "write the smaller seed first"),
        (("validate", "away/mine.yaml"), 2, "there is no folder away"),
        (("validate", "mine.yml"), 2, "Did you mean 'mine.yaml'?"),
        (("validate", "empty.yaml"), 2, "empty.yaml:1:1: is empty: `trimtab init` writes one"),
        (("validate", "."), 2, "is not a file: name the scenario in it"),
        (("worker", "--workspace", "mine.yaml"), 2, "name a folder that you may write"),
        (("run", "toy/tank-day", "--workspace", "mine.yaml"), 2, "name a folder that you may"),
        (("status", "--workspace", "nowhere"), 0, f"nowhere: {EVERYWHERE}"),
        (("runs", "list", "--workspace", "nowhere"), 0, f"nowhere: {EVERYWHERE}"),
        (("cancel", "latest", "--workspace", "nowhere"), 2, "name another --workspace"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(
    trimtab: Command, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\ndomain: toy.tank\n")
    (tmp_path / "empty.yaml").write_text("")
    ended = trimtab(*arguments)
    assert ended.code == code
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml", "empty.yaml"}


def test_an_archive_that_is_there_is_not_written_over(trimtab: Command, tmp_path: Path) -> None:
    quick = ("--set", "problem.horizon_h=6", "--n-seeds", "1", "--workers", "1")
    trimtab("run", "toy/tank-day", "--controllers", "tariff", *quick)
    (tmp_path / "kept.tar.gz").write_bytes(b"of last week")
    ended = trimtab("runs", "archive", "latest", "--out", "kept.tar.gz", "--delete")
    assert (ended.code, (tmp_path / "kept.tar.gz").read_bytes()) == (2, b"of last week")
    assert "it is there already" in ended.err
    assert len(trimtab("runs", "list", "--json").document["runs"]) == 1


def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    words = [sys.executable, "-m", "trimtab.cli", "schema", "toy.tank"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        ended = subprocess.run(words, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
