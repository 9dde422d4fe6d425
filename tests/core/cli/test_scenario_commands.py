from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BAD = """\
name: Bad Name
domain: toy.tank
problem: {horizn_h: 3}
"""
Command = Callable[..., Any]


def test_a_valid_scenario_is_said_so_on_standard_output(trimtab: Command) -> None:
    ended = trimtab("validate", "toy/tank-day")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "toy/tank-day: valid (toy.tank, tank-day)\n"


def test_faults_go_to_standard_error_one_a_line_with_exit_code_2(
    trimtab: Command, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    ended = trimtab("validate", "bad.yaml")
    assert (ended.code, ended.out) == (2, "")
    first, second = ended.err.splitlines()
    assert first.startswith("bad.yaml:1:7: name: string should match pattern")
    assert second.endswith("Did you mean 'horizon_h'?")


def test_validation_as_json_lists_every_fault(trimtab: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    document = trimtab("validate", "bad.yaml", "--json").document
    assert document["schema"] == "trimtab/validation/1"
    assert document["valid"] is False
    assert [(f["line"], f["column"], f["key"]) for f in document["faults"]] == [
        (1, 7, "name"),
        (3, 11, "problem.horizn_h"),
    ]
    good = trimtab("validate", "toy/tank-day", "--json").document
    assert (good["valid"], good["faults"]) == (True, [])


def test_set_is_validated_too(trimtab: Command) -> None:
    assert trimtab("validate", "toy/tank-day", "--set", "problem.horizon_h=2").code == 0
    ended = trimtab("validate", "toy/tank-day", "--set", "problem.horizon_h=1")
    assert ended.code == 2
    assert ended.err.startswith("--set problem.horizon_h=1:1:19: problem.horizon_h: input should")


@pytest.mark.parametrize("domain", ["toy.tank", "toy.queue", "toy.beam"])
def test_a_template_is_valid_as_it_is(trimtab: Command, domain: str) -> None:
    assert trimtab("init", "--domain", domain, "my-first.yaml").code == 0
    assert trimtab("validate", "my-first.yaml").out.endswith("my-first)\n")


def test_a_template_shows_help_and_range_and_is_never_overwritten(
    trimtab: Command, tmp_path: Path
) -> None:
    text = trimtab("init", "--domain", "toy.tank").out
    assert "  # length of an episode, h; ≥ 2, ≤ 8760\n  horizon_h: 24\n" in text
    (tmp_path / "x.yaml").write_text("mine")
    ended = trimtab("init", "--domain", "toy.tank", "x.yaml")
    assert (ended.code, ended.err) == (
        2,
        "trimtab: x.yaml: cannot be written: it is there already\n",
    )
    assert (tmp_path / "x.yaml").read_text() == "mine"


def test_an_unknown_domain_is_suggested(trimtab: Command) -> None:
    ended = trimtab("init", "--domain", "toy.tnk")
    assert ended.code == 2
    assert "Did you mean 'toy.tank'?" in ended.err


def test_the_json_schema_of_a_domain_names_its_keys(trimtab: Command) -> None:
    document = trimtab("schema", "toy.tank").document
    assert document["properties"]["domain"]["const"] == "toy.tank"
    assert "horizon_h" in document["$defs"]["TankModel"]["properties"]


def test_shipped_scenarios_are_listed_toys_only_on_request(trimtab: Command) -> None:
    listed = {row["id"] for row in trimtab("scenarios", "--json").document["scenarios"]}
    every = {row["id"] for row in trimtab("scenarios", "--all", "--json").document["scenarios"]}
    assert "traffic/cologne8" in listed
    assert "toy/tank-day" in every - listed
    assert trimtab("scenarios").out.startswith("scenario ")


def test_an_up_to_date_file_is_not_rewritten(trimtab: Command, tmp_path: Path) -> None:
    trimtab("init", "--domain", "toy.tank", "x.yaml")
    before = (tmp_path / "x.yaml").read_text()
    assert trimtab("migrate", "x.yaml").out == "x.yaml: is up to date\n"
    assert (tmp_path / "x.yaml").read_text() == before


def test_plugins_and_their_domains_are_listed(trimtab: Command) -> None:
    rows = trimtab("plugins", "--all", "--json").document["plugins"]
    assert {"toy.tank", "toy.queue", "toy.beam"} <= {row["domain"] for row in rows}
    assert "toy" not in trimtab("plugins").out


def test_the_doctor_finds_this_installation_sound(trimtab: Command) -> None:
    ended = trimtab("doctor", "--json")
    findings = {f["check"]: f["state"] for f in ended.document["findings"]}
    assert findings["base packages"] == "ok"
    assert findings["job store"] == "ok"


def test_the_doctor_reports_a_broken_store(trimtab: Command, tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "store.db").write_text("no database" * 1000)
    ended = trimtab("doctor", "--workspace", "w", "--json")
    assert ended.code == 1
    broken = [f for f in ended.document["findings"] if f["state"] == "broken"]
    assert broken[0]["check"] == "job store"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "toy/tank-day", "--seeds", "1..x"),
        ("run", "toy/tank-day", "--seeds", "5..1"),
        ("run", "toy/tank-day", "--seeds", "1,1"),
        ("run", "toy/tank-day", "--seeds", "1", "--n-seeds", "2"),
        ("run", "toy/tank-day", "--workers", "0"),
        ("run", "toy/tank-day", "--no-such-option"),
        ("tune", "toy/tank-day"),
        ("no-such-command",),
    ],
)
def test_wrong_usage_has_exit_code_2_and_no_traceback(
    trimtab: Command, arguments: tuple[str, ...]
) -> None:
    ended = trimtab(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Error: " in ended.err
    assert "Traceback" not in ended.err


def test_the_version_is_printed(trimtab: Command) -> None:
    assert trimtab("--version").out.startswith("trimtab ")
