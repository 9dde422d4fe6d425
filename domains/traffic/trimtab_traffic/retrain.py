"""Rebuilds everything the package ships that was tuned or trained: ``make retrain``.

Generated networks only, fixed seeds. Results are made in a work folder, part by part; a run that
was cut short goes on with the part it was in. Once all parts are done they replace the shipped
files; compare them on held-out networks before they are committed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from trimtab.learn.checkpoint import Progress
from trimtab.run.parameter_file import read_parameters

from trimtab_traffic import (
    classical_tuning,
    pareto_training,
    regional_training,
    training,
    training_networks,
    tuning,
)
from trimtab_traffic.controllers.learned import GRAPH, GRAPH_SENSED, WEIGHTS
from trimtab_traffic.controllers.pareto import PARETO
from trimtab_traffic.controllers.regional import REGIONAL
from trimtab_traffic.controllers.tuned_parameters import FOLDER
from trimtab_traffic.evolution import Search
from trimtab_traffic.scenario import SignalsProblem

SEED = 1
TUNING_SEED = 0
STAGE_SCORE = Path("resco") / "stage_score.json"


@dataclass(frozen=True)
class Size:
    """How much is spent.

    Attributes:
        classical: tuning of each classical controller.
        score: search of the stage score.
        graph, sensed, regional: imitation.
        pareto: search of the slopes of `pareto`.
        towns, held_out: networks of stage score and graph policy.
        lessons: networks, some with poor sensors, of the graph policy for such.
        regions, held_out_regions: networks of the regional agent.
        streets: networks of `pareto`.
    """

    classical: classical_tuning.Effort = field(default_factory=classical_tuning.usual)
    score: Search = Search()
    graph: training.Recipe = training.Recipe()
    sensed: training.Recipe = training.LESSONS
    regional: regional_training.Recipe = regional_training.Recipe()
    pareto: Search = pareto_training.SEARCH
    towns: Sequence[SignalsProblem] = field(default_factory=training_networks.training_towns)
    lessons: Sequence[SignalsProblem] = field(default_factory=training_networks.lessons)
    held_out: Sequence[SignalsProblem] = field(default_factory=training_networks.held_out_towns)
    regions: Sequence[SignalsProblem] = field(default_factory=regional_training.training_towns)
    held_out_regions: Sequence[SignalsProblem] = field(
        default_factory=regional_training.held_out_towns
    )
    streets: Sequence[SignalsProblem] = field(default_factory=training_networks.streets)


def tiny() -> Size:
    """Walks through every part in about a minute; what it makes is worth nothing."""
    towns = _short(training_networks.training_towns()[:1], 60)
    junction = _short(training_networks.training_towns()[4:5], 60)
    regions = _short(regional_training.training_towns()[:1], 300)
    return Size(
        classical=classical_tuning.Effort(junction, junction, generations=1, seeds=1),
        score=Search(generations=1, population=4, networks=1),
        graph=training.Recipe(dagger_rounds=1, dagger_steps=20),
        sensed=training.Recipe(dagger_rounds=1, dagger_steps=20),
        regional=regional_training.Recipe(rounds=1, steps=16, updates=5),
        pareto=Search(generations=1, population=4, networks=1),
        towns=towns,
        lessons=towns,
        held_out=towns,
        regions=regions,
        held_out_regions=regions,
        streets=_short(training_networks.streets()[:1], 60),
    )


def _short(models: Sequence[SignalsProblem], horizon_s: int) -> tuple[SignalsProblem, ...]:
    return tuple(model.model_copy(update={"horizon_s": horizon_s}) for model in models)


@dataclass(frozen=True)
class Retraining:
    """One retraining in a work folder.

    Attributes:
        work: keeps finished parts until all are done.
        size: how much is spent.
        progress: called with one line per step.
    """

    work: Path
    size: Size
    progress: Progress

    @property
    def tuned(self) -> Path:
        """Parameter files, laid out as they ship."""
        return self.work / "tuned"

    @property
    def weights(self) -> Path:
        """Weights, laid out as they ship."""
        return self.work / "weights"

    def run(self) -> None:
        """Do the parts that are missing."""
        for folder in (self.tuned, self.weights, self.work / "done"):
            folder.mkdir(parents=True, exist_ok=True)
        for name, make in self._parts():
            mark = self.work / "done" / name
            if mark.is_file():
                self.progress(f"{name}: done before")
                continue
            self.progress(f"{name} ...")
            begun = time.process_time()
            make()
            mark.touch()
            self.progress(f"{name}: {time.process_time() - begun:.0f} CPU-s")

    def install(self, tuned: Path, weights: Path) -> None:
        """Replace the shipped files by what `run` made, and remove the work folder.

        Args:
            tuned: folder of parameter files.
            weights: folder of weights.
        """
        shutil.copytree(self.tuned, tuned, dirs_exist_ok=True)
        shutil.copytree(self.weights, weights, dirs_exist_ok=True)
        shutil.rmtree(self.work)

    def _parts(self) -> Iterator[tuple[str, Callable[[], object]]]:
        yield "stage_score", self._stage_score
        for path, recipe, towns in (
            (GRAPH, self.size.graph, self.size.towns),
            (GRAPH_SENSED, self.size.sensed, self.size.lessons),
        ):
            yield path.stem, partial(self._graph, self.weights / path.name, recipe, towns)
        yield "regional", self._regional
        yield "pareto", self._pareto
        for name, profile, file in classical_tuning.shipped_files():
            yield f"{profile}-{name}", partial(self._classical, name, profile, file)

    def _classical(self, name: str, profile: str, file: Path) -> None:
        path, effort = self.tuned / file, self.size.classical
        classical_tuning.retune(name, profile, TUNING_SEED, path, effort, self.progress)

    def _stage_score(self) -> None:
        path, size = self.tuned / STAGE_SCORE, self.size
        tuning.retune(size.towns, size.held_out, TUNING_SEED, path, size.score, self.progress)

    def _graph(self, path: Path, recipe: training.Recipe, towns: Sequence[SignalsProblem]) -> None:
        _, teacher = read_parameters(self.tuned / STAGE_SCORE)
        judges = self.size.held_out
        training.train_anew(path, SEED, teacher, recipe, towns, judges, self.progress)

    def _regional(self) -> None:
        size, path = self.size, self.weights / REGIONAL.name
        towns, judges = size.regions, size.held_out_regions
        regional_training.train(path, SEED, self.progress, size.regional, towns, judges)

    def _pareto(self) -> None:
        path, size = self.weights / PARETO.name, self.size
        pareto_training.train(size.streets, SEED, path, size.pareto, self.progress)


def main(arguments: Sequence[str] | None = None) -> None:
    """Retrain, or walk through it with ``--tiny``, which replaces nothing that ships."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/retrain"), help="work folder")
    parser.add_argument("--tiny", action="store_true", help="a rehearsal of about a minute")
    chosen = parser.parse_args(arguments)
    if chosen.tiny:
        work = chosen.work.with_name(f"{chosen.work.name}-tiny")
        Retraining(work, tiny(), _say).run()
        _say(f"rehearsed; {work} keeps what was made, nothing that ships was touched")
        return
    retraining = Retraining(chosen.work, Size(), _say)
    retraining.run()
    retraining.install(FOLDER, WEIGHTS)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
