"""Nobody sits at a kernel's keyboard: whoever asks gets an error or an end, at once."""

from __future__ import annotations

import pytest

from .conftest import Run

REFUSED = {
    "input": "input('name? ')",
    "getpass": "import getpass\ngetpass.getpass()",
    "breakpoint": "breakpoint()\nprint('on')",
    "pdb": "import pdb\npdb.set_trace()\nprint('on')",
    "post mortem": "try: 1 / 0\nexcept ZeroDivisionError: pass\n%debug",
    "interpreter": "import code\ncode.interact()",
    "help": "help()",
}
ENDED = {
    "stdin": ("import sys\n(sys.stdin.read(), sys.stdin.readline())", "('', '')"),
    "descriptor": ("import os\nos.read(0, 10)", "b''"),
    "command": ("import subprocess\nsubprocess.run(['cat']).returncode", "0"),
    "system": ("os.system('cat')", "0"),
    "shell": ("!cat; echo on", "on"),
    "shell that asks": ("!read line || echo nothing", "nothing"),
    "interpreter": ("!python -i -q -c 'print(7)' 2>&1; echo on", "on"),
    "captured": ("lines = !cat; echo on\nlines", "on"),
    "script": ("%%sh\ncat; echo on", "on"),
    "child": ("!python -c 'input()'", "EOFError"),
    "password of a child": ("!python -c 'import getpass; getpass.getpass()'", "EOFError"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_asks_is_told_that_nobody_answers(run: Run, name):
    answer = run(REFUSED[name])
    assert answer.payload["status"] == "error"
    assert "does not support input requests" in answer.text


@pytest.mark.parametrize("name", ENDED)
def test_what_reads_finds_the_end(run: Run, name):
    code, expected = ENDED[name]
    assert expected in run(code).output


def test_a_shell_command_still_has_the_variables_of_whoever_calls_it(run: Run):
    code = "def call(word):\n    get_ipython().system('echo {word}')\ncall('inner')"
    assert run(code).output == "inner"
