"""What sandboxed code must not be able to do, by tier, and the attempts that check it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scribe_suite.sandbox.inside import escape_attempts as attempts
from scribe_suite.sandbox.runtime_folders import remove_tree, short_temporary_folder
from scribe_suite.sandbox.sandbox import ProcessLimits, Sandbox
from scribe_suite.sandbox.tiers import TIERS, Promise, Tier

#: Limits of the sandbox in which escapes are tried; small, so that filling it is fast.
TRIAL_LIMITS = ProcessLimits(address_space_bytes=1 << 30, memory_bytes=None, tmp_bytes=1 << 20, processes=48)
TRIAL_WORK_BYTES = 4 << 20
TRIAL_S = 30.0
#: What is hidden in that sandbox: a package of the environment that Python does not need to start.
TRIAL_HIDDEN = Path(str(getattr(find_spec("filelock"), "origin", __file__))).parent
#: Most seconds for closing a small sandbox, unless the harness waits for something in it.
LONGEST_CLOSE_S = 10.0


@dataclass(frozen=True)
class Escape:
    """One thing that sandboxed code may try.

    Attributes:
        what: For readers, as the end of "code can ...".
        breaks: The promise of a tier that it would break, or None if there is none.
    """

    what: str
    breaks: Promise | None

    def prevented_in(self, tier: Tier) -> bool:
        """Whether a tier must prevent it: if it succeeds, the tier is not used."""
        return self.breaks in tier.promises


ESCAPES: dict[str, Escape] = {
    "read_file": Escape("read files outside its folders", Promise.CONFINED),
    "read_hidden": Escape("read what is hidden in the Python environment", Promise.CONFINED),
    "list_folder": Escape("list folders outside its own", Promise.CONFINED),
    "look_at_file": Escape("see name, size and times of a file whose path it knows", Promise.OWN_ROOT),
    "write_file": Escape("write to files outside its folders", Promise.CONFINED),
    "make_file": Escape("make files outside its folders", Promise.CONFINED),
    "change_mode": Escape("change modes and times of your files whose path it knows", Promise.OWN_ROOT),
    "write_python": Escape("change the Python environment", Promise.CONFINED),
    "read_environment": Escape("read the environment of other processes", Promise.CONFINED),
    "see_process": Escape("see other processes", Promise.CONFINED),
    "signal_process": Escape("end other processes", Promise.OWN_ROOT),
    "trace_process": Escape("trace other processes", Promise.CONFINED),
    "tcp": Escape("open TCP connections", Promise.CONFINED),
    "udp": Escape("send UDP datagrams", Promise.CONFINED),
    "abstract_socket": Escape("connect to abstract unix sockets", Promise.CONFINED),
    "unix_socket": Escape("connect to unix sockets", Promise.CONFINED),
    "unix_datagram": Escape("send datagrams to unix sockets", Promise.CONFINED),
    "mount": Escape("mount file systems", Promise.CONFINED),
    "new_namespace": Escape("make namespaces", Promise.CONFINED),
    "become_root": Escape("become root", Promise.CONFINED),
    "make_device": Escape("make device files", Promise.CONFINED),
    "fill_tmp": Escape("fill the disk through its temporary folder", Promise.OWN_ROOT),
    "fill_work": Escape("fill the disk through its working folder", Promise.OWN_ROOT),
    "use_memory": Escape("use more memory than its limit in one process", Promise.CONFINED),
    "hold_memory": Escape("hold memory that no limit sees", Promise.CONFINED),
    "signal_through_file": Escape("signal to other kernels through files that all of them see", Promise.CONFINED),
    "blind_supervisor": Escape("change the limits of the process that watches over it", Promise.CONFINED),
    "leave_core": Escape("have the host write what a crash leaves", Promise.CONFINED),
    "deceive_harness": Escape(
        "make the harness read, change or wait for something by what it leaves in its folders", Promise.CONFINED
    ),
    # only root in a user namespace without a control group has no limit
    "fork_bomb": Escape("start processes without limit", None),
}


def as_markdown() -> str:
    """The table for the documentation, between two lines that mark its place."""
    shown = [tier for tier in TIERS.values() if tier.confined]
    verdicts = {
        escape.what: ["prevented" if escape.prevented_in(tier) else "possible" for tier in shown]
        for escape in ESCAPES.values()
    }
    rows = [f"| {what} | {' | '.join(verdict)} |" for what, verdict in verdicts.items()]
    head = f"| code in a kernel tries to | {' | '.join(f'`{tier.name}`' for tier in shown)} |"
    return "\n".join([head, f"|---|{'---|' * len(shown)}", *rows])


def try_escapes(sandbox: Sandbox) -> dict[str, str]:
    """Try everything in `ESCAPES` inside a sandbox, against things that really exist outside.

    Args:
        sandbox: Made with `TRIAL_WORK_BYTES` and `TRIAL_HIDDEN`, and without preloads. It is closed at the end: only
            then has the harness done everything, and files left in the sandbox's folders have had their effect.

    Returns:
        The escapes that succeeded, with what they got.

    Raises:
        RuntimeError: When the trial failed; the message says why.
        OSError: When it could not be started.
    """
    work = sandbox.work_folder("w", {})
    private = sandbox.private_folders("trial", work)
    seen = sandbox.seen_places(private)
    with _things_outside() as (targets, victim):
        targets |= {"tmp": seen["tmp"], "tmp_bytes": TRIAL_LIMITS.tmp_bytes}
        targets |= {"work": seen["work"], "work_bytes": TRIAL_WORK_BYTES, "python": seen["python"]}
        targets |= {"memory_bytes": 2 * (TRIAL_LIMITS.address_space_bytes or 0)}
        targets |= {"processes": 3 * TRIAL_LIMITS.processes}
        targets |= {"hidden": hidden_files(seen["python"])}
        source = Path(attempts.__file__).read_text()
        process = sandbox.start_python(private, ["-I", "-c", source, json.dumps(targets)], TRIAL_LIMITS)
        try:
            code = process.wait(TRIAL_S)
        except TimeoutError:
            raise RuntimeError(f"the trial start did not end within {TRIAL_S:g} s") from None
        finally:
            process.close()
        killed = victim.poll() is not None
        Path(sys.prefix, targets["canary"]).unlink(missing_ok=True)  # what an escape has made there
        if not sandbox.healthy:
            raise RuntimeError(sandbox.why_unhealthy())
        before, begin = _state(targets), time.monotonic()
        sandbox.close()
        deceived = _state(targets) != before or time.monotonic() - begin > LONGEST_CLOSE_S
    lines = process.printed().splitlines()
    results: dict[str, tuple[str, str]] = {}
    with contextlib.suppress(ValueError):
        for line in lines:
            results |= json.loads(line)
    if not results or (code != 0 and not process.exceeded):
        raise RuntimeError(lines[-1] if lines else f"the trial start ended with exit code {code}")
    succeeded = {name: detail for name, (verdict, detail) in results.items() if verdict == "allowed"}
    if not killed:
        succeeded.pop("signal_process", None)  # it hit another process of that number, inside
    if not deceived:
        succeeded.pop("deceive_harness", None)  # what it left there did no harm
    return succeeded


def hidden_files(python: str) -> list[str]:
    """Where a file of `TRIAL_HIDDEN` would be visible.

    Args:
        python: Folder of the Python environment, as seen in a sandbox.
    """
    file, environment = TRIAL_HIDDEN.resolve() / "__init__.py", Path(sys.prefix).resolve()
    inside = [str(Path(python) / file.relative_to(environment))] if file.is_relative_to(environment) else []
    return [str(file), *inside]


def _state(targets: Mapping[str, Any]) -> object:
    """The state outside that a deceived harness could have changed."""
    file = Path(targets["file"])
    if not file.is_file():
        return None
    status = file.stat()
    return file.read_bytes(), status.st_mode, status.st_mtime_ns, sorted(file.parent.iterdir())


@contextlib.contextmanager
def _things_outside() -> Iterator[tuple[dict[str, Any], subprocess.Popen[bytes]]]:
    """Files, sockets and a process that must be unreachable from a sandbox, although permissions would allow access."""
    folder = Path(tempfile.mkdtemp(prefix="scribe-outside-", dir=short_temporary_folder()))
    canary = secrets.token_hex(16)
    with contextlib.ExitStack() as stack:
        stack.callback(remove_tree, folder)
        folder.chmod(0o777)
        (folder / "secret").write_text(canary)
        (folder / "secret").chmod(0o666)
        victim = stack.enter_context(_victim(canary))
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{canary}")
        abstract.listen()
        named = stack.enter_context(socket.socket(socket.AF_UNIX))
        named.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        named.listen()
        datagrams = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        datagrams.bind(str(folder / "datagrams"))
        (folder / "datagrams").chmod(0o777)
        yield (
            {
                "file": str(folder / "secret"),
                "folder": str(folder),
                "canary": canary,
                "victim": victim.pid,
                "victim_start": Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[19],
                "tcp_port": tcp.getsockname()[1],
                "udp_port": udp.getsockname()[1],
                "abstract": canary,
                "socket": str(folder / "socket"),
                "datagram_socket": str(folder / "datagrams"),
            },
            victim,
        )


@contextlib.contextmanager
def _victim(canary: str) -> Iterator[subprocess.Popen[bytes]]:
    victim = subprocess.Popen(["sleep", "300"], env={**os.environ, "SCRIBE_CANARY": canary})
    try:
        yield victim
    finally:
        victim.kill()
        victim.wait()
