"""A kernel has no keyboard: code that reads from one gets end of file at once, instead of waiting forever.

ipykernel handles ``input`` and functions based on it (getpass, pdb, breakpoint, code.interact): they raise an error
that says so. Otherwise standard input is empty, except for ``!command``, which gets a terminal.
"""

from __future__ import annotations

from typing import Any


def install(_kernel: Any, _given: object) -> None:
    """Let ``!command`` read nothing; it still writes to a terminal."""
    from ipykernel import zmqshell

    system = zmqshell.system
    # replaces the name that the shell calls, not the method, which looks up variables in its caller's frame
    zmqshell.system = lambda command: system(f"exec </dev/null; {command}")
