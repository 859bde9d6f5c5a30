"""Scores for answers that are edges between nodes, by the F1 of the edges."""

from __future__ import annotations

from collections.abc import Collection

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.sets import f1, set_metrics
from scribe_suite.tasks.task import Score

EDGE_METRICS = ("f1", "precision", "recall", "pair_f1")

#: Inputs of a head, as written at the end of an edge's name.
_INPUTS = (".q", ".k", ".v")


def pair_of(edge: str) -> str:
    """The nodes of an edge, without the input of the second: ``a0.h1->a2.h0.q`` becomes ``a0.h1->a2.h0``."""
    return edge[:-2] if edge.endswith(_INPUTS) else edge


def score_edges(submitted: Collection[str], truth: Collection[str], chance: float) -> Score:
    """Score a set of edges.

    Primary is ``f1``: an edge into the wrong input of a head is one wrong edge and one missing one. ``pair_f1`` ignores
    inputs.

    Args:
        submitted: Edges of the answer, by name.
        truth: The certified edges.
        chance: Expected F1 of the best rule that does not look at the model.
    """
    found = set_metrics(submitted, truth)
    pairs = f1(frozenset(map(pair_of, submitted)), frozenset(map(pair_of, truth)))
    metrics = {**{name: found[name] for name in ("f1", "precision", "recall")}, "pair_f1": pairs}
    return Score(
        metrics=metrics,
        primary="f1",
        skill=normalised_skill(metrics["f1"], chance, 1.0),
        chance=chance,
        reference=1.0,
    )
