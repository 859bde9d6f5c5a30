"""Which tier is found, and what is said of it: the escapes are really tried, with really broken sandboxes too."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox import probing, sandbox, tiers
from scribe_suite.sandbox import visible_files as shown
from scribe_suite.sandbox.escape_table import ESCAPES, TRIAL_HIDDEN, TRIAL_WORK_BYTES, try_escapes
from scribe_suite.sandbox.inside import escape_attempts as attempts
from scribe_suite.sandbox.inside import landlock
from scribe_suite.sandbox.probing import probe_isolation, refusal
from scribe_suite.sandbox.sandbox import Sandbox
from scribe_suite.sandbox.tiers import IsolationTier, Requirement

SOURCE = Path(probing.__file__).parents[2]
BEST = probe_isolation("auto")
needs_namespaces = pytest.mark.skipif(
    BEST.name != "namespaces", reason=f"namespaces do not work here: {'; '.join(BEST.reasons)}"
)
needs_landlock = pytest.mark.skipif(not landlock.abi(), reason="there is no Landlock here")


@pytest.fixture(autouse=True)
def fresh_probe() -> Iterator[None]:
    probing.best_tier.cache_clear()
    yield
    probing.best_tier.cache_clear()


@pytest.fixture
def broken_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork-server that fails as on a machine that refuses namespaces."""
    monkeypatch.setattr(shown, "read_only_binds", lambda: [("/does/not/exist", "/usr")])


def succeeded(tier: IsolationTier, *hidden: Path) -> set[str]:
    with Sandbox(tier, preload=None, work_bytes=TRIAL_WORK_BYTES, hidden=hidden or (TRIAL_HIDDEN,)) as box:
        return set(try_escapes(box))


def test_every_escape_is_tried_and_described():
    assert set(ESCAPES) == set(attempts.ATTEMPTS)


@needs_namespaces
def test_namespaces_prevent_every_escape_in_both_ways_of_having_them(monkeypatch):
    if BEST.own_uid:
        assert succeeded(BEST) == set()
    monkeypatch.setattr(sandbox, "private_uid", lambda: None)
    assert succeeded(IsolationTier("namespaces", limits=BEST.limits)) <= {"fork_bomb"}


@needs_landlock
def test_landlock_prevents_what_it_must_and_the_rest_is_listed(monkeypatch):
    monkeypatch.setitem(probing.CHECKS, Requirement.PYTHON_ELSEWHERE, lambda: "not today")
    tier = probe_isolation("auto")
    assert tier.name == "landlock"
    assert tier.reasons == ("namespaces: not today",)
    assert not {gap for gap in tier.gaps if ESCAPES[gap].prevented_in(tier.kind)}
    assert {"look_at_file", "fill_work"} <= set(tier.gaps)
    with pytest.raises(InfrastructureError, match="not today"):
        probe_isolation("strict")


@needs_namespaces
def test_without_isolation_the_escapes_succeed():
    """The attempts are real: they would be noticed."""
    got_out = succeeded(IsolationTier("none"))
    assert {
        "read_file",
        "read_hidden",
        "list_folder",
        "write_file",
        "read_environment",
        "see_process",
        "signal_process",
    } <= got_out
    assert {"tcp", "udp", "abstract_socket", "unix_socket", "fill_tmp", "fill_work", "hold_memory"} <= got_out


@pytest.mark.skipif(not BEST.confined, reason="nothing is hidden here")
def test_what_is_not_hidden_is_found(tmp_path):
    """The attempt looks where the environment really is."""
    assert succeeded(BEST, tmp_path) == {*BEST.gaps, "read_hidden"}


@needs_namespaces
@pytest.mark.parametrize(
    ("patched", "escape"),
    [
        ({"kernel": "nothing"}, "open TCP connections"),
        ({"read_only": "/"}, "read files outside"),
    ],
)
def test_a_sandbox_with_a_hole_is_not_taken_for_one(monkeypatch, patched, escape):
    if "kernel" in patched:
        monkeypatch.setitem(tiers.TIERS, "namespaces", replace(tiers.TIERS["namespaces"], kernel_filter=None))
        monkeypatch.setattr("scribe_suite.sandbox.escape_table.socket.create_server", _inside_nothing)
        tier, reason = probing.try_tier("namespaces")
        assert tier is None
        assert "make namespaces" in reason
    else:
        binds = [*shown.read_only_binds(), ("/tmp", "/tmp/host")]
        monkeypatch.setattr(shown, "read_only_binds", lambda: binds)
        tier, reason = probing.try_tier("namespaces")
        assert tier is None or "read_file" not in tier.gaps


def _inside_nothing(*arguments: object, **options: object) -> object:
    import socket

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@pytest.mark.usefixtures("broken_namespaces")
def test_where_namespaces_do_not_work_auto_falls_back_with_the_reason_and_strict_refuses(tmp_path):
    tier = probe_isolation("auto")
    assert tier.name in ("landlock", "none")
    assert "mount" in tier.reasons[0]
    with pytest.raises(InfrastructureError, match="can't be isolated") as caught:
        NotebookServer(NotebookConfig(tmp_path, isolation="strict")).start()
    assert caught.value.cause == "isolation_unavailable"


def test_the_tier_none_has_all_gaps():
    tier = probe_isolation("none")
    assert tier.reasons == ("isolation none was asked for",)
    assert set(tier.gaps) == set(ESCAPES)


@pytest.mark.parametrize(
    ("call", "number", "limited"),
    [
        ("unshare with a user namespace", errno.ENOSPC, True),
        ("unshare with a user namespace", errno.EPERM, False),
        ("mount /usr", errno.ENOSPC, False),
    ],
)
def test_a_limit_on_user_namespaces_is_called_by_its_name(call, number, limited):
    error = OSError(number, os.strerror(number), call)
    line = f"sandbox: {type(error).__name__}: {error}"
    assert ("the limit user.max_user_namespaces is reached" in refusal(line)) is limited
    assert refusal(line).endswith(line)


ORDINARY = "/usr/bin/python3"
AS_NOBODY = """
import os, sys
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from scribe_suite.sandbox import probing
for name in ("namespaces", "landlock"):
    tier, reason = probing.try_tier(name)
    print(name, tier and sorted(tier.gaps), reason)
"""


@needs_namespaces
@pytest.mark.skipif(os.geteuid() != 0 or not Path(ORDINARY).exists(), reason="needs root and a Python of the system")
def test_an_ordinary_user_gets_the_same_tiers(tmp_path):
    version = subprocess.run([ORDINARY, "-V"], capture_output=True, text=True).stdout.split()[-1]
    if version.rpartition(".")[0] != ".".join(map(str, sys.version_info[:2])):
        pytest.skip(f"the system's Python is {version}")
    path = {"PATH": os.environ["PATH"]}
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # the checkout may lie where only root can read it
        shutil.copytree(SOURCE / "scribe_suite", Path(folder) / "scribe_suite")
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        command = [ORDINARY, "-c", AS_NOBODY, folder]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/", env=path)
    namespaces, confined = run.stdout.splitlines()
    assert namespaces.startswith("namespaces []"), (run.stdout, run.stderr)
    if landlock.abi() >= 6:
        assert confined.startswith("landlock ['"), run.stdout
        assert "signal_process" not in confined
