"""A lock that outlives nobody."""

import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

from trimtab.run.alone import alone

HOLDER = """
import sys
from pathlib import Path
from trimtab.run.alone import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_waits_until_the_first_lets_go(tmp_path: Path) -> None:
    entered = Event()

    def second() -> None:
        with alone(tmp_path / "new" / "made.lock"):
            entered.set()

    waiting = Thread(target=second)
    with alone(tmp_path / "new" / "made.lock"):
        waiting.start()
        assert not entered.wait(0.2)
    waiting.join()
    assert entered.is_set()


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "made.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    with alone(path):
        assert path.exists()
