"""Starts one process by itself, with limits but not isolated: where there is no fork-server. Standard library only.

Usage: ``python -I -S plain.py < request.json``; the environment of the process is the kernel's, the request has
``argv``, ``cwd`` and ``limits``.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys


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
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(3, 4096)
    os.execv(request["argv"][0], request["argv"])


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        os.write(2, f"sandbox: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
        sys.exit(125)
