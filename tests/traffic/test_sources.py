"""Wheel networks are found by file, with the begin, timing and licence of the table."""

from __future__ import annotations

import sys

import pytest
from trimtab.contracts.errors import InputFileError, MissingDependencyError, UnknownNameError
from trimtab_traffic import sources
from trimtab_traffic.sources import OTHER_NETS, RESCO_NETS, NetSource, find_net


@pytest.mark.parametrize("source", [*RESCO_NETS, *OTHER_NETS], ids=lambda s: s.name)
def test_every_listed_file_is_in_the_wheels(source: NetSource) -> None:
    files = (source.net_file, *source.route_files, *source.additional_files)
    assert all(path.is_file() for path in files)
    assert source.end_s > source.begin_s


@pytest.mark.parametrize(
    ("name", "begin_s", "interval_s", "yellow_s"),
    [
        ("grid4x4", 0, 10, 3),
        ("arterial4x4", 0, 5, 2),
        ("cologne1", 25200, 10, 3),
        ("cologne3", 25200, 10, 3),
        ("cologne8", 25200, 10, 3),
        ("ingolstadt1", 57600, 10, 3),
        ("ingolstadt7w", 57600, 10, 3),
        ("ingolstadt21w", 57600, 10, 3),
    ],
)
def test_resco_timing_is_the_published_one(
    name: str, begin_s: int, interval_s: int, yellow_s: int
) -> None:
    source = find_net(name)
    assert (source.begin_s, source.end_s) == (begin_s, begin_s + 3600)
    assert (source.decision_interval_s, source.yellow_s) == (interval_s, yellow_s)


def test_restrictive_licences_are_named() -> None:
    assert "CC BY-NC-SA" in find_net("cologne8").licence
    assert "GPL" in find_net("ingolstadt1").licence
    assert "MIT" in find_net("nguyen").licence


def test_only_the_two_altered_networks_carry_a_note() -> None:
    assert {s.name for s in RESCO_NETS if s.note} == {"ingolstadt7w", "ingolstadt21w"}


def test_finding_a_network_does_not_import_the_wheel() -> None:
    assert find_net("cologne1").net_file.is_file()
    assert "sumo_rl" not in sys.modules


def test_an_unknown_name_is_suggested() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'cologne8'"):
        find_net("colonge8")


def test_a_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"trimtab\[traffic\]"):
        _ = find_net("cologne1").net_file


def test_a_file_missing_from_the_wheel_is_named() -> None:
    source = NetSource("odd", "sumo-rl", "RESCO/cologne1", "odd.net.xml", (), "none")
    with pytest.raises(InputFileError, match="odd.net.xml"):
        _ = source.net_file
