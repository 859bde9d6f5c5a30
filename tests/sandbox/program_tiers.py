"""The ways in which agents' programs can be isolated on this machine, for tests of all of them."""

from __future__ import annotations

import pytest

from scribe_suite.sandbox import probing
from scribe_suite.sandbox.tiers import IsolationTier

WAYS = ("own user id", "user namespace", "landlock")


def tier_of(way: str) -> IsolationTier:
    """The tier behind one of `WAYS`; skips the test where there is none."""
    if way == "landlock":
        tier, reason = probing.try_tier("landlock")
        return tier or pytest.skip(reason)
    best = probing.best_tier()
    if best.name != "namespaces":
        pytest.skip("; ".join(best.reasons))
    if way == "own user id":
        return best if best.own_uid else pytest.skip("only root has user ids to give away")
    return IsolationTier("namespaces", limits=best.limits)
