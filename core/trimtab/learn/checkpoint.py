"""Trainings that were killed go on: what one has reached lies in a file beside its output.

The file appears whole or not at all and is removed at the end. It holds what the training
follows from (its recipe); a file of another scenario, seed or recipe is not used. A trainer goes
on bit for bit (same CPU, 1 thread) for as many iterations as its budget pays for.

    kept = Resumable(Budget(cpu_s), Checkpoint(path, recipe_of(domain, problem, seed=seed)), tell)
    start = kept.begin(lambda: Start(student, {"steps": steps}))     # made once
    ppo = PPO(problem, net, PPOConfig(steps=start.facts["steps"]), (seed,), initial=start.policy)
    for report in kept.train(ppo):                                   # goes on where it was
        ...
    save_policy(output, ppo.policy().seed(0), problem.spec)
    kept.end()
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import trimtab
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import CheckpointError
from trimtab.contracts.scenario import canonical_json
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Normaliser, Policy
from trimtab.learn.report import Report, Trainer
from trimtab.run.checkpoints import part, read_file, write_file
from trimtab.run.identity import file_sha256

EVERY_S = 10.0
"""Time between two checkpoints at least."""
SHARE = 0.02
"""Of the time, that writing them takes at most."""
Arrays = Mapping[str, NDArray[Any]]
Progress = Callable[[str], None]


def recipe_of(domain: Domain, problem: Any, **more: Any) -> dict[str, Any]:
    """What a training on a problem follows from: its settings, the content of its files, `more`."""
    files = [file_sha256(path) for path in domain.data_files(problem)]
    return {"domain": domain.name, "problem": canonical_json(problem), "data": files, **more}


class Checkpoint:
    """One file from which a training goes on.

    Args:
        path: of the .safetensors file.
        recipe: all that the training follows from, plain data.
        tell: told why a file that is there is not used.
    """

    def __init__(self, path: Path, recipe: Mapping[str, Any], tell: Progress | None = None) -> None:
        self.path, self._tell = path, tell or (lambda _: None)
        self._recipe = _plain({**recipe, "version": trimtab.__version__})

    def load(self) -> tuple[Arrays, Mapping[str, Any]] | None:
        """Arrays and plain data that were saved under the same recipe, or None."""
        if not self.path.is_file():
            return None
        try:
            found = read_file(self.path, 0)
        except CheckpointError:
            self._tell(f"{self.path.name} is no whole checkpoint: this training begins anew")
            return None
        if found.plain.get("recipe") != self._recipe:
            self._tell(f"{self.path.name} is of another training: this one begins anew")
            return None
        return found.arrays, found.plain

    def save(self, arrays: Arrays, plain: Mapping[str, Any]) -> None:
        """Put the file in place.

        Raises:
            OSError: it cannot be written; the one before is still there.
        """
        write_file(self.path, arrays, {**plain, "recipe": self._recipe})

    def remove(self) -> None:
        """The training is at its end."""
        self.path.unlink(missing_ok=True)


class Budget:
    """CPU seconds since it was made, and those that were spent before a kill."""

    def __init__(self, cpu_s: float) -> None:
        self.cpu_s, self._start = cpu_s, time.process_time()

    def resume(self, spent_s: float) -> None:
        """Count what was spent before."""
        self._start -= spent_s

    @property
    def spent_s(self) -> float:
        """So far."""
        return time.process_time() - self._start

    def left(self, share: float = 1.0) -> float:
        """Of a share of the budget, s; negative when it is used up."""
        return self.cpu_s * share - self.spent_s


@dataclass(frozen=True, slots=True)
class Start:
    """What a trainer begins from.

    Attributes:
        policy: of all training seeds.
        facts: plain data that what follows needs, such as what the clock decided.
    """

    policy: Policy
    facts: Mapping[str, Any]


class Resumable:
    """A training that begins from a start and then iterates a trainer, until the budget is spent.

    Args:
        budget: running; what was spent before a kill is added to it.
        checkpoint: where the training goes on; None to keep nothing.
        tell: told that it goes on.

    Attributes:
        facts: those of the start that was found, or None.
    """

    def __init__(
        self, budget: Budget, checkpoint: Checkpoint | None = None, tell: Progress | None = None
    ) -> None:
        self.budget, self._checkpoint, self._tell = budget, checkpoint, tell or (lambda _: None)
        self._found = None if checkpoint is None else checkpoint.load()
        self.facts: Mapping[str, Any] | None = None
        self._start: Start | None = None
        self._next_s = 0.0
        if self._found is not None:
            plain = self._found[1]
            self.facts = plain["facts"]
            budget.resume(plain["spent_s"])

    def begin(self, make: Callable[[], Start], trainer: Trainer | None = None) -> Start:
        """The start: that of the checkpoint, or made and kept now.

        Args:
            make: makes it.
            trainer: what `make` trains beside, whose state is kept too.
        """
        if self._found is None:
            self._start = make()
            self._save(trainer)
            return self._start
        arrays, plain = self._found
        normaliser = Normaliser(part(arrays, "start/mean/"), part(arrays, "start/inverse_std/"))
        net = NetSpec.from_dict(plain["net"])
        self._start = Start(Policy(net, part(arrays, "start/params/"), normaliser), plain["facts"])
        return self._start

    def train(self, trainer: Trainer) -> Iterator[Report]:
        """Iterate from where the trainer was, at least once, until it ends or the budget does.

        Raises:
            CheckpointError: the trainer was built with other arguments than the one that was saved.
        """
        self._restore(trainer)
        reports = trainer.train()
        while trainer.iteration == 0 or self.budget.left() > 0:
            report = next(reports, None)
            if report is None:
                break
            yield report
            if time.monotonic() >= self._next_s:
                self._save(trainer)
        self._save(trainer)

    def end(self) -> None:
        """What was learnt is saved: the checkpoint has done its work."""
        if self._checkpoint is not None:
            self._checkpoint.remove()

    def _restore(self, trainer: Trainer) -> None:
        if self._checkpoint is None or self._found is None or "trainer" not in self._found[1]:
            return
        arrays, plain = self._found
        if plain["trainer"] != _described(trainer):
            path = self._checkpoint.path
            msg = f"{path}: of a trainer with other settings; remove it to begin anew"
            raise CheckpointError(msg)
        trainer.load_state_dict(part(arrays, "trainer/"), plain["state"])
        spent = f"{self.budget.spent_s:.0f} CPU-s spent before"
        self._tell(f"goes on after {trainer.iteration} iterations, {spent}")

    def _save(self, trainer: Trainer | None) -> None:
        if self._checkpoint is None or self._start is None:
            return
        begun, policy = time.monotonic(), self._start.policy
        arrays: dict[str, NDArray[Any]] = {f"start/params/{k}": x for k, x in policy.params.items()}
        arrays |= {f"start/mean/{k}": np.asarray(x) for k, x in policy.normaliser.mean.items()}
        scale = policy.normaliser.inverse_std
        arrays |= {f"start/inverse_std/{k}": np.asarray(x) for k, x in scale.items()}
        plain: dict[str, Any] = {"facts": dict(self._start.facts), "net": policy.net.to_dict()}
        plain["spent_s"] = self.budget.spent_s
        if trainer is not None:
            state, plain["state"] = trainer.state_dict()
            arrays |= {f"trainer/{name}": x for name, x in state.items()}
            plain["trainer"] = _described(trainer)
        self._checkpoint.save(arrays, plain)
        now = time.monotonic()
        self._next_s = now + max(EVERY_S, (now - begun) / SHARE)


def _described(trainer: Trainer) -> Any:
    """What a trainer was built with, as JSON gives it back."""
    built = {"spec": trainer.spec.fingerprint(), "net": trainer.net.to_dict()}
    return _plain({**built, "config": asdict(trainer.config), "seeds": trainer.seeds})


def _plain(value: Any) -> Any:
    """Plain data as JSON gives it back."""
    return json.loads(json.dumps(value))
