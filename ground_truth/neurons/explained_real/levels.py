"""The number of neurons at each level of ``neurons/explain_real``, and the terms of its laboratory."""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms

#: Level -> number of neurons of an instance.
ASKED: Mapping[int, int] = {1: 1, 2: 3, 3: 1}
#: From level 3 on the harness runs the model. The unit is a token; one site is read at a time, and no logits are given.
LABORATORY: Mapping[int, Terms] = {
    3: Terms(budget=26_000, sites_per_run=1, returns="nothing", operations=frozenset({"read"})),
}
#: All levels.
LEVELS: tuple[int, ...] = tuple(ASKED)
