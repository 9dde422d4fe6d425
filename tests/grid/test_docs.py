"""The commands of docs/grid.md, run on the files it shows."""

import csv
import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "grid.md").read_text(encoding="utf-8")


def block(kind, number=0):
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, flags=re.DOTALL)[number]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which every command of the page has been run."""
    home = tmp_path_factory.mktemp("road")
    (home / "plant.yaml").write_text(block("yaml"), encoding="utf-8")
    head = block("csv").splitlines()
    begin = datetime(2025, 1, 1, 2, tzinfo=UTC)
    more = [
        f"{begin + timedelta(hours=k):%Y-%m-%dT%H:%MZ},{200 + 6 * k},{80 - 3 * k}"
        for k in range(22)
    ]
    (home / "load.csv").write_text("\n".join([*head, *more]) + "\n", encoding="utf-8")
    for line in block("bash").splitlines():
        command = [sys.executable, "-m", "trimtab.cli", *shlex.split(line)[1:]]
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return home


def test_the_report_holds_the_figures_the_page_names(folder):
    report = (folder / "report" / "report.html").read_text(encoding="utf-8")
    for title in ("Power balance", "State of charge", "Fuel per unit", "One-line diagram"):
        assert title in report


def test_the_schedule_covers_the_table_and_the_shield_says_where_it_stands(folder):
    lines = (folder / "deployed" / "schedule.csv").read_text(encoding="utf-8").splitlines()
    schedule = list(csv.DictReader(lines))
    assert [float(row["load_kw"]) for row in schedule[:2]] == [210.5, 204.0]
    assert len(schedule) == 24
    safety = json.loads((folder / "deployed" / "safety.json").read_text(encoding="utf-8"))
    assert "proven" in safety["standing"]
