import pytest
from trimtab.run.rows import overall


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ({}, "done"),
        ({"done": 3}, "done"),
        ({"done": 3, "cancelled": 1}, "cancelled"),
        ({"cancelled": 1, "failed": 1}, "failed"),
        ({"failed": 1, "paused": 1}, "paused"),
        ({"paused": 1, "queued": 1}, "queued"),
        ({"queued": 1, "running": 1, "failed": 0}, "running"),
    ],
)
def test_a_run_is_as_its_liveliest_job(states: dict[str, int], state: str) -> None:
    assert overall(states) == state
