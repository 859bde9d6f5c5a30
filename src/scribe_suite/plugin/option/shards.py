"""``--shard K/N``: the part of a run that one of several jobs executes.

The part of a test follows from its id alone, so it is the same in every process and does not change when other tests
are added or removed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from scribe_suite.ledger.attempt_ids import without_trial

_SHARD = re.compile(r"(?P<number>[0-9]{1,4})/(?P<count>[0-9]{1,4})")


@dataclass(frozen=True)
class Shard:
    """One part of several.

    Attributes:
        number: The part's number, from 1.
        count: The number of parts.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``K/N``.

        Raises:
            ValueError: With a sentence for the user, when it is not of that form or there is no such part.
        """
        match = _SHARD.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not of the form K/N, as in 2/8.")
        shard = cls(int(match["number"]), int(match["count"]))
        if not 1 <= shard.number <= shard.count:
            raise ValueError(f"There is no part {text}: count from 1/{shard.count} to {shard.count}/{shard.count}.")
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, nodeid: str) -> bool:
        """Whether the test is in this part."""
        return part_of(nodeid, self.count) == self.number


def shard_run(number: int) -> str:
    """The run id of a shard of a sweep."""
    return f"shard{number:04}"


def part_of(nodeid: str, count: int) -> int:
    """The part, out of `count`, to which a test belongs.

    The trials of a task are dealt out in turn, beginning with the part that the hash of the rest of the id selects:
    they take about equally long, and hashing each of them would put many into one part.
    """
    rest, trial = without_trial(nodeid)
    begin = int.from_bytes(hashlib.sha256(rest.encode()).digest()[:8], "big")
    return (begin + trial) % count + 1
