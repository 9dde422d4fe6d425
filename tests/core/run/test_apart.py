import os
import subprocess
import sys
from typing import Any

import pytest
from trimtab.run.apart import Send, apart


def test_work_leaves_no_trace_in_this_process() -> None:
    seen: list[int] = []
    heard: list[dict[str, Any]] = []

    def work(send: Send) -> None:
        seen.append(1)
        send({"seen": len(seen)})

    for _ in range(3):
        apart(work, heard.append)
    assert heard == [{"seen": 1}] * 3
    assert seen == []


def test_messages_arrive_while_the_child_works() -> None:
    reading, writing = os.pipe()

    def work(send: Send) -> None:
        send({"step": 1})
        os.read(reading, 1)  # goes on only when the parent has heard
        send({"step": 2})

    heard: list[int] = []

    def hear(message: dict[str, Any]) -> None:
        heard.append(message["step"])
        os.write(writing, b"x")

    apart(work, hear)
    assert heard == [1, 2]


def test_what_the_check_raises_ends_the_child() -> None:
    children: list[int] = []

    def work(send: Send) -> None:
        send({"pid": os.getpid()})
        os.read(os.pipe()[0], 1)  # for ever

    def check() -> None:
        if children:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apart(work, lambda message: children.append(message["pid"]), check)
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


def test_a_child_that_is_killed_takes_its_parent_with_it() -> None:
    program = "import os, signal; from trimtab.run.apart import apart; "
    program += "apart(lambda send: os.kill(os.getpid(), signal.SIGKILL), print); print('alive')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -9
    assert done.stdout == b""


def test_an_exit_in_the_child_is_an_exit_of_the_parent() -> None:
    program = "import os; from trimtab.run.apart import apart; "
    program += "apart(lambda send: os._exit(5), print)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 5
