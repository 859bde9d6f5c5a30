"""Starts a process directly, with limits but without isolation, where there is no fork-server."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scribe_suite.sandbox.inside import plain
from scribe_suite.sandbox.processes import PlainProcess


def start_plain(
    argv: Sequence[str],
    work: Path,
    environment: Mapping[str, str],
    limits: Mapping[str, int],
    passed: Mapping[int, int],
) -> PlainProcess:
    """Start a process.

    Args:
        argv: Its command line.
        work: Its initial working folder.
        environment: Its whole environment.
        limits: Names of the `resource` module and their values; those that the system refuses are not enforced.
        passed: Its descriptors, by their number in the process; the caller's copies can be closed afterwards.

    Raises:
        OSError: When it can't be started.
    """
    request = {"argv": list(argv), "cwd": str(work), "limits": dict(limits), "descriptors": dict(passed)}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(plain.__file__).resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd="/",
        start_new_session=True,
        pass_fds=tuple(passed.values()),
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has died already; whoever waits for it will see that
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
    return PlainProcess(process)
