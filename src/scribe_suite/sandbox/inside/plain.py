"""Starts a single process with limits but without isolation, where there is no fork-server. Standard library only.

Usage: ``python -I -S plain.py < request.json``; the environment of the process is the kernel's, the request has
``argv``, ``cwd``, ``limits`` and ``descriptors``: number in the process -> number here.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from scribe_suite.sandbox.inside import descriptors


def main() -> None:
    """Apply the limits and execute the command; never returns."""
    request = json.load(sys.stdin)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name, value in request["limits"].items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        try:
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard),) * 2)
        except (OSError, ValueError):
            continue  # macOS refuses some, RLIMIT_AS among them
    os.umask(0o077)
    os.chdir(request["cwd"])
    wanted = {int(number): descriptor for number, descriptor in request["descriptors"].items()}
    descriptors.keep_only({1: 1, 2: 2, **wanted})
    os.execv(request["argv"][0], request["argv"])


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        os.write(2, f"sandbox: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
        sys.exit(125)
