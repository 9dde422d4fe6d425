"""The domain contract: what a plug-in offers, and the static manifest read before its code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from trimtab.contracts.controller import Entry
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.figure import Figure
from trimtab.contracts.problem import Bound, ControlProblem, DesignProblem
from trimtab.contracts.records import DesignRecord, EpisodeRecord
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.shield import Monitor, Shield
from trimtab.contracts.spec import Metric


class Exemption(StrictModel):
    """Why a rule of the conformance kit is not asked of a domain, or not met yet."""

    state: Literal["exempt", "todo"]
    reason: str = Field(min_length=10, description="one line, shown with the tier")


class DomainManifest(StrictModel):
    """One domain of a plug-in, as its manifest declares it."""

    name: str = Field(pattern=r"^[a-z]+(\.[a-z]+)?$", description="what a scenario names")
    title: str
    kind: Literal["control", "design"]
    code: str = Field(pattern=r"^[\w.]+:\w+$", description="module:DOMAIN, imported on first use")
    extra: str = Field("", description="pip extra that brings its libraries")
    area: str = Field(pattern=r"^[a-z]+$", description="prefix of shipped scenario ids")
    scenarios: str = Field("scenarios", description="folder of shipped scenarios in the package")
    template: str = Field(
        "", description="shipped scenario that a new file begins from; the first one if empty"
    )
    licences: tuple[str, ...] = Field((), description="licence notes of data it reads")
    system_libraries: tuple[str, ...] = Field((), description="shared libraries its wheels load")
    debian_packages: tuple[str, ...] = Field((), description="packages that bring them")
    imports: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    docs: str = Field("", description="document in the package, for users of the domain")
    speed_floor_per_s: float = Field(
        0.0, ge=0.0, description="decisions or evaluations per CPU second it never falls below"
    )
    trade_offs: tuple[str, ...] = Field(
        (), description="metrics that pull against the headline, the most telling first"
    )
    checked_on: dict[str, Any] = Field(
        {}, description="problem part the conformance checks play; the first shipped one if empty"
    )
    quality: dict[str, Exemption] = Field(
        {}, description="rules of the conformance kit by name: exempt or still to do, and why"
    )


class PluginManifest(StrictModel):
    """The whole of a plug-in's `domain.toml`."""

    api: Literal[1]
    title: str
    hidden: bool = Field(False, description="left out of listings (test plug-ins)")
    domains: tuple[DomainManifest, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Imported:
    """A scenario's problem part made of a user's files.

    Attributes:
        problem: as it stands in a scenario file, paths relative to its folder where possible.
        notes: one line per thing that was mended or that a reader should know.
    """

    problem: Mapping[str, Any]
    notes: tuple[str, ...] = ()


class Domain(ABC):
    """What a plug-in offers for one domain; frozen, cheap to import, no heavy library on top.

    `problem` arguments are instances of `problem_model`, the domain's part of a scenario.

    Attributes:
        name: as in the manifest.
        problem_model: pydantic model of the scenario's `problem` part.
        headline: the episode metric that is C in "share of the gap closed".
        metrics: every episode metric it reports, the headline among them.
        external: the simulator is someone else's process: one copy per worker.
        shares_evaluations: a design takes so long to simulate (0.1 s and more) that the searches
            of a workspace share results on disk; `DesignProblem.identity` must then name
            everything they depend on.
        concepts: names of the features that explanations are to speak in.
    """

    name: str
    title: str
    problem_model: type[StrictModel]
    headline: Metric
    metrics: tuple[Metric, ...]
    external: bool = False
    shares_evaluations: bool = False
    concepts: tuple[str, ...] = ()

    @abstractmethod
    def build(
        self, problem: Any, copies: int = 1, interface: str = "default", autoreset: bool = False
    ) -> ControlProblem | DesignProblem:
        """Make the problem with `copies` copies, playing one of its action interfaces.

        Raises:
            TrimtabError: the scenario names something that is not there or not consistent.
        """

    def preload(self) -> None:
        """Import heavy libraries; a worker calls it once, before it forks external episodes."""

    def controllers(self, problem: Any) -> Mapping[str, Entry]:
        """Controllers offered on this scenario, by stable public name."""
        return {}

    def reference(self, problem: Any) -> tuple[str, ...]:
        """Controllers practitioners use today; the best of them in a run is C_ref."""
        return ()

    def reference_designs(self, problem: Any) -> Mapping[str, Mapping[str, Any]]:
        """Design domains: designs in use today by row name; the best of them is C_ref.

        Values are readable ones; `DesignProblem.evaluate_design` must accept them, the space
        need not hold them.
        """
        return {}

    def propose(self, problem: Any) -> Mapping[str, Any]:
        """Design domains: a design for this scenario with no simulator call, readable values.

        Raises:
            TrimtabError: nothing is known that could propose one; the default.
        """
        msg = f"{self.name}: proposes no designs: name a design file, reference or best"
        raise TrimtabError(msg)

    def bound(self, problem: Any, seed: int) -> Bound | None:
        """A computed bound of the headline on one seed, or None.

        A design domain is asked once, for the simulator's seed 0.
        """
        return None

    def verify(self, problem: Any, seed: int, bound: Bound) -> None:
        """Check a bound's certificate independently of how it was computed.

        Raises:
            BoundError: the certificate does not hold.
        """

    def shield(self, problem: Any, control: ControlProblem) -> Shield | None:
        """The shield compiled from the scenario's rules, or None."""
        return None

    def monitor(self, problem: Any) -> Monitor | None:
        """The independent monitor, or None."""
        return None

    def balances(self, problem: Any, log: Mapping[str, Any]) -> Mapping[str, float]:
        """Residual of each conservation law over an episode, as a share of what flowed.

        Args:
            problem: as everywhere.
            log: `ControlProblem.episode_log` of the episode.
        """
        return {}

    def cross_checks(self, problem: Any, seed: int) -> Mapping[str, tuple[float, float]]:
        """Quantities as the domain's engine computes them and as an independent reference does.

        The reference shares no code with the engine: a closed form, a slow readable twin, another
        simulator. They must agree to one part in a million.
        """
        return {}

    def profile(self, problem: Any) -> str | None:
        """Name of the rule profile, where the domain has several."""
        return None

    def flags(self, record: EpisodeRecord) -> tuple[str, ...]:
        """What a reader must know before trusting an episode ("gridlock")."""
        return ()

    def data_files(self, problem: Any) -> tuple[Path, ...]:
        """Input files whose content is part of a job's identity."""
        return ()

    def check(self, problem: Any) -> tuple[str, ...]:
        """Read the user's own files that a scenario names, without a simulator; notes on them.

        Raises:
            TrimtabError: a file is missing, unreadable or inconsistent with the others.
        """
        return ()

    def from_files(self, files: Sequence[Path], folder: Path, name: str) -> Imported:
        """Make a scenario's problem part of a user's files, told apart by their content.

        Args:
            files: in any order.
            folder: where the scenario file will lie; converted files go below it.
            name: of the scenario.

        Raises:
            TrimtabError: a file is wrong, or this domain imports none. Nothing is left behind.
        """
        msg = f"{self.name} imports no files: leave --from out and fill in the template"
        raise TrimtabError(msg)

    def notes(self, problem: Any) -> tuple[str, ...]:
        """One-line notes for the reader of a run: data licences, what was not modelled."""
        return ()

    def views(self, problem: Any, records: Sequence[EpisodeRecord]) -> tuple[Figure, ...]:
        """Figures for the report and the app.

        `records` come with the controller that is recommended first, the reference second, and
        those that see the future last: what is drawn of one controller alone is drawn of the first.
        """
        return ()

    def design_views(self, problem: Any, records: Sequence[DesignRecord]) -> tuple[Figure, ...]:
        """Figures of a design domain, beside those of core (regret, Pareto front).

        `records` come in the same order as those of `views`.
        """
        return ()

    def log_design(self, problem: Any, design: Mapping[str, Any], out: Path) -> tuple[Path, ...]:
        """Write the full log of simulating one design into folder `out`; return the files.

        Such as what every request met; metrics need no log.
        """
        return ()

    def train(
        self,
        problem: Any,
        controller: str,
        seed: int,
        out: Path,
        cpu_s: float | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Mapping[str, Any]:
        """Train a learned controller and write its weights and manifest into folder `out`.

        Args:
            problem: what to train on.
            controller: id of an entry whose role is learned.
            seed: of training.
            out: folder, exists.
            cpu_s: budget; None for the domain's default.
            progress: called with a line whenever there is something to say.

        Returns:
            Parameters that make `Entry.factory` use what was trained (plain data, file paths).

        Raises:
            TrimtabError: this controller is not trained.
        """
        msg = f"{self.name} has nothing to train for {controller!r}"
        raise TrimtabError(msg)

    def export(
        self, problem: Any, controller: str, parameters: Mapping[str, Any], out: Path
    ) -> tuple[Path, ...]:
        """Write a deployable form of a controller into folder `out`; return the files.

        In a design domain `controller` names the row a design comes from and `parameters` are
        the design's readable values.

        Raises:
            TrimtabError: this controller has no deployable form.
        """
        msg = f"{self.name} has no deployable form for {controller!r}"
        raise TrimtabError(msg)
