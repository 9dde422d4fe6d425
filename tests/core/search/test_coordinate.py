import numpy as np
import pytest
from trimtab.contracts.space import Ordinal, Space
from trimtab.search.catalogue import make
from trimtab.search.optimizer import INFEASIBLE

SPACE = Space(tuple(Ordinal(name, (1, 2, 4, 8, 16)) for name in ("small", "large")))
SCORE = {0: 3.0, 1: 4.0, 2: 5.0, 3: 0.0, 4: INFEASIBLE}
"""By the larger parameter's value: the far end is not allowed, and the near one is a trap."""


@pytest.mark.parametrize("seed", range(5))
def test_restarts_leave_the_ends_where_they_have_failed(seed: int) -> None:
    optimizer, best = make("coordinate", SPACE, seed), np.inf
    for _ in range(120):
        point = optimizer.ask(1)
        index = np.minimum(np.floor(point[0] * 5), 4).astype(int)
        score = np.array([SCORE[int(index[1])] + 0.1 * index[0]])
        optimizer.tell(point, score)
        best = min(best, float(score[0]))
    assert best == 0.0
