from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]


def test_a_new_plugin_is_written_and_its_files_are_listed(trimtab: Command, tmp_path: Path) -> None:
    ended = trimtab("new-plugin", "basin", "--json")
    assert ended.code == 0
    assert all((tmp_path / name).is_file() for name in ended.document["files"])
    assert (tmp_path / "basin/trimtab_basin/domain.toml").is_file()


def test_checking_a_plugin_prints_the_tier_that_its_checks_reach(trimtab: Command) -> None:
    ended = trimtab("check-plugin", "toy.beam", "--json")
    (domain,) = ended.document["domains"]
    assert ended.code == 0
    assert domain["tier"] == "gold"
    assert {check["outcome"] for check in domain["checks"]} == {"passed", "skipped"}
    told = ended.err.splitlines()
    assert told[0].startswith("toy.beam, checked on {")
    assert [line.partition(" of ")[0] for line in told[1:]] == [
        str(k + 1) for k in range(len(domain["checks"]))
    ]


def test_checking_an_unknown_plugin_names_those_that_there_are(trimtab: Command) -> None:
    ended = trimtab("check-plugin", "toy.tnak")
    assert ended.code == 2
    assert "toy.tank" in ended.err
