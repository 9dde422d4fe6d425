from pathlib import Path

import pytest
from trimtab_app import confined


def test_a_command_gives_its_document(tmp_path: Path) -> None:
    ended = confined.command_line(["validate", "toy/tank-day"], tmp_path)
    assert ended.code == 0
    assert ended.document["valid"] is True


def test_a_refusal_is_one_line_with_its_reason(tmp_path: Path) -> None:
    ended = confined.command_line(
        ["init", "--domain", "toy.tank", "--from", "x.csv", "y.yaml"], tmp_path
    )
    assert ended.code == 2
    assert ended.reason == "toy.tank imports no files: leave --from out and fill in the template"


def test_memory_is_limited(tmp_path: Path) -> None:
    ended = confined.run(["trimtab.cli", "validate", "toy/tank-day"], tmp_path, megabytes=30)
    assert ended.code != 0
    assert ended.reason


def test_a_program_that_a_reader_starts_may_use_more_than_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "limits_told.py").write_text(
        "import json, resource\n"
        "limits = resource.getrlimit(resource.RLIMIT_AS)\n"
        "print(json.dumps({'megabytes': [limit >> 20 for limit in limits]}))"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    ended = confined.run(["limits_told"], tmp_path)
    assert ended.document == {"megabytes": [512, 1200]}


def test_processor_time_is_limited(tmp_path: Path) -> None:
    ended = confined.run(
        ["trimtab.cli", "run", "toy/tank-day", "--n-seeds", "5000"], tmp_path, seconds=1
    )
    assert ended.code < 0
    assert "stopped at its limits" in ended.reason
