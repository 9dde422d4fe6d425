"""Seconds from `trimtab cancel` to the job's end, for every domain that is installed.

    python benchmarks/cancel_latency.py [--repeats 2] [--domains grid.microgrid] [--out FILE]

Each controller, optimizer and bound of a domain's heaviest shipped scenario is cancelled at a
random moment after a worker took it: while it imports, compiles, builds its tables or plays. The
clock starts before the flag is written and stops when the store says that nothing of the run is
queued or running any more. Training and tuning run in the foreground: there the clock runs from
Ctrl-C (SIGINT) to the end of the process. With `--out`, a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from trimtab.contracts.registry import load_domain, manifests, shipped_scenarios
from trimtab.contracts.scenario import DesignScenario
from trimtab.run.crew import Crew
from trimtab.run.duty import Duty
from trimtab.run.jobs import BOUND
from trimtab.run.plan import RunOptions
from trimtab.run.scenario_file import LoadedScenario, load_scenario
from trimtab.run.scope import Scope
from trimtab.run.store import Store
from trimtab.run.workspace import Workspace

PATIENCE_S = 120.0
LATEST_S = 4.0
"""A job is cancelled at a random moment of its first so many seconds."""
HEAVIEST = {
    "toy.tank": ("toy/tank-day", ("problem.horizon_h=8760",)),
    "toy.queue": ("toy/queue-hour", ("problem.horizon_min=1440",)),
    "toy.beam": ("toy/beam", ("budget.evaluations=200000",)),
    "traffic.signals": ("traffic/ingolstadt21w", ()),
    "grid.microgrid": ("grid/plant-b-year", ()),
    "hardware.dram": ("hardware/dram-kernels", ("budget.evaluations=100000",)),
    "hardware.cache": ("hardware/cache-attention", ("budget.evaluations=100000",)),
    "hardware.dramadapt": ("hardware/dram-adapt", ("problem.epochs=4000",)),
}
"""Domain → its heaviest shipped scenario; of a domain that is not here, the first shipped."""
ALSO = {
    "grid.microgrid": (
        ("grid/remote-village", ("milp_persistence", "milp_perfect", "dp_perfect", "student",
                                 "ppo", BOUND)),
        ("grid/grid-connected", ("stochastic_dp", "dp_perfect", BOUND)),
    ),
    "hardware.dram": (("hardware/dram-cloud-1", ("random", "ppo", BOUND)),),
    "traffic.signals": (("traffic/cologne1", ("fixed", "max_pressure", BOUND)),),
}  # fmt: skip
"""Further scenarios of a domain whose long calls are others, and what of them is cancelled."""


@dataclass(frozen=True)
class Cancelled:
    """One cancel; `seconds` is NaN where the job had ended before."""

    domain: str
    scenario: str
    part: str
    after_s: float
    seconds: float


def plan(domain: str) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """(scenario, overrides, part) of everything that is cancelled in a domain."""
    area = manifests()[domain][0].area
    first = next(
        name
        for name in sorted(shipped_scenarios())
        if name.startswith(f"{area}/") and load_scenario(name).domain.name == domain
    )
    scenario, overrides = HEAVIEST.get(domain, (first, ()))
    loaded = load_scenario(scenario, overrides)
    for part in (BOUND, *_rows(loaded)):
        yield scenario, overrides, part
    for name in _learned(loaded):
        yield scenario, (), f"train {name}"
    for other, parts in ALSO.get(domain, ()):
        for part in parts:
            yield other, (), part


def _rows(loaded: LoadedScenario) -> list[str]:
    """Optimizers of a design scenario; controllers of another, those behind the shield."""
    if isinstance(loaded.scenario, DesignScenario):
        from trimtab.search.catalogue import OPTIMIZERS

        return list(loaded.scenario.controllers or ("random", "sobol", *sorted(OPTIMIZERS)[:4]))
    offered = loaded.domain.controllers(loaded.scenario.problem)
    named = loaded.scenario.controllers or sorted(offered)
    return [name for name in named if not name.endswith("_unshielded")]


def _learned(loaded: LoadedScenario) -> list[str]:
    if isinstance(loaded.scenario, DesignScenario):
        return []
    offered = loaded.domain.controllers(loaded.scenario.problem)
    return sorted(name for name, entry in offered.items() if entry.role == "learned")


def cancelled(
    scenario: str, overrides: tuple[str, ...], part: str, after_s: float, folder: Path
) -> float:
    """Seconds to cancel one job of a part, `after_s` seconds after a worker took it."""
    space = Workspace(folder)
    chosen = () if part == BOUND else (part,)
    options = RunOptions(controllers=chosen)
    if part == BOUND:
        loaded = load_scenario(scenario, overrides)
        if not isinstance(loaded.scenario, DesignScenario):
            options = RunOptions(controllers=tuple(_rows(loaded)[:1]))
    run = space.enqueue(scenario, options, overrides=[*overrides, "seeds=[1]"])
    wanted = "kind='bound'" if part == BOUND else f"controller='{part}'"
    with Store(folder) as store, Crew(store, Duty(str(folder), run), 1) as crew:
        store.db.execute(
            f"update job set state='cancelled' where state='queued' and not ({wanted})"  # noqa: S608
        )
        until = time.monotonic() + PATIENCE_S
        while not crew.doing and time.monotonic() < until:
            crew.tick()
        taken = time.monotonic()
        while time.monotonic() - taken < after_s and Scope(run).open_jobs(store.db):
            crew.tick()
        if not Scope(run).open_jobs(store.db):
            return math.nan
        began = time.monotonic()
        space.cancel(run)
        while Scope(run).open_jobs(store.db):
            crew.tick()
        return time.monotonic() - began


def _heed_interrupts() -> None:
    """Shells let what they start in the background ignore Ctrl-C, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(scenario: str, controller: str, after_s: float, folder: Path) -> float:
    """Seconds from Ctrl-C to the end of a training in the foreground."""
    words = [sys.executable, "-m", "trimtab.cli", "train", scenario, "--controller", controller]
    training = subprocess.Popen(
        [*words, "--workspace", str(folder), "--out", str(folder / "out")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        preexec_fn=_heed_interrupts,
    )  # fmt: skip
    try:
        training.wait(2.0 + after_s)
    except subprocess.TimeoutExpired:
        began = time.monotonic()
        os.kill(training.pid, signal.SIGINT)
        try:
            training.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(training.pid, signal.SIGKILL)
            training.wait()
        return time.monotonic() - began
    return math.nan


def measure(domain: str, repeats: int, known: set[tuple[str, str, str]]) -> Iterator[Cancelled]:
    """Cancel everything of a domain, each part `repeats` times at other moments."""
    moments = random.Random(7)  # noqa: S311
    for scenario, overrides, part in plan(domain):
        for _ in range(repeats):
            after_s = moments.uniform(0.0, LATEST_S)
            if (domain, scenario, part) in known:
                continue
            with tempfile.TemporaryDirectory() as folder:
                word, _, name = part.partition(" ")
                if word == "train":
                    seconds = interrupted(scenario, name, 3 * after_s, Path(folder))
                else:
                    seconds = cancelled(scenario, overrides, part, after_s, Path(folder))
            yield Cancelled(domain, scenario, part, round(after_s, 2), round(seconds, 3))


def table(found: list[Cancelled]) -> None:
    """Print median, p95 and maximum of each domain, and the slowest part."""
    print(f"{'domain':20} {'cancels':>7} {'median s':>9} {'p95 s':>7} {'max s':>7}  slowest")
    for domain in sorted({one.domain for one in found}):
        own = [one for one in found if one.domain == domain and not math.isnan(one.seconds)]
        if not own:
            print(f"{domain:20} every job ended before it could be cancelled")
            continue
        times = sorted(one.seconds for one in own)
        p95 = times[max(math.ceil(0.95 * len(times)) - 1, 0)]
        worst = max(own, key=lambda one: one.seconds)
        print(
            f"{domain:20} {len(times):7d} {statistics.median(times):9.2f} {p95:7.2f} "
            f"{times[-1]:7.2f}  {worst.scenario} {worst.part}, after {worst.after_s} s"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--domains", default="", help="separated by commas; all if absent")
    parser.add_argument("--out", type=Path, help="one JSON line a cancel; what is there is kept")
    given = parser.parse_args()
    domains = [name for name in given.domains.split(",") if name] or sorted(manifests())
    lines = given.out.read_text().splitlines() if given.out and given.out.is_file() else []
    found = [Cancelled(**json.loads(line)) for line in lines]
    known = {(one.domain, one.scenario, one.part) for one in found}
    for domain in domains:
        load_domain(domain)
        for one in measure(domain, given.repeats, known):
            found.append(one)
            line = json.dumps(asdict(one))
            print(line, file=sys.stderr, flush=True)
            if given.out:
                with given.out.open("a") as file:
                    file.write(line + "\n")
    table(found)


if __name__ == "__main__":
    main()
