"""How a domain offers `pupil`, the learned controller that `trimtab.learn.pupil` trains."""

from __future__ import annotations

from pathlib import Path

from trimtab.contracts.controller import Controller, Entry
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.problem import ControlProblem

PUPIL = "pupil"


def play_pupil(problem: ControlProblem, weights: str = "") -> Controller:
    """The controller that plays trained weights.

    Args:
        problem: the one that they were trained on.
        weights: path of the .safetensors file.

    Raises:
        TrimtabError: nothing was trained yet.
        CheckpointError: the file is missing or altered.
        SpecMismatchError: the weights belong to another problem.
    """
    if not weights:
        msg = (
            f"{PUPIL}: nothing was trained yet: run `trimtab train SCENARIO --controller {PUPIL}`, "
            "then give its file as --parameters"
        )
        raise TrimtabError(msg)
    from trimtab.deploy.policy import PolicyController  # here, so that offering it imports nothing
    from trimtab.deploy.weights import load_policy

    return PolicyController(problem, load_policy(Path(weights), problem.spec))


def pupil_entry() -> Entry:
    """The entry to put among a domain's controllers, under the name `PUPIL`."""
    return Entry(
        "learned",
        play_pupil,
        "student of the best classical controller, improved on-policy; trimtab train makes it",
    )
