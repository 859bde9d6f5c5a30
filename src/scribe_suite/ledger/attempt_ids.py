"""Ids of attempts: the only place that knows how a pytest node id names a task, a provider and a trial.

An id ends in ``[<label>-<provider>-t<trial>]``; the label is a task's name, with its level where that is not 1, and its
arm where that is not the level's. Ids are stable over runs, because resumes, diffs and shards key on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ATTEMPT = re.compile(r"\[(?P<label>[A-Za-z0-9_]+(?:\.[a-z]+)?)-(?P<provider>.+)-t(?P<trial>\d+)\]$")
_TRIAL = re.compile(r"-t(?P<trial>[0-9]+)\]$")


@dataclass(frozen=True)
class AttemptId:
    """What a node id says about an attempt.

    Attributes:
        label: The task's label, without its family.
        provider: The provider, as ``--provider`` names it.
        trial: The trial's number, from 0.
    """

    label: str
    provider: str
    trial: int

    @classmethod
    def parse(cls, nodeid: str) -> AttemptId | None:
        """The attempt that a node id names, or None for an ordinary test."""
        match = _ATTEMPT.search(nodeid)
        return None if match is None else cls(match["label"], match["provider"], int(match["trial"]))

    def __str__(self) -> str:
        return f"{self.label}-{self.provider}-t{self.trial}"


def without_trial(nodeid: str) -> tuple[str, int]:
    """The part of an id that all trials of a test share, and the trial's number; 0 for a test without trials."""
    match = _TRIAL.search(nodeid)
    return (nodeid, 0) if match is None else (nodeid[: match.start()], int(match["trial"]))
