"""Which tests a run of CI makes: what a change can touch, a fixed core, and a tenth of the rest that rotates.

``--rotate`` leaves out tests that rotate: those marked slow (but not core), and those of folders that belong to tools
and studies which most changes can't touch. A part of them runs all the same, another one after every commit, so that
ten commits in a row run all of them. Without the option everything that is selected runs.

Commits are counted along the first parents, so that a merge is one of them. Where several commits are pushed at once,
the parts between are skipped. A slow test also runs when the last commit changed its module.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

PARTS = 10

#: Folder of tests -> what they test. They run when that, or they themselves, were changed lately, and else in turn.
WATCHED: Mapping[str, tuple[str, ...]] = {
    "tests/tools/model_server": ("tools/model_server",),
    "tests/workflows": (".github",),
    "tests/studies": ("studies", "ground_truth", "src/scribe_suite/scoring", "src/scribe_suite/planting"),
}
#: Modules whose tests share one long run, so that they have their turn together.
TOGETHER = ("tests/test_benchmark.py",)
#: How far back a change counts as late: landings of many commits are seen as a whole.
LATELY, LATE_COMMITS = timedelta(days=2), 10


@dataclass(frozen=True)
class Turn:
    """Whose turn it is.

    Attributes:
        part: Of `PARTS`, from 0 on.
        changed: Paths that were changed lately.
        edited: Paths that the last commit changed, or that are not committed yet.
    """

    part: int
    changed: frozenset[str] = frozenset()
    edited: frozenset[str] = frozenset()

    def runs(self, nodeid: str, *, slow: bool, core: bool) -> bool:
        """Whether a test runs now.

        Args:
            nodeid: Of the test.
            slow: Whether it is marked slow.
            core: Whether it is marked core.
        """
        if core or nodeid.partition("::")[0] in self.edited:
            return True
        folder = next((name for name in WATCHED if nodeid.startswith(f"{name}/")), None)
        if folder is None and not slow:
            return True
        if folder is not None and not slow and self.touched(folder):
            return True
        return part_of(nodeid) == self.part

    def touched(self, folder: str) -> bool:
        """Whether a folder of tests, or what it tests, was changed lately."""
        return any(path.startswith(f"{name}/") for path in self.changed for name in (folder, *WATCHED[folder]))


def part_of(nodeid: str) -> int:
    """The part of a test: cases of one function are in the same, because they share what is expensive."""
    module = nodeid.partition("::")[0]
    unit = module if module in TOGETHER else nodeid.partition("[")[0]
    return int(hashlib.sha256(unit.encode()).hexdigest(), 16) % PARTS


def turn_of(root: Path) -> Turn | None:
    """The turn of the commit that is checked out; None where git does not know its history, and everything runs.

    Args:
        root: The checkout.
    """
    if _git(root, "rev-parse", "--is-shallow-repository") != ["false"]:
        return None
    commits, when = (
        _git(root, "rev-list", "--count", "--first-parent", "HEAD"),
        _git(root, "show", "-s", "--format=%ct", "HEAD"),
    )
    if not commits or not when:
        return None
    since = int(when[0]) - int(LATELY.total_seconds())
    edited = {
        *_git(root, "diff", "--name-only", "HEAD"),
        *_git(root, "diff", "--name-only", "HEAD^1", "HEAD"),
        *_git(root, "ls-files", "--others", "--exclude-standard"),
    }
    changed = {
        *_git(root, "log", "--format=", "--name-only", f"--since={since}"),
        *_git(root, "log", "--format=", "--name-only", f"-{LATE_COMMITS}"),
    }
    return Turn(int(commits[0]) % PARTS, frozenset(changed | edited), frozenset(edited))


def line_about(turn: Turn, ran: int, left_out: int) -> str:
    """One line about what rotates.

    Args:
        turn: Whose turn it is.
        ran: How many tests that rotate run.
        left_out: How many do not.
    """
    return (
        f"rotation: part {turn.part + 1} of {PARTS}: {ran} of {ran + left_out} tests that rotate were run "
        "(tests/rotation.py; without --rotate all of them are)"
    )


def _git(root: Path, *arguments: str) -> list[str]:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [line for line in done.stdout.splitlines() if line]
