"""``python -m scribe_suite.exports.harbor.inside.serve INSTANCE STATE``: MCP on stdin and stdout, for an agent.

It starts the notebook when it is first called, and connects to it afterwards.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from pathlib import Path

from scribe_suite.exports.harbor.inside import daemon
from scribe_suite.exports.harbor.inside.state import ENDPOINT, LOCK, STATUS, Status, read_status, write_whole
from scribe_suite.notebook.pump import pump

#: Seconds that the notebook may take to start: torch is imported, and a laboratory's model loaded.
START_S = 300.0
LOG = "log.txt"


def main() -> int:
    """Connect stdin and stdout to the notebook; returns the exit code."""
    instance, state = Path(sys.argv[1]), Path(sys.argv[2])
    state.mkdir(parents=True, exist_ok=True)
    with (state / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several clients at once, the first one starts it
        if not (state / STATUS).exists():
            _start(instance, state)
    endpoint = state / ENDPOINT
    if not endpoint.exists():
        status = read_status(state)
        reason = "" if status is None or status.failure is None else f": {status.failure}"
        sys.stderr.write(f"The notebook of this attempt could not be started{reason}.\n")
        return 1
    return pump(endpoint.read_text(), sys.stdin.fileno(), sys.stdout.fileno())


def _start(instance: Path, state: Path) -> None:
    """Start the notebook and wait until it serves or has failed."""
    write_whole(state, STATUS, Status(instance=instance.name, pid=0).model_dump_json())
    with (state / LOG).open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", daemon.__name__, str(instance), str(state)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it outlives the agent's client
            close_fds=True,
        )
    end = time.monotonic() + START_S
    while started.poll() is None and not (state / ENDPOINT).exists() and time.monotonic() < end:
        time.sleep(0.05)
    if not (state / ENDPOINT).exists():
        status = read_status(state) or Status(instance=instance.name, pid=0)
        if status.failure is None:
            failure = f"The notebook did not start (exit code {started.poll()}); {LOG} has its messages."
            write_whole(state, STATUS, status.model_copy(update={"failure": failure}).model_dump_json())


if __name__ == "__main__":
    sys.exit(main())
