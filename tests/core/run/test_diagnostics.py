from typing import Annotated

import pytest
from pydantic import ValidationError
from trimtab.contracts.scenario import Scenario, StrictModel, one_of
from trimtab.run.diagnostics import faults_of
from trimtab.run.yaml_document import parse


class Weighted(StrictModel):
    weights: dict[Annotated[str, one_of(("delay", "queue"))], float]


def test_an_unknown_key_of_a_dictionary_is_marked_and_one_is_suggested() -> None:
    document = parse("name: x\ndomain: d\nproblem:\n  weights: {queue: 1, dely: 2}\n", "x.yaml")
    with pytest.raises(ValidationError) as error:
        Scenario[Weighted].model_validate(document.data)
    (fault,) = faults_of(error.value, document, Scenario[Weighted])
    assert str(fault) == (
        "x.yaml:4:23: problem.weights.dely: unknown name; known: delay, queue. "
        "Did you mean 'delay'? (got 'dely')"
    )
