"""A session starts, steps and ends SUMO the same way through libsumo and traci."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError, SimulatorError
from trimtab_traffic.inputs import DEFAULT_CAR_CLASS
from trimtab_traffic.simulation import RunOptions, Session
from trimtab_traffic.trips import read_edge_loss, read_trips, trips_digest

Writer = Callable[..., Path]


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session("libsumo")
    yield session
    session.dispose()


@pytest.fixture
def options(two_streets: Writer, two_street_demand: Writer) -> RunOptions:
    demand = two_street_demand(
        '<flow id="a" begin="10" end="100" period="4" route="we"/>'
        '<flow id="b" begin="10" end="100" probability="0.2" route="sn"/>'
    )
    return RunOptions(two_streets(), (demand,), begin_s=10, end_s=110, seed=3, signals=("C",))


def play(session: Session, options: RunOptions) -> str:
    session.start(options)
    session.advance(options.end_s)
    session.close()
    return trips_digest(session.outputs.trips)


def test_the_same_seed_gives_the_same_trips_and_another_seed_others(
    session: Session, options: RunOptions
) -> None:
    first = play(session, options)
    assert play(session, options) == first
    assert play(session, dataclasses.replace(options, seed=4)) != first


def test_the_step_length_of_the_user_wins_over_ours(session: Session, options: RunOptions) -> None:
    fine = dataclasses.replace(options, extra=("--step-length", "0.5"))
    assert play(session, fine) != play(session, options)


def test_sumo_gives_cars_the_emission_class_that_notes_name(
    session: Session, options: RunOptions
) -> None:
    session.start(options)
    assert session.api.vehicletype.getEmissionClass("DEFAULT_VEHTYPE") == DEFAULT_CAR_CLASS


def test_libsumo_and_traci_give_the_same_trips(session: Session, options: RunOptions) -> None:
    other = Session("traci")
    try:
        assert play(other, options) == play(session, options)
    finally:
        other.dispose()


def test_advancing_in_one_call_or_many_gives_the_same_trips(
    session: Session, options: RunOptions
) -> None:
    whole = play(session, options)
    session.start(options)
    for time_s in range(11, 111):
        session.advance(time_s)
    session.close()
    assert trips_digest(session.outputs.trips) == whole


def test_time_stands_at_begin_after_start_and_at_the_target_after_advance(
    session: Session, options: RunOptions
) -> None:
    session.start(options)
    assert session.time_s == session.api.simulation.getTime() == 10
    session.advance(25)
    assert session.time_s == session.api.simulation.getTime() == 25


def test_signal_changes_are_logged_by_sumo_itself(session: Session, options: RunOptions) -> None:
    play(session, options)
    log = session.outputs.signals.read_text()
    assert '<tlsState time="96.000" id="C" programID="0" phase="1" state="yr"/>' in log
    assert '<tlsState time="99.000" id="C" programID="0" phase="2" state="rG"/>' in log


def test_edge_losses_cover_the_loaded_approaches(session: Session, options: RunOptions) -> None:
    play(session, dataclasses.replace(options, edge_data=True))
    losses = read_edge_loss(session.outputs.edges)
    assert losses["WC"] > 0
    assert losses["SC"] > 0


def test_emissions_are_written_only_when_asked(session: Session, options: RunOptions) -> None:
    play(session, options)
    assert read_trips(session.outputs.trips).co2_g.size == 0
    play(session, dataclasses.replace(options, emissions=True))
    trips = read_trips(session.outputs.trips)
    assert trips.co2_g.shape == trips.depart_s.shape
    assert (trips.co2_g[trips.arrived] > 1.0).all()


def test_refused_input_carries_the_first_message_of_sumo(
    session: Session, options: RunOptions
) -> None:
    missing = dataclasses.replace(options, net=Path("/nowhere/x.net.xml"))
    with pytest.raises(InputFileError, match=r"SUMO refuses x\.net\.xml: File '/nowhere/x"):
        session.start(missing)
    assert not session.running


def test_a_bad_option_is_reported_with_its_reason(session: Session, options: RunOptions) -> None:
    with pytest.raises(InputFileError, match="'--foo': No option with the name 'foo' exists"):
        session.start(dataclasses.replace(options, extra=("--foo", "1")))


def test_sumo_stopping_on_the_way_is_a_simulator_error(
    session: Session, options: RunOptions, two_street_demand: Writer
) -> None:
    first = '<vehicle id="w" depart="20" route="we"/><vehicle id="v" depart="800" route="we"/>'
    late = two_street_demand(f'{first}<vehicle id="x" depart="900" route="nowhere"/>', "late.xml")
    session.start(dataclasses.replace(options, routes=(late,), end_s=1000))
    with pytest.raises(SimulatorError, match=r"SUMO stopped between .* 'nowhere'"):
        session.advance(1000)
    assert not session.running


def test_a_second_libsumo_session_in_a_process_is_refused(
    session: Session, options: RunOptions
) -> None:
    session.start(options)
    second = Session("libsumo")
    with pytest.raises(SimulatorError, match="already runs a simulation"):
        second.start(options)
    second.dispose()


def test_closing_twice_is_harmless_and_leaves_no_folder(options: RunOptions) -> None:
    session = Session("libsumo")
    session.start(options)
    folder = session.outputs.folder
    session.dispose()
    session.dispose()
    assert not folder.exists()


def test_loading_libsumo_prints_nothing() -> None:
    code = "from trimtab_traffic.simulation import load_libsumo; load_libsumo()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
