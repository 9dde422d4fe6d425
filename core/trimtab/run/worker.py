"""A worker process: does tasks that its parent sends and answers with plain results.

Started by `run.engine` through `run.child.Child`; it stays warm over tasks. Episodes of external
simulators are played in forks of the warm process (`run.apart`): libsumo gives other trajectories
for the same seed once a simulation has run in its process (measured on cologne1).
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.registry import load_domain
from trimtab.run.apart import apart
from trimtab.run.child import Send, serve
from trimtab.run.controllers import find_choice
from trimtab.run.design_job import design_record
from trimtab.run.records_json import bound_to_json, record_to_json
from trimtab.run.runner import Decision
from trimtab.run.stage import play

PROGRESS_EVERY_S = 0.25
Results = list[dict[str, Any] | None]


def main() -> None:
    """Serve tasks until told to stop."""
    tasks, send = serve(int(sys.argv[1]), int(sys.argv[2]))
    for task in tasks:
        _serve(task, send)


def _serve(task: dict[str, Any], send: Send) -> None:
    send(_outcome(partial(_do, task, send)))


def _outcome(work: Callable[[], Results]) -> dict[str, Any]:
    try:
        return {"results": work()}
    except TaskFailedError as failed:
        return failed.message
    except Exception as error:  # noqa: BLE001 - whatever domain code raises ends this task only
        traceback.print_exc()
        ours = isinstance(error, TrimtabError)
        text = str(error) if ours else f"{type(error).__name__}: {error}"
        code = error.exit_code if isinstance(error, TrimtabError) else 1
        return {"error": text, "exit_code": code}


def _do(task: dict[str, Any], send: Send) -> Results:
    domain = load_domain(task["domain"])
    if not domain.external:
        return _compute(domain, task, send)
    domain.preload()
    results: Results = []
    for seed in task["seeds"]:
        episode = partial(_compute, domain, {**task, "seeds": [seed]}, send)
        message = apart(partial(_outcome, episode))
        if "error" in message:
            raise TaskFailedError(message)
        results += message["results"]
    return results


class TaskFailedError(Exception):
    """A task failed in a process of its own, which has said everything about it."""

    def __init__(self, message: dict[str, Any]) -> None:
        super().__init__(message["error"])
        self.message = message


def _compute(domain: Domain, task: dict[str, Any], send: Send) -> Results:
    problem = domain.problem_model.model_validate_json(task["problem"])
    if task["kind"] == "bound":
        return [_bound(domain, problem, seed) for seed in task["seeds"]]
    parameters = json.loads(task["parameters"])
    if task["kind"] in {"search", "design"}:
        return [record_to_json(design_record(domain, problem, task, _Reporter(send).count))]
    choice = find_choice(domain, problem, task["controller"], task["own"], parameters)
    records = play(domain, problem, choice, task["seeds"], _Reporter(send))
    return [record_to_json(record) for record in records]


def _bound(domain: Any, problem: Any, seed: int) -> dict[str, Any] | None:
    bound = domain.bound(problem, seed)
    if bound is not None:
        domain.verify(problem, seed, bound)
    return bound_to_json(bound)


class _Reporter:
    """Tells the parent how far the job is, at most every `PROGRESS_EVERY_S`."""

    def __init__(self, send: Send) -> None:
        self._send, self._last = send, 0.0

    def __call__(self, decision: Decision) -> None:
        self.count(decision.index + 1)

    def count(self, steps: int) -> None:
        """Tell how many decisions are made, or designs scored."""
        now = time.monotonic()
        if now - self._last >= PROGRESS_EVERY_S:
            self._last = now
            self._send({"decision": steps})


if __name__ == "__main__":
    main()
