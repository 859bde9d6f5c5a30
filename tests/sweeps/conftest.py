"""Sweeps of toy tasks: a small suite, and the command as it is typed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scribe_suite.cli import main
from scribe_suite.ledger.ledger import Ledger, read_ledger
from scribe_suite.sweeps.folder import SweepFolder
from tests.plugin.conftest import Suite, suite

__all__ = ["suite"]

SPEC = """
name = "toys"
families = ["circuits"]
providers = {providers}
trials = {trials}
shards = {shards}
seed = 7
isolation = "none"
{more}
"""


class Sweeps:
    """Sweeps of a toy suite, planned and run by commands."""

    def __init__(self, toys: Suite, capsys: pytest.CaptureFixture[str]) -> None:
        self.suite = toys
        self.folder = toys.folder / "runs" / "sweeps" / "toys"
        self._capsys = capsys

    def command(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code of ``scribe-suite sweep``, and what it printed."""
        code = main(["sweep", *arguments])
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def plan(self, providers: list[str], trials: int = 1, shards: int = 1, more: str = "") -> tuple[int, str, str]:
        spec = self.suite.write(
            "spec.toml", SPEC.format(providers=json.dumps(providers), trials=trials, shards=shards, more=more)
        )
        return self.command("plan", str(spec))

    def run(self, *options: str, action: str = "run") -> tuple[int, str, str]:
        return self.command(action, str(self.folder), "--interval", "0.3", *options)

    def start(self, *options: str, folder: Path | None = None) -> subprocess.Popen[str]:
        """Start ``sweep run`` and leave it to itself."""
        command = [sys.executable, "-P", "-m", "scribe_suite.cli", "sweep", "run", str(folder or self.folder)]
        return subprocess.Popen(
            [*command, "--interval", "0.5", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def recorded(self) -> int:
        """Attempts that are in the ledgers of shards now."""
        return sum(path.read_text().count('"line":"attempt"') for path in self.folder.glob("shards/*/*.jsonl"))

    @property
    def layout(self) -> SweepFolder:
        return SweepFolder(self.folder)

    @property
    def merged(self) -> Ledger:
        return read_ledger(self.folder / "toys.jsonl")

    def logs(self) -> str:
        """All that jobs printed, for a test that fails."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("jobs/**/*.log")))


def wait_for(what: Callable[[], object], limit_s: float = 120) -> None:
    """Wait until something is so."""
    end = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Give a folder a disk of its own; the test is skipped where nothing can be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "scribe-test", str(folder)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk of a folder to the last byte; returns the file that does."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return path


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Give a folder a disk that is full."""
    with small_disk(folder, "1m"):
        fill(folder)
        yield


def assert_all_backed_off(log: Path, attempts: int) -> set[str]:
    """Of the provider `throttled`: whoever had not begun when the first was told 429 has waited; returns the nodes."""
    lines = sorted((float(when), node) for when, _, node in (line.partition(" ") for line in log.open()))
    begun = [when - lines[0][0] for when, _ in lines]
    assert len(begun) == attempts
    assert [seconds for seconds in begun if 2.0 < seconds < 14.5] == []
    assert begun[-1] > 14.5
    return {node.strip() for _, node in lines}


@pytest.fixture
def sweeps(suite: Suite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sweeps:
    monkeypatch.chdir(suite.folder)
    monkeypatch.syspath_prepend(str(suite.folder / "agents"))
    submitit = pytest.importorskip("submitit", reason="it runs the jobs of sweeps: pip install 'scribe-suite[sweep]'")
    # where it is installed, if that is none of Python's own folders
    paths = [os.environ["PYTHONPATH"], str(Path(submitit.__file__).parents[1])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return Sweeps(suite, capsys)
