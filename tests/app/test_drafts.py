from pathlib import Path

import pytest
from trimtab.contracts.errors import ScenarioError
from trimtab.run.scenario_file import load_scenario
from trimtab_app.drafts import read_draft

GOOD = "schema: trimtab/scenario/1\nname: x\ndomain: toy.tank\nproblem: {horizon_h: 12}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_valid_draft_is_loaded(tmp_path: Path) -> None:
    draft = read_draft(written(tmp_path, GOOD), tmp_path)
    assert draft.loaded is not None
    assert draft.data["problem"] == {"horizon_h": 12}


def test_faults_are_those_of_the_command_line(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("12", "1, tarif_peak: 99"))
    draft = read_draft(path, tmp_path)
    with pytest.raises(ScenarioError) as error:
        load_scenario(path)
    assert draft.faults == error.value.faults
    assert draft.at("problem.horizon_h") == ["input should be greater than or equal to 2 (got 1)"]


def test_text_that_is_no_yaml_has_its_place(tmp_path: Path) -> None:
    draft = read_draft(written(tmp_path, "name: [1\n"), tmp_path)
    assert not draft.parsed
    assert draft.faults[0].line >= 1


def test_data_files_outside_the_workspace_are_refused(tmp_path: Path) -> None:
    outside = tmp_path / "net.xml"
    outside.write_text("<net/>", encoding="utf-8")
    workspace = tmp_path / "work"
    workspace.mkdir()
    path = written(
        workspace,
        "schema: trimtab/scenario/1\nname: x\ndomain: traffic.signals\n"
        f"problem: {{network: {{net: {outside}, routes: [{outside}]}}}}\n",
    )
    draft = read_draft(path, workspace)
    assert "outside the workspace" in draft.at("problem.network.net")[0]
