"""Levels of the circuit tasks: what a laboratory grants at each.

A circuit of four among 25 components has some 14 bits, and a prompt whose answer is either right or wrong tells at most
one; with effects that change half of the answers, at most a third of one. Scanning every component with ten prompts
costs 500.
"""

from __future__ import annotations

from scribe_suite.laboratory.terms import Terms

#: Level -> what it sets, as `Task.levels` has it.
LEVELS = {
    1: "weights",
    2: "a laboratory that shows everything, and a budget of 1,000 prompts",
    3: "a laboratory that shows labels and patches, and a budget of 200 prompts",
    4: "the same, and a budget of 100 prompts",
}
GENEROUS = Terms(budget=1000)
TIGHT = Terms(budget=200, returns="labels", operations=frozenset({"patch"}))
LIMIT = TIGHT.model_copy(update={"budget": 100})
LABORATORY = {2: GENEROUS, 3: TIGHT, 4: LIMIT}
