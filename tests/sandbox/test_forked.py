"""A program that is forked from what has imported much: in every tier it is as isolated as a kernel, and quick."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

import pytest

from scribe_suite.sandbox import fork_client
from scribe_suite.sandbox.sandbox import ProcessLimits, Sandbox
from scribe_suite.sandbox.tiers import IsolationTier
from tests.sandbox.program_tiers import WAYS, tier_of

#: What takes a while to import, and nobody else has imported.
PRELOAD = ("sqlite3", "xml.dom.minidom")
#: Says what it sees, on its descriptor 3, and leaves with exit code 7.
PROGRAM = """
import json, os, socket, sys
def tried(action):
    try:
        action()
        return "allowed"
    except OSError as error:
        return type(error).__name__
seen = {
    "arguments": sys.argv, "name": __name__, "main": __file__ if "__file__" in globals() else None,
    "preloaded": "xml.dom.minidom" in sys.modules, "package": [m for m in sys.modules if m.startswith("scribe_suite")],
    "beside": open("given").read(), "cwd": os.listdir("."), "path": sys.path, "environment": sorted(os.environ),
    "secret": tried(lambda: open(sys.argv[1]).read()), "fork": tried(lambda: os._exit(0) if os.fork() == 0 else None),
    "network": tried(lambda: socket.socket(socket.AF_INET)),
}
socket.socket(fileno=3).sendall(json.dumps(seen).encode())
sys.exit(7)
"""


def seen_in(tier: IsolationTier, secret: Path, policy: str | None = None) -> tuple[dict, int]:
    ours, theirs = socket.socketpair()
    with ours, Sandbox(tier, PRELOAD) as sandbox:
        private = sandbox.private_folders("p", sandbox.work_folder("w", {"given": b"given"}))
        with theirs:
            limits = ProcessLimits(tmp_bytes=1 << 20, shm_bytes=1 << 20)
            process = sandbox.start_forked(private, PROGRAM, [str(secret)], limits, policy, {3: theirs.fileno()})
        try:
            begin, data = time.monotonic(), b""
            ours.settimeout(0.05)
            while time.monotonic() < begin + 30:
                process.poll()
                try:
                    part = ours.recv(1 << 16)
                except TimeoutError:
                    continue
                data += part
                if not part:
                    break
            code = process.wait(10)
            return json.loads(data or process.printed()), code
        finally:
            process.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("secret")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("way", [*WAYS, "none"])
def test_it_finds_what_is_imported_and_is_isolated(way, secret, monkeypatch):
    tier = IsolationTier("none") if way == "none" else tier_of(way)
    if way == "user namespace":
        monkeypatch.setattr("scribe_suite.sandbox.sandbox.private_uid", lambda: None)
    monkeypatch.setenv("HARNESS_CANARY", "canary")
    seen, code = seen_in(tier, secret)
    assert code == 7
    assert seen["arguments"] == ["-c", str(secret)]
    assert (seen["name"], seen["beside"]) == ("__main__", "given")
    assert seen["preloaded"] == fork_client.supported()
    assert seen["package"] == []
    assert "HARNESS_CANARY" not in seen["environment"]
    assert seen["fork"] == "allowed"
    assert (seen["secret"] == "allowed") == (way == "none")
    assert (seen["network"] == "allowed") == (way == "none")


def test_a_policy_of_its_own_holds(secret):
    seen, code = seen_in(tier_of("own user id"), secret, "function")
    assert (seen["fork"], code) == ("PermissionError", 7)


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_landlock_takes_no_other_policy(secret):
    with pytest.raises(ValueError, match="the tier's own policy"):
        seen_in(tier_of("landlock"), secret, "function")


def test_without_a_fork_server_it_imports_for_itself(secret, monkeypatch):
    monkeypatch.setattr(fork_client, "supported", lambda: False)
    seen, code = seen_in(IsolationTier("none"), secret)
    assert (seen["preloaded"], seen["arguments"], code) == (False, ["-c", str(secret)], 7)
