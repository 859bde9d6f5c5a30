"""What is written to the standard descriptors, and when a cell counts as ended."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from scribe_suite.notebook import kernel as kernel_module
from scribe_suite.notebook.inside.streams import Descriptor

from .conftest import Run

LATE = """
import io, os, subprocess, sys, time
# the thread that reads the pipes gets to run late, as on a busy machine
sys.setswitchinterval(0.5)
"""


def test_all_that_a_command_has_written_is_in_the_reply_of_its_cell(run: Run):
    run(LATE)
    for _ in range(10):
        answer = run("subprocess.run(['sh', '-c', 'seq 1 20000; echo LAST']).returncode")
        assert [entry["content"][-4:] for entry in answer.payload["outputs"]] == ["LAST", "0"]
    run("sys.setswitchinterval(0.005)")


class Endless:
    """Stands in for a stream: for all that is taken from its pipe, as much is written again."""

    name = "stdout"

    def __init__(self) -> None:
        self._fid, self._original_stdstream_fd = os.pipe()
        self.watch_fd_thread = threading.Thread(target=os.read, args=(self._fid, 1))
        self.watch_fd_thread.start()
        self.taken = 0

    def write(self, text: str) -> None:
        self.taken += len(text)
        os.write(self._original_stdstream_fd, b"x" * len(text))


def test_what_writes_for_ever_keeps_nobody_from_going_on():
    stream = Endless()
    descriptor = Descriptor(stream)
    os.write(stream._original_stdstream_fd, b"x" * 1000)
    descriptor.drain()
    assert stream.taken >= 1000
    descriptor._ended = True  # and so does the thread


PRINTED = {
    "C library": ("import ctypes\nctypes.CDLL(None).printf(b'from C')", "from C"),
    "character in two halves": (
        "os.write(1, b'K\\xc3'); time.sleep(0.1); os.write(1, b'\\xb6ln')",
        "Köln",
    ),
    "no character": ("os.write(2, b'bad \\xff byte')", "bad \ufffd byte"),
    "more than a pipe takes, of many bytes each": (
        "subprocess.run([sys.executable, '-c', 'print(\"ö\" * 15_000 + \"end\")']).returncode",
        "ö" * 15_000 + "end",
    ),
    "another stream in its place": (
        "import io\nkept, sys.stdout = sys.stdout, io.StringIO()\nos.system('echo out')\nsys.stdout = kept",
        "out",
    ),
    "another stream left in its place": ("sys.stdout = io.StringIO()\nos.system('echo still out');", "still out"),
    "half a surrogate pair": ("sys.stdout = kept\nprint('\\ud83d half')", "\ufffd half"),
    "two halves": ("print('\\ud83d' + '\\ude00')", "\U0001f600"),
    "a traceback of the interpreter": (
        "import faulthandler\nfaulthandler.dump_traceback(sys.stderr, all_threads=False)",
        "most recent call first",
    ),
}


@pytest.mark.parametrize("name", PRINTED)
def test_what_takes_an_unusual_way_is_shown(run: Run, name):
    code, expected = PRINTED[name]
    assert expected in run(code).output


def test_a_closed_descriptor_costs_what_is_written_to_it(run: Run):
    run("spare = os.dup(1); os.close(1)")
    used = "import time; before = time.process_time(); time.sleep(0.3); time.process_time() - before"
    assert float(run(used).output) < 0.2  # nobody waits for it at full speed
    assert run("print('on')").output == "on"
    run("os.dup2(spare, 1)")


def test_the_modules_inside_are_those_of_the_folder():
    folder = Path(kernel_module.__file__).parent / "inside"
    assert {f"scribe {path.stem}" for path in folder.glob("[!_]*.py")} == set(kernel_module._SOURCES)
