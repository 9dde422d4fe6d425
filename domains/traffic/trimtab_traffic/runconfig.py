"""The configuration that deploys a run, and the proof that it gives the product's own figures."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from trimtab_traffic.delay import demand_delay
from trimtab_traffic.demand import read_demand
from trimtab_traffic.filewrite import write_xml, xml_lines
from trimtab_traffic.importers.sumocfg import read_config
from trimtab_traffic.simulation import Outputs, RunOptions, command_line
from trimtab_traffic.toolchain import run_binary
from trimtab_traffic.trips import read_trips


def write_config(options: RunOptions, programs: Path, out: Path) -> Path:
    """Write ``run.sumocfg``: the product's run with `programs` loaded last.

    Args:
        options: the product's run.
        programs: additional file of signal programs, in folder `out`.
        out: folder of the configuration; SUMO writes its outputs there.
    """
    exported = replace(
        options, additional=(*options.additional, programs), signals=(), edge_data=False
    )
    words = command_line(exported, Outputs(out))
    values = [xml_lines(name, {"value": value}) for name, value in _pairs(words, out)]
    return write_xml(out / "run.sumocfg", "configuration", values)


def keep_files(options: RunOptions, temporary: Path, out: Path) -> RunOptions:
    """The run with files of a temporary folder copied to `out`, where they outlive the session."""

    def kept(path: Path) -> Path:
        if not path.is_relative_to(temporary):
            return path.resolve()
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(path, out / path.name))

    return replace(
        options,
        net=kept(options.net),
        routes=tuple(map(kept, options.routes)),
        additional=tuple(map(kept, options.additional)),
    )


def _pairs(words: Sequence[str], out: Path) -> Iterator[tuple[str, str]]:
    """Command line → (option, value); files in `out` by their names, so the folder can move."""
    values = [*words[1:], "--"]
    for word, following in zip(words, values, strict=True):
        if word.startswith("--"):
            value = "true" if following.startswith("--") else following
            parts = [Path(p).name if Path(p).parent == out else p for p in value.split(",")]
            yield word.removeprefix("--"), ",".join(parts)


def raw_true_delay_s(config: Path, seed: int, warm_up_s: float = 0.0) -> float:
    """True delay of a raw `sumo` run of an exported configuration.

    Args:
        config: as `write_config` wrote it.
        seed: of the traffic.
        warm_up_s: simulated before the evaluated horizon, s.

    Raises:
        InputFileError: SUMO refuses the configuration.
        SimulatorError: the run left no trips.
    """
    files = read_config(config)
    begin_s, end_s = files.begin_s or 0.0, files.end_s or 0.0
    with tempfile.TemporaryDirectory(prefix="trimtab-raw-") as folder:
        outputs = Outputs(Path(folder))
        arguments = ["-c", str(config), "--seed", str(seed)]
        arguments += ["--tripinfo-output", str(outputs.trips)]
        arguments += ["--statistic-output", str(outputs.statistics)]
        run_binary("sumo", arguments, source=config)
        demand = read_demand((*files.additional_files, *files.route_files), begin_s, end_s)
        return demand_delay(read_trips(outputs.trips), demand, begin_s + warm_up_s, end_s).mean_s
