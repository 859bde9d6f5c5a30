"""The forms of rules at each level of ``neurons/explain``, and the terms of its laboratory."""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms

#: Level -> the possible forms of each neuron's rule.
FORMS: Mapping[int, tuple[tuple[str, ...], ...]] = {
    1: (("exception", "window"),),
    2: (("unrelated",), ("window",), ("three",)),
    3: (("context", "context that silences"),),
}
#: From level 3 on the harness runs the model. A text costs 1, and neurons are read one at a time, with noise.
LABORATORY: Mapping[int, Terms] = {
    3: Terms(budget=240, sites_per_run=1, read_noise=4.0, operations=frozenset({"read"})),
}
