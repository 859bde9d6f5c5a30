"""A kernel has no keyboard: code that reads from one gets end of file at once, instead of waiting forever.

ipykernel sees to ``input`` and what is made of it (getpass, pdb, breakpoint, code.interact): they raise an error that
says so. Of the rest, standard input is empty, but for ``!command``, which gets a terminal.
"""

from __future__ import annotations

from typing import Any


def install(_kernel: Any, _given: object) -> None:
    """Let ``!command`` read nothing; it still writes to a terminal."""
    from ipykernel import zmqshell

    system = zmqshell.system
    # the name that the shell calls, and not its method: this one looks up variables in the frame that calls it
    zmqshell.system = lambda command: system(f"exec </dev/null; {command}")
