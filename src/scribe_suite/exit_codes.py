"""The exit codes of a run: pytest's own and two more. The documentation has the table."""

from __future__ import annotations

from collections.abc import Mapping

#: pytest calls it an internal error; a run also uses it when an attempt was lost or only infrastructure failed.
EXIT_LOST_OR_INFRASTRUCTURE = 3
#: ``--fail-below``: a provider is significantly worse than in the earlier run. Later versions of pytest (from 9.1 on)
#: exit with it as well, but only where ``--max-warnings`` is given.
EXIT_WORSE = 6
#: ``--fail-below`` could judge nothing.
EXIT_NOT_COMPARABLE = 7

#: Code -> when a run exits with it, in Markdown.
EXIT_CODES: Mapping[int, str] = {
    0: "every attempt is solved, or every test passed with `--record-only`",
    1: "an attempt that counts is not solved",
    2: "the run was interrupted, or tests could not be collected",
    EXIT_LOST_OR_INFRASTRUCTURE: "an attempt was lost, a record could not be written, pytest itself failed, or only "
    "infrastructure failed",
    4: "usage error: an option, or a lock that does not allow `--resume`; nothing was started",
    5: "no test was selected; a shard can be empty",
    EXIT_WORSE: "with `--fail-below`: a provider is worse than in the earlier run; else pytest's own: more warnings "
    "than its `--max-warnings` allows",
    EXIT_NOT_COMPARABLE: "with `--fail-below`: there was no pair of attempts that count, so nothing can be judged",
}
