import re
from pathlib import Path

import pytest
from trimtab.contracts.errors import TrimtabError
from trimtab.testing.checks import run_check, tier_of
from trimtab.testing.conformance import CHECKS, installed_subject
from trimtab.testing.new_plugin import new_plugin

TUTORIAL = Path(__file__).resolve().parents[3] / "docs/plugin-tutorial.md"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new plug-in on the path, with the metadata that an installer would write."""
    folder = tmp_path / "basin"
    new_plugin(folder)
    info = folder / "trimtab_basin-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trimtab-basin\nVersion: 0.1.0\n")
    entry = "[trimtab.domains]\nbasin = trimtab_basin:domain.toml\n"
    (info / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_a_new_plugin_passes_every_check_as_it_is(installed: Path) -> None:
    subject = installed_subject("basin")
    results = [run_check(rule, subject) for rule in CHECKS]
    assert [(r.name, r.detail) for r in results if r.outcome == "failed"] == []
    assert tier_of(results) == "bronze"


def test_the_tutorial_shows_that_plugin_in_at_most_120_lines(installed: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)\n```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    code = "\n\n\n".join(blocks) + "\n"
    assert code == (installed / "trimtab_basin/domain.py").read_text(encoding="utf-8")
    assert len(code.splitlines()) <= 120


def test_its_test_file_is_three_lines(installed: Path) -> None:
    lines = (installed / "tests/test_domain.py").read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) == 3


@pytest.mark.parametrize("name", ["Basin", "a-b", "x", "n1"])
def test_a_folder_that_is_no_domain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TrimtabError, match="no name of a domain"):
        new_plugin(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "basin"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(TrimtabError, match="not an empty folder"):
        new_plugin(folder)
    assert [p.name for p in folder.iterdir()] == ["mine.txt"]
