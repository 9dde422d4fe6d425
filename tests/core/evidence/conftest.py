"""A factory of comparison matrices from plain tables of delays."""

import pytest
from trimtab.contracts.controller import Entry
from trimtab.contracts.problem import Bound, Budget
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Violations
from trimtab.contracts.spec import Metric
from trimtab.evidence.matrix import Matrix

DELAY = Metric("true_delay_s", "s", "min")
THROUGHPUT = Metric("throughput_veh", "veh", "max")


def _unused_factory(problem):
    raise AssertionError(problem)


def _entry(role="classical", needs=(), trained=None):
    return Entry(role, _unused_factory, "test row", frozenset(needs), trained=trained or Budget())


def _record(name, seed, delay, options):
    return EpisodeRecord(
        controller=name,
        seed=seed,
        metrics={"true_delay_s": delay, "throughput_veh": 2000.0 - delay},
        violations={"min_green": Violations(options.get("violations", 0), 1000)},
        shielded=options.get("shielded", True),
        interventions=options.get("interventions", 0),
        decisions=720,
        flags=tuple(options.get("flags", ())),
        budget=Budget(1, 720, 0.5),
        notes=tuple(options.get("notes", ())),
    )


@pytest.fixture(scope="session")
def make_matrix():
    """Return a function from {name: [delay per seed]} to a Matrix.

    `options` holds per name: role, needs, trained, violations, flags, interventions, shielded,
    notes.
    A delay of None leaves that episode out.
    """

    def make(delays, options=None, bound=None, kind="floor", references=("fixed",), **changes):
        options = options or {}
        seeds = tuple(range(1, 1 + max(len(d) for d in delays.values())))
        keys = ("role", "needs", "trained")
        entries = {
            n: _entry(**{k: v for k, v in options.get(n, {}).items() if k in keys}) for n in delays
        }
        records = [
            _record(n, seed, delay, options.get(n, {}))
            for n, row in delays.items()
            for seed, delay in zip(seeds, row, strict=True)
            if delay is not None
        ]
        bounds = [] if bound is None else bound
        if isinstance(bounds, int | float):
            bounds = [bounds] * len(seeds)
        settings = {
            "scenario": "traffic/test",
            "domain": "traffic.signals",
            "headline": DELAY,
            "metrics": (THROUGHPUT, DELAY),
            "references": references,
            "entries": entries,
            "records": records,
            "seeds": seeds,
            "bounds": {
                s: Bound(b, kind, "conflict-free run", {"schedule": [1, 2]})
                for s, b in zip(seeds, bounds, strict=False)
            },
        }
        return Matrix(**(settings | changes))

    return make
