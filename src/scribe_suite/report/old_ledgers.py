"""Ledgers from before claims were checked: reading them computes the counts from the attempts' folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter

from scribe_suite.claims.evidence import read_evidence
from scribe_suite.claims.grounding import check_answer
from scribe_suite.errors import InfrastructureError
from scribe_suite.ledger.records import Grounding
from scribe_suite.ledger.sources import Results, RunInfo
from scribe_suite.report.answer_views import read_answer
from scribe_suite.report.attempt_folders import folder_beside, part_of

#: Most attempts of a run whose folders are read; more would take minutes.
MAX_ATTEMPTS = 500

_T = TypeVar("_T")


@dataclass(frozen=True)
class WithGrounding:
    """A run's results, with counts of claims if its ledger has none and its folders are next to it.

    Attributes:
        results: The original results.
    """

    results: Results

    @property
    def info(self) -> RunInfo:
        """Information about the run besides its attempts."""
        return self.results.info

    def attempts(self, adapter: TypeAdapter[_T]) -> Iterator[_T]:
        """All attempts, each read with `adapter`; those that are not dictionaries are unchanged."""
        left = MAX_ATTEMPTS
        for attempt in self.results.attempts(adapter):
            # a current ledger has null for an attempt without an answer
            if isinstance(attempt, dict) and "grounding" not in attempt and attempt.get("folder") and left:
                left -= 1
                found = self._grounding(str(attempt["folder"]))
                if found is not None:
                    attempt["grounding"] = found.model_dump()
            yield attempt

    def _grounding(self, name: str) -> Grounding | None:
        folder = folder_beside(self.info.path.parent, name)
        if folder is None:
            return None
        with folder, part_of(folder, "outputs") as outputs, part_of(folder, "notebooks") as notebooks:
            answer = read_answer(outputs) if outputs else None
            if answer is None or notebooks is None:
                return None
            try:
                return check_answer(answer, read_evidence(notebooks, outputs)).counts
            except (OSError, InfrastructureError):
                return None
