"""What a run prints before its first test: the number of attempts, their isolation, what is skipped, what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from scribe_suite.plugin.option.resume import ResumedRun, listed
from scribe_suite.sandbox.escape_table import ESCAPES
from scribe_suite.sandbox.program_gaps import GAPS, agent_gaps
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.tasks.facts import TaskFacts


class Announcements:
    """Prints through pytest's terminal reporter, which a session may lack."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def say(self, sentence: str, warning: bool = False) -> None:
        """Print one sentence on its own line."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            if reporter._tw.width_of_current_line:  # of xdist's status, which the reporter does not know of
                reporter._tw.line()
            reporter.write_line(f"scribe-suite: {sentence}", yellow=warning)

    def skipped(self, reasons: Mapping[TaskFacts, str | None], tasks: Iterable[TaskFacts]) -> None:
        """Say why tests can't be run on this machine.

        Args:
            reasons: Task -> why it can't be done, or None.
            tasks: The task of each attempt.
        """
        named = list(tasks)
        for reason in dict.fromkeys(filter(None, reasons.values())):
            count = sum(reasons[task] == reason for task in named)
            self.say(f"{count} {'test is' if count == 1 else 'tests are'} skipped: {reason}", warning=True)

    def begun(self, count: int, tier: IsolationTier, ledger: Path) -> None:
        """Print which attempts are made, and what isolation does not prevent."""
        self.say(f"{count} attempts, isolation {tier.name}, ledger {shown_path(ledger)}")
        self.say("the tasks' code is being loaded; then the first attempts begin, and start their kernels' servers.")
        reasons = "; ".join(tier.reasons)
        if not tier.confined:
            self.say(f"kernels are NOT isolated ({reasons}): agents could read the answer keys.", warning=True)
        elif not tier.strict:
            gaps = ", ".join(ESCAPES[gap].what for gap in tier.gaps)
            self.say(
                f"kernels are isolated less well than they could be ({reasons}). Code in them can {gaps}.", warning=True
            )
        if not tier.own_root:
            open_ways = ", ".join(GAPS[gap].what for gap in agent_gaps(tier))
            self.say(f"agents' programs (CLIs and command:) can {open_ways}.", warning=True)

    def resumed(
        self, resumed: ResumedRun, planned: Sequence[str], differences: Sequence[str], machine: Sequence[str]
    ) -> None:
        """Print which attempts of a resumed run are made now, and what has changed."""
        header = resumed.header
        self.say(f"{header.run} is resumed: {len(planned)} of its {len(header.planned)} attempts are made.")
        if len(planned) < len(resumed.pending):
            left = len(resumed.pending) - len(planned)
            self.say(f"{left} more are missing but not among the selected tests.", warning=True)
        if differences:
            self.say(f"these have changed since the run began: {listed(differences)}.", warning=True)
        if machine:
            self.say(f"the machine is different, so times are not comparable: {listed(machine)}.", warning=True)


def shown_path(path: Path) -> str:
    """The shortest form of a path, seen from the current folder."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
