"""Which run of a replay corresponds to which run of the recorded attempt."""

from __future__ import annotations

from collections import defaultdict

from scribe_suite.claims.evidence import CellRun, Evidence


class ReplayedRuns:
    """Maps the runs of an attempt to those of its replay.

    A replay leaves out interrupted runs, so numbers of cells may differ. The n-th run of some code corresponds to the
    n-th run of the same code.

    Args:
        recorded: The attempt's runs.
        replayed: The runs of its replay.
    """

    def __init__(self, recorded: Evidence, replayed: Evidence) -> None:
        by_code: dict[str, list[CellRun]] = defaultdict(list)
        for run in replayed.runs:
            by_code[run.code].append(run)
        seen: dict[str, int] = defaultdict(int)
        self._of: dict[int, CellRun] = {}
        for run in recorded.runs:
            if run.status == "interrupted":
                continue
            turn = seen[run.code]
            seen[run.code] += 1
            if turn < len(by_code[run.code]):
                self._of[run.place] = by_code[run.code][turn]

    def of(self, run: CellRun) -> CellRun | None:
        """The replay of a recorded run, or None when it was not run again."""
        return self._of.get(run.place)
