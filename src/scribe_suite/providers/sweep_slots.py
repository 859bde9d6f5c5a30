"""The slots and pauses of a provider over all shards of a sweep, which may run on many machines.

Pauses work as in `slots`: a file that all shards see. Slots are leases, because file locks do not work on every shared
file system.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.leases import BEAT_S, EXPIRE_S, Lease, Leases
from scribe_suite.providers.slots import Slots

#: Folder of a sweep with its slots and pauses: two levels below, as `Slots` requires.
BELOW = "shared/slots"
#: Seconds between two checks for a free slot: initial and longest. They vary at random, so that a hundred machines do
#: not check at once.
FIRST_POLL_S, LONGEST_POLL_S = 0.5, 5.0


class SweepSlots(Slots):
    """The slots of one provider over a whole sweep.

    Args:
        sweep: The sweep's folder.
        provider: Name of the provider.
        places: How many attempts may run at the same time over all shards, or None for any number.
        beat_s: See `Leases`.
        expire_s: See `Leases`.
    """

    def __init__(
        self, sweep: Path, provider: str, places: int | None = None, beat_s: float = BEAT_S, expire_s: float = EXPIRE_S
    ) -> None:
        super().__init__(sweep / BELOW, provider, places)
        self._leases = Leases(sweep / BELOW, beat_s, expire_s)

    def _take(self) -> Lease:
        assert self._places is not None
        names = [f"{self._provider}.{number}" for number in range(self._places)]
        poll_s = FIRST_POLL_S
        try:
            while (lease := self._leases.take(names)) is None:
                time.sleep(poll_s * random.uniform(0.5, 1.0))
                poll_s = min(poll_s * 1.5, LONGEST_POLL_S)
        except OSError as error:
            raise InfrastructureError(
                "slots",
                f"--max-concurrent over a sweep needs files in {self._folder}, which can't be used ({error}): put the "
                "sweep's folder where all its machines can write.",
            ) from error
        return lease
