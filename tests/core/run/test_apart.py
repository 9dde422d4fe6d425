import subprocess
import sys

from trimtab.run.apart import apart


def test_work_leaves_no_trace_in_this_process() -> None:
    seen: list[int] = []

    def work() -> dict[str, int]:
        seen.append(1)
        return {"seen": len(seen)}

    assert [apart(work)["seen"] for _ in range(3)] == [1, 1, 1]
    assert seen == []


def test_a_child_that_is_killed_takes_its_parent_with_it() -> None:
    program = "import os, signal; from trimtab.run.apart import apart; "
    program += "apart(lambda: os.kill(os.getpid(), signal.SIGKILL)); print('alive')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -9
    assert done.stdout == b""


def test_an_exit_in_the_child_is_an_exit_of_the_parent() -> None:
    program = "import os; from trimtab.run.apart import apart; apart(lambda: os._exit(5))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 5
