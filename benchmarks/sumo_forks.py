"""What a choice costs in SUMO itself: forks of the process that play on.

libsumo runs inside this process, so a fork is an exact copy of the simulation, the state of its
random numbers included. The copy plays a choice, lets a base controller go on, reports the time
lost and ends; the process that asked stands where it stood. A copy knows the future that the
simulation is going to have, so no controller that is fed by it can be built: it tells what there
is to gain and labels what could be learned. POSIX only.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import SimulatorError
from trimtab.contracts.spec import Action, FloatArray, IntArray
from trimtab_traffic.neighbours import neighbours
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.simulation import getter

MOST_FILES = 256
"""File descriptors looked through for those of SUMO's outputs."""


class Forks:
    """Plays choices in copies of the simulation as it stands now.

    Args:
        problem: interface `graph`, backend libsumo.
        base: plays on after the choice; decides from the observation alone.
        sight_m: the copy knows nobody further than this before the next signal, and nobody
            departs any more; None: it knows everybody.

    Attributes:
        near: [signals, signals + 1] columns of `lost_veh_s` of a signal and its neighbours.
    """

    def __init__(
        self, problem: SignalControl, base: Controller, sight_m: float | None = None
    ) -> None:
        self._problem, self._base, self._sight_m = problem, base, sight_m
        self.near = _near(problem)

    def room(self) -> int:
        """Intervals that can be played before the last one of the episode."""
        problem = self._problem
        left_s = problem.inputs.end_s - max(problem.session.time_s, problem.inputs.start_s)
        return int(left_s / problem.interval_s) - 1

    def lost_veh_s(self, stages: IntArray, intervals: int) -> FloatArray:
        """Time lost from now on if these stages are shown and the base plays on.

        Args:
            stages: [signals] shown during the first interval.
            intervals: played, at most `room()`.

        Returns:
            [intervals, signals + 1] veh·s lost in each by vehicles before each signal; the last
            column is of vehicles with no signal ahead.
        """
        found = in_a_fork(self._problem, lambda: self._play(stages, intervals).tobytes())
        return np.frombuffer(found).reshape(intervals, -1)

    def _play(self, stages: IntArray, intervals: int) -> FloatArray:
        if self._sight_m is not None:
            _forget(self._problem, self._sight_m)
        losses, action = Losses(self._problem), Action(discrete=stages[None, :, None])
        rows = []
        for number in range(intervals):
            step = self._problem.step(action)
            rows.append(losses.read())
            if number < intervals - 1:
                action = self._base.act(step.obs)
        return np.array(rows)


class Losses:
    """Time lost between two readings, by the signal that the vehicle had ahead."""

    def __init__(self, problem: SignalControl) -> None:
        self._problem = problem
        api = problem.session.api
        self._ids = getter(api, "vehicle", "getIDList")
        self._loss_s = getter(api, "vehicle", "getTimeLoss")
        self._ahead = getter(api, "vehicle", "getNextTLS")
        self._row = {name: row for row, name in enumerate(problem.signal_ids)}
        self._before = self._look()

    def read(self) -> FloatArray:
        """[signals + 1] veh·s; the last column is of vehicles with no signal ahead."""
        now, sums = self._look(), np.zeros(len(self._row) + 1)
        for vehicle, (loss_s, row) in now.items():
            before_s, towards = self._before.get(vehicle, (0.0, row))
            sums[towards] += loss_s - before_s
        self._before = now
        if self._problem.session.api.simulation.getPendingVehicles():
            sums[:-1] += self._problem.state.waiting_outside() * self._problem.interval_s
        return sums

    def _look(self) -> dict[str, tuple[float, int]]:
        seen = {}
        for vehicle in self._ids():
            ahead = self._ahead(vehicle)
            row = self._row.get(ahead[0][0], -1) if ahead else -1
            seen[vehicle] = (self._loss_s(vehicle), row)
        return seen


def in_a_fork(problem: SignalControl, work: Callable[[], bytes]) -> bytes:
    """What `work` returns in a copy of this process.

    Raises:
        SimulatorError: the copy failed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            _mute(problem)
            with os.fdopen(writing, "wb") as stream:
                stream.write(work())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        found = stream.read()
    if os.waitpid(child, 0)[1] != 0:
        msg = "a copy of the simulation failed"
        raise SimulatorError(msg)
    return found


def _near(problem: SignalControl) -> NDArray[np.bool_]:
    signals, edges = len(problem.signal_ids), neighbours(problem.network)
    near = np.eye(signals, signals + 1, dtype=bool)
    near[edges[:, 0], edges[:, 1]] = near[edges[:, 1], edges[:, 0]] = True
    return near


def _forget(problem: SignalControl, sight_m: float) -> None:
    api = problem.session.api
    api.simulation.setScale(0.0)  # of what is not loaded yet
    there = set(api.vehicle.getIDList())
    for vehicle in api.vehicle.getLoadedIDList():
        ahead = api.vehicle.getNextTLS(vehicle) if vehicle in there else ()
        if vehicle not in there or (ahead and ahead[0][2] > sight_m):
            api.vehicle.remove(vehicle)


def _mute(problem: SignalControl) -> None:
    """Nothing that this copy writes reaches the files it shares with what it copies."""
    files = {(s.st_dev, s.st_ino) for s in map(os.stat, problem.outputs.folder.iterdir())}
    sink = os.open(os.devnull, os.O_WRONLY)
    for number in range(3, MOST_FILES):
        try:
            found = os.fstat(number)
        except OSError:
            continue
        if (found.st_dev, found.st_ino) in files:
            os.dup2(sink, number)
