"""Ctrl-C during a native call that Python cannot break off."""

import signal
import subprocess
import sys

PROGRAM = """
import hashlib
from trimtab.cli.prompt_end import prompt_end
with prompt_end(0.1):
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"word", b"salt", 2_000_000_000)  # releases the GIL for minutes
"""
QUICK = """
import time
from trimtab.cli.prompt_end import prompt_end
try:
    with prompt_end(60.0):
        print("begun", flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    print("raised", flush=True)
"""


def interrupted(program: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a program that is interrupted once it has begun."""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        begun = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=60)
    return process.returncode, begun + rest, said


def test_a_native_call_is_not_waited_for() -> None:
    code, _, said = interrupted(PROGRAM)
    assert code == 130
    assert said.count("interrupted") == 1


def test_python_code_is_interrupted_as_ever() -> None:
    code, out, said = interrupted(QUICK)
    assert (code, out, said) == (0, "begun\nraised\n", "")
