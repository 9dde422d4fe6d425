"""Rebuilds everything the package ships that was tuned or trained: ``make retrain``.

Generated networks only, fixed seeds, about forty minutes of CPU time. Results replace the shipped
files; compare them on held-out networks before they are committed.
"""

from __future__ import annotations

import sys

SEED = 1


def main() -> None:
    """Tune classical controllers and stage score, train the graph policy and the regional agent."""
    from trimtab_traffic import classical_tuning, regional_training, training, tuning
    from trimtab_traffic.controllers.learned import WEIGHTS
    from trimtab_traffic.controllers.regional import REGIONAL
    from trimtab_traffic.controllers.tuned_parameters import FOLDER

    classical_tuning.retune_classical(FOLDER, 0, progress=_say)
    towns = training.training_towns()
    teacher = tuning.retune(towns, 0, FOLDER / "resco" / "stage_score.json", _say)
    training.train(towns[0], SEED, WEIGHTS, None, _say, teacher)
    regional_training.train(REGIONAL, SEED, _say)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
