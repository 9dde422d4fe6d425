"""The domain `traffic.signals`: signal control on SUMO networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.contracts.controller import Entry
from trimtab.contracts.domain import Domain, Imported
from trimtab.contracts.figure import Figure
from trimtab.contracts.problem import Bound, ControlProblem
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Monitor, Shield

from trimtab_traffic.metrics import EPISODE_METRICS, HEADLINE, STARVED_SHARE, TRIP_METRICS
from trimtab_traffic.scenario import SignalsProblem


class SignalsDomain(Domain):
    """Signal control on SUMO networks; one simulation a process."""

    name = "traffic.signals"
    title = "Signal control on SUMO networks"
    problem_model = SignalsProblem
    headline = HEADLINE
    metrics = (*TRIP_METRICS, *EPISODE_METRICS)
    external = True
    concepts = ("queue", "approaching vehicles", "head wait", "downstream space", "stage age")

    def build(
        self,
        problem: SignalsProblem,
        copies: int = 1,
        interface: str = "stage",
        autoreset: bool = False,
    ) -> ControlProblem:
        """See `Domain.build`; one copy per process, interfaces of `problem.INTERFACES`."""
        from trimtab_traffic.problem import SignalControl

        return SignalControl(problem, interface, autoreset=autoreset, logs=not autoreset)

    def preload(self) -> None:
        """Import SUMO's library, if it is there."""
        from trimtab_traffic.simulation import preload

        preload()

    def controllers(self, problem: SignalsProblem) -> Mapping[str, Entry]:
        """See `Domain.controllers`."""
        from trimtab_traffic.controllers import entries

        return entries(problem)

    def reference(self, problem: SignalsProblem) -> tuple[str, ...]:
        """The shipped plan or actuated control, as given or of 5 to 50 s: the best on the run."""
        return ("fixed", "actuated", "actuated_5_50")

    def bound(self, problem: SignalsProblem, seed: int) -> Bound:
        """Conflict-free floor, or the sum of junction optima where that is larger."""
        from trimtab_traffic.bounds import bound

        return bound(problem, seed)

    def verify(self, problem: SignalsProblem, seed: int, bound: Bound) -> None:
        """See `Domain.verify`."""
        from trimtab_traffic.bounds import verify

        verify(problem, seed, bound)

    def shield(self, problem: SignalsProblem, control: ControlProblem) -> Shield | None:
        """The automaton compiled from network and rules."""
        from trimtab_traffic.problem import SignalControl

        return control.shield if isinstance(control, SignalControl) else None

    def monitor(self, problem: SignalsProblem) -> Monitor:
        """The independent monitor over SUMO's own record of signal states."""
        from trimtab_traffic.inputs import compiled_network, resolve
        from trimtab_traffic.monitor import SignalMonitor
        from trimtab_traffic.rules import requirement_numbers

        inputs = resolve(problem)
        network = compiled_network(inputs.net, inputs.additional)
        return SignalMonitor(inputs.net, requirement_numbers(network, problem.profile))

    def balances(self, problem: SignalsProblem, log: Mapping[str, Any]) -> Mapping[str, float]:
        """Vehicles: those that trips were written of were inserted, and arrived or still run."""
        from trimtab_traffic.trips import vehicle_balances

        return vehicle_balances(log["trips"], log["statistics"])

    def cross_checks(self, problem: SignalsProblem, seed: int) -> Mapping[str, tuple[float, float]]:
        """Delay under the shipped plan, step by step here against the raw ``sumo`` binary."""
        import tempfile

        from trimtab.run.grants import make_controller
        from trimtab.run.runner import evaluate

        from trimtab_traffic.rawrun import prepare, simulate_plan

        entry = self.controllers(problem)["fixed"]
        with self.build(problem, 1, entry.interface) as control:
            record = evaluate(control, make_controller(control, entry), [seed])[0]
        with tempfile.TemporaryDirectory() as folder:
            raw_s = simulate_plan(prepare(problem, seed, Path(folder)), {}, seed)
        return {HEADLINE.name: (record.metrics[HEADLINE.name], raw_s)}

    def profile(self, problem: SignalsProblem) -> str:
        """See `Domain.profile`."""
        return problem.rules.profile

    def flags(self, record: EpisodeRecord) -> tuple[str, ...]:
        """`gridlock`: vehicles stuck at the end; `starved`: demand that never got in."""
        demand = record.metrics["demand_veh"]
        starved = record.metrics["never_inserted_veh"] > STARVED_SHARE * demand
        gridlock = bool(record.metrics["gridlock"])
        found = (("gridlock", gridlock), ("starved", starved))
        return tuple(name for name, holds in found if holds)

    def data_files(self, problem: SignalsProblem) -> tuple[Path, ...]:
        """Network, demand and additional files."""
        from trimtab_traffic.inputs import resolve

        inputs = resolve(problem)
        return (inputs.net, *inputs.routes, *inputs.additional)

    def check(self, problem: SignalsProblem) -> tuple[str, ...]:
        """Notes on the user's own network and demand; ours are read where something names them."""
        network = problem.network
        ours = network.generated is not None or (network.wheel and problem.begin_s is None)
        if ours and not problem.closures and not problem.rules.signals:
            return ()
        return self.notes(problem)

    def from_files(self, files: Sequence[Path], folder: Path, name: str) -> Imported:
        """Network and demand of files of any kind that `readers` knows."""
        from trimtab_traffic.readers import problem_from_files

        return problem_from_files(files, folder, name)

    def notes(self, problem: SignalsProblem) -> tuple[str, ...]:
        """Data licence, what was mended or should be known about the input, rules relaxed."""
        from trimtab_traffic.inputs import compiled_network, resolve
        from trimtab_traffic.neighbours import lock_notes
        from trimtab_traffic.shield import compile_shield

        inputs = resolve(problem)
        network = compiled_network(inputs.net, inputs.additional)
        notes = (*inputs.notes, *lock_notes(network))
        if problem.profile.name != "field":
            return notes
        automata = compile_shield(network, problem.profile).automata
        return (*notes, *(note for automaton in automata for note in automaton.notes))

    def views(
        self, problem: SignalsProblem, records: Sequence[EpisodeRecord]
    ) -> tuple[Figure, ...]:
        """Network map coloured by delay, delay and queue per controller."""
        from trimtab_traffic.views import figures

        return figures(problem, records)

    def export(
        self, problem: SignalsProblem, controller: str, parameters: Mapping[str, Any], out: Path
    ) -> tuple[Path, ...]:
        """Programs, stage and intergreen tables, or a decision table."""
        from trimtab_traffic.writers import export

        return export(problem, controller, parameters, out)

    def train(
        self,
        problem: SignalsProblem,
        controller: str,
        seed: int,
        out: Path,
        cpu_s: float | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Mapping[str, Any]:
        """Fine-tune `graph`, or search the slopes of `pareto`, on this network."""
        if controller == "pareto":
            from trimtab_traffic.pareto_training import train_on

            return train_on(problem, seed, out, cpu_s, progress)
        if controller != "graph":
            return super().train(problem, controller, seed, out, cpu_s, progress)
        from trimtab_traffic.training import train

        return train(problem, seed, out, cpu_s, progress)


DOMAIN = SignalsDomain()
