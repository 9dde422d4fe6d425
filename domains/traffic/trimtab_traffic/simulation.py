"""One SUMO simulation: libsumo in this process, or traci as the fallback, behind one class.

Settings are those of the benchmark: fixed horizon, teleporting and collision actions off,
unfinished and undeparted trips written. Every output goes into a private temporary folder.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Literal, cast

from trimtab.contracts.errors import InputFileError, MissingDependencyError, SimulatorError

from trimtab_traffic.toolchain import binary, sumo_home, sumo_version

Backend = Literal["auto", "libsumo", "traci"]
MAX_CALL_S = 0.5  # a simulationStep call holds the GIL: aim at half of the promised second
CURRENT = (1, 20)  # first version with all options we set and statistics we ask for
STANDING_SPEED_MPS = 0.1  # SUMO's own threshold of "halting"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What one simulation run is started with.

    Attributes:
        end_s: the horizon's end e; trips still running then are written as unfinished.
        teleport_s: standing time after which SUMO teleports a vehicle, -1 never.
        signals: TLS ids whose state changes are logged, by SUMO itself.
        edge_data: write the sums per edge (delay map).
        emissions: equip every vehicle with the emission device.
        extra: further SUMO options, taken as they are; they win over ours.
    """

    net: Path
    routes: tuple[Path, ...]
    begin_s: float
    end_s: float
    seed: int
    additional: tuple[Path, ...] = ()
    teleport_s: float = -1.0
    step_length_s: float = 1.0
    signals: tuple[str, ...] = ()
    edge_data: bool = False
    emissions: bool = False
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files SUMO writes; complete only after `Session.close`."""

    folder: Path

    @property
    def trips(self) -> Path:
        """`--tripinfo-output`."""
        return self.folder / "tripinfo.xml"

    @property
    def statistics(self) -> Path:
        """`--statistic-output`."""
        return self.folder / "statistics.xml"

    @property
    def edges(self) -> Path:
        """`--edgedata-output`."""
        return self.folder / "edges.xml"

    @property
    def signals(self) -> Path:
        """State changes of all logged TLS."""
        return self.folder / "signals.xml"


class Session:
    """Starts, steps and closes one simulation; may be started again after `close`.

    libsumo holds one simulation per process, so a second live session in a process must use
    `backend="traci"`. A libsumo that has simulated before can, rarely, give other trips for the
    same seed (measured on cologne1: 1 run in 4 to 12, SUMO 1.28; some order inside SUMO depends on
    heap addresses). Where bits must repeat, give every episode a fresh process, or use traci.

    Attributes:
        api: module `libsumo` or a traci connection (same functions) while running.
        time_s: simulated time.
        outputs: files of the last run.
    """

    def __init__(self, backend: Backend = "auto") -> None:
        self.version = tuple(int(part) for part in sumo_version().split(".")[:2])
        os.environ["SUMO_HOME"] = str(sumo_home())
        self.backend = _choose(backend)
        folder = tempfile.gettempdir()
        if ":" in folder:
            msg = (
                f"temporary folder {folder!r} contains ':', which SUMO reads as "
                "host:port: set TMPDIR to a folder without it"
            )
            raise InputFileError(msg)
        self.outputs = Outputs(Path(tempfile.mkdtemp(prefix="trimtab-sumo-")))
        self._remove = weakref.finalize(self, shutil.rmtree, self.outputs.folder, True)
        self.api: Any = None
        self.time_s = 0.0
        self._step: Callable[[float], Any] = lambda _: None
        self._parameter: Callable[[str, str], str] = lambda *_: ""
        self._call_s = 0.0  # wall seconds per simulated second of the last call

    @property
    def running(self) -> bool:
        """Whether a simulation is loaded."""
        return self.api is not None

    def start(self, options: RunOptions) -> None:
        """Load a run; time stands at `begin_s` afterwards.

        Raises:
            InputFileError: SUMO refuses its input; carries SUMO's own first message.
            SimulatorError: libsumo is already used by another session of this process.
        """
        self.close()
        if self.backend == "libsumo" and load_libsumo().isLoaded():
            msg = "libsumo already runs a simulation in this process; close that one first"
            raise SimulatorError(msg)
        arguments = ["sumo", *command_line(options, self.outputs, self.version)]
        with _captured_stderr() as captured:
            try:
                self.api = self._launch(arguments)
            except Exception as error:
                message = _first_message(captured(), str(error))
                msg = f"SUMO refuses {options.net.name}: {message}"
                raise InputFileError(msg) from error
        # libsumo's own simulationStep collects subscriptions of all domains each time
        if self.backend == "traci":
            self._step = self.api.simulationStep
        else:
            self._step = getter(self.api, "simulation", "step")
        self._parameter = getter(self.api, "simulation", "getParameter")
        self.time_s = options.begin_s
        self._call_s = 0.0

    def advance(self, until_s: float) -> None:
        """Simulate up to `until_s`, in calls of at most about half a second of wall time.

        Raises:
            SimulatorError: SUMO stopped; carries its own first message.
        """
        while self.time_s < until_s - 1e-9:
            target = until_s
            if self._call_s > 0.0:
                target = min(until_s, self.time_s + max(1.0, int(MAX_CALL_S / self._call_s)))
            started = time.perf_counter()
            try:
                self._step(float(target))
            except Exception as error:
                message = _first_message("", str(error))
                self.close()
                msg = f"SUMO stopped between {self.time_s:g} and {target:g} s: {message}"
                raise SimulatorError(msg) from error
            self._call_s = (time.perf_counter() - started) / (target - self.time_s)
            self.time_s = target

    def vehicles_in_network(self) -> int:
        """Vehicles under way now, as SUMO counts them: to list them it would look at each."""
        if self.version < CURRENT:
            return int(self.api.vehicle.getIDCount())
        return int(self._parameter("", "stats.vehicles.running"))

    def close(self) -> None:
        """End the run, which completes its outputs; harmless when nothing runs."""
        if self.api is not None:
            api, self.api = self.api, None
            with contextlib.suppress(Exception):  # a crashed simulator cannot be closed twice
                api.close()

    def dispose(self) -> None:
        """Close and remove the private folder."""
        self.close()
        self._remove()

    def _launch(self, arguments: list[str]) -> Any:
        if self.backend == "libsumo":
            libsumo = load_libsumo()
            try:
                libsumo.start(arguments)
            except Exception:
                libsumo.close()  # a refused input leaves half a simulation behind
                raise
            return libsumo
        import traci

        label = uuid.uuid4().hex  # a refused start leaves its label taken
        program = str(binary("sumo"))
        with contextlib.redirect_stdout(sys.stderr):  # traci prints its retries
            traci.start([program, *arguments[1:]], label=label, stdout=sys.stderr, doSwitch=False)
        return traci.getConnection(label)


def command_line(
    options: RunOptions, out: Outputs, version: tuple[int, ...] = CURRENT
) -> list[str]:
    """SUMO's command line of a run, without the program's name; the same for every way to run it.

    Args:
        options: the run.
        out: where SUMO writes.
        version: (major, minor) of SUMO; those before 1.20 know fewer options.
    """
    additional = list(options.additional)
    if options.signals:
        additional.append(_signal_log(out, options.signals))
    pairs: dict[str, str] = {
        "--net-file": str(options.net),
        "--route-files": ",".join(map(str, options.routes)),
        "--additional-files": ",".join(map(str, additional)),
        "--begin": f"{options.begin_s:g}",
        "--end": f"{options.end_s:g}",
        "--step-length": f"{options.step_length_s:g}",
        "--seed": str(options.seed),
        "--time-to-teleport": f"{options.teleport_s:g}",
        "--tripinfo-output": str(out.trips),
        "--statistic-output": str(out.statistics),
        "--edgedata-output": str(out.edges) if options.edge_data else "",
        "--device.emissions.probability": "1" if options.emissions else "",
        "--precision": "6",
    }
    if version >= CURRENT:  # older versions know neither
        pairs |= {"--collision.action": "none", "--tripinfo-output.write-undeparted": "true"}
    flags = ["--tripinfo-output.write-unfinished", "--no-step-log", "--no-warnings"]
    named = [word for k, v in pairs.items() if v and k not in options.extra for word in (k, v)]
    return [*named, *flags, "--duration-log.disable", *options.extra]


def getter(api: Any, domain: str, name: str) -> Callable[..., Any]:
    """A function of an API domain, without the Python wrapper that libsumo puts around each."""
    if api is sys.modules.get("libsumo"):
        return _native(domain, name)
    return cast("Callable[..., Any]", getattr(getattr(api, domain), name))


@cache
def _native(domain: str, name: str) -> Callable[..., Any]:
    module = sys.modules["libsumo._libsumo"]
    return cast("Callable[..., Any]", getattr(module, f"{domain}_{name}"))


def preload() -> None:
    """Import libsumo where it is installed, so that forks of this process need not."""
    if importlib.util.find_spec("libsumo"):
        os.environ["SUMO_HOME"] = str(sumo_home())
        load_libsumo()


def load_libsumo() -> Any:
    """Import libsumo silently: it warns of pyarrow, which only Parquet output needs."""
    if "libsumo" in sys.modules:
        return sys.modules["libsumo"]
    sys.stdout.flush()
    with (
        Path(os.devnull).open("w") as sink,
        contextlib.redirect_stdout(sink),
        _redirected(1, sink.fileno()),
    ):
        return importlib.import_module("libsumo")


def _choose(backend: Backend) -> Literal["libsumo", "traci"]:
    if backend == "auto":
        return "libsumo" if importlib.util.find_spec("libsumo") else "traci"
    if importlib.util.find_spec(backend) is None:
        raise MissingDependencyError(package=backend, extra="traffic", purpose="simulating traffic")
    return backend


def _signal_log(out: Outputs, signals: tuple[str, ...]) -> Path:
    path = out.folder / "signal-log.add.xml"
    dest = escape(str(out.signals))
    events = "".join(
        f'<timedEvent type="SaveTLSSwitchStates" source="{escape(tls)}" dest="{dest}"/>\n'
        for tls in signals
    )
    path.write_text(f"<additional>\n{events}</additional>\n", encoding="utf-8")
    return path


def _first_message(stderr: str, exception: str) -> str:
    """SUMO's own first error, on one line; the exception's text where SUMO printed nothing."""
    printed = [line.strip() for line in stderr.partition("Error:")[2].splitlines()]
    lines = printed or [line.strip() for line in exception.splitlines()]
    lines = [line for line in lines if line] or ["no message"]
    unfinished = lines[0].endswith(":") and len(lines) > 1
    return f"{lines[0]} {lines[1]}" if unfinished else lines[0]


@contextlib.contextmanager
def _redirected(fd: int, target: int) -> Iterator[None]:
    saved = os.dup(fd)
    try:
        os.dup2(target, fd)
        yield
    finally:
        os.dup2(saved, fd)
        os.close(saved)


@contextlib.contextmanager
def _captured_stderr() -> Iterator[Any]:
    """Collect what native code writes to file descriptor 2."""
    with tempfile.TemporaryFile() as sink:

        def text() -> str:
            sink.seek(0)
            return sink.read().decode("utf-8", "replace")

        with _redirected(2, sink.fileno()):
            yield text
