from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from trimtab.contracts.domain import Imported
from trimtab.testing.toys.tank import TankDomain

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((), "scenario"), (("--from", "old-town.net.xml"), "old-town"), (("b.yaml",), "b")],
)
def test_a_scenario_is_named_after_its_file_or_the_first_one_it_is_made_of(
    trimtab: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    name: str,
) -> None:
    imported = Imported({"horizon_h": 3})
    monkeypatch.setattr(TankDomain, "from_files", lambda *_: imported)
    made = trimtab("init", "--domain", "toy.tank", *arguments)
    text = (tmp_path / "b.yaml").read_text() if "b.yaml" in arguments else made.out
    assert yaml.safe_load(text)["name"] == name
