"""Ctrl-C during a native call that Python cannot break off."""

import signal
import subprocess
import sys

# A shell starts what it puts in the background with interrupts ignored, and children inherit that.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
PROGRAM = """
import hashlib, threading
from trimtab.cli.prompt_end import prompt_end
with prompt_end(0.1):
    threading.Timer(0.5, print, ("begun",), {"flush": True}).start()  # from within the call below
    hashlib.pbkdf2_hmac("sha256", b"word", b"salt", 2_000_000_000)  # releases the GIL for minutes
"""
SLOW_TO_END = """
import atexit, time
from trimtab.cli.prompt_end import prompt_end
atexit.register(time.sleep, 600)
with prompt_end(60.0):
    print("begun", flush=True)
    time.sleep(600)
"""
UNDISTURBED = """
from trimtab.cli.prompt_end import prompt_end
with prompt_end():
    pass
try:
    print("begun", flush=True)
    input()
except KeyboardInterrupt:
    print("raised")
"""


def interrupted(program: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a program that is interrupted once it has begun."""
    with subprocess.Popen(
        [sys.executable, "-c", HEARS + program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            begun = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest, said = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, begun + rest, said


def test_a_native_call_is_not_waited_for() -> None:
    code, _, said = interrupted(PROGRAM)
    assert code == 130
    assert said.count("interrupted") == 1


def test_the_interpreter_is_not_taken_down_in_order() -> None:
    code, _, said = interrupted(SLOW_TO_END)
    assert code == 130
    assert said.count("interrupted") == 1


def test_afterwards_an_interrupt_is_what_it_was() -> None:
    code, out, said = interrupted(UNDISTURBED)
    assert (code, out, said) == (0, "begun\nraised\n", "")
