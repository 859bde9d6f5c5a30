"""Scores for a subspace of a real language model that is claimed to hold one of two properties of a prompt.

Prompts come in fours that share their words and differ in two properties (`CrossedPrompts`). The odds of a property are
those of the next tokens that go with its one value against those of the other. Two exchanges are made at every hidden
prompt, in the span of the submitted directions:

- with the prompt in which both properties have the other value. The odds of the asked property should become the
  source's, those of the other one should stay.
- the control, with a prompt in which both properties have the same values and the words are others. Nothing asked
  differs, so the odds of the asked property should stay.

There are four parts, each from 0 to 1, and the primary ``score`` is their harmonic mean. Exchanging nothing moves
nothing, a random subspace hardly anything, and exchanging everything moves the other property too, so that all of these
have a score of about 0. Where nothing was found to do better than a control, finding nothing is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.variables.interchange import orthonormal
from scribe_suite.scoring.crossed_prompts import Exchanges, Spot, both_changed, twins
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.real_probes import MISSED, OVERCLAIM, PAY_OFFS, REFUTED
from scribe_suite.tasks.task import Score

#: The metrics of every score, in the tables' column order; the first is primary.
REAL_SUBSPACE_METRICS = ("score", "effect", "flips", "isolation", "selectivity", "overclaim")
#: The score of exchanging nothing, of a random subspace up to luck, and of exchanging everything where both properties
#: are.
CHANCE = 0.0
#: A measured score from which a question can be answered; below `NULL_BAR` nothing can be found.
FOUND_BAR, NULL_BAR = 0.4, 0.2


@dataclass(frozen=True)
class Parts:
    """The effects of an exchange, each from 0 (bad) to 1.

    Attributes:
        effect: Mean log odds-ratio of the asked property, as a share of that between the two prompts.
        flips: Share of prompts after the exchange with the source's value, of those where the model is right on both.
        isolation: 1 less the mean size of the other property's log odds-ratio, as a share of that between the two.
        selectivity: 1 less the mean size of the asked property's log odds-ratio in the control, as the same share.
    """

    effect: float
    flips: float
    isolation: float
    selectivity: float

    @property
    def score(self) -> float:
        """The harmonic mean; 0 where one of the parts is 0."""
        parts = (self.effect, self.flips, self.isolation, self.selectivity)
        return len(parts) / sum(1 / part for part in parts) if min(parts) > 0 else 0.0


def log_odds(scores: Float[Tensor, "row 2 2"], asked: int) -> Float[Tensor, "row 2"]:
    """Log odds of the second value against the first: of the asked property, and of the other one.

    Args:
        scores: Logits by the values of both properties.
        asked: Which property is the asked one, 0 or 1.
    """
    ordered = scores if asked == 0 else scores.transpose(1, 2)
    either = (ordered.logsumexp(2), ordered.logsumexp(1))
    return torch.stack([odds[:, 1] - odds[:, 0] for odds in either], -1)


def measured_parts(
    exchanges: Exchanges, asked: int, spot: Spot, directions: Float[Tensor, "d_model k"] | None
) -> Parts:
    """Measure an exchange on all prompts.

    Args:
        exchanges: The model on crossed prompts.
        asked: Which property is asked for, 0 or 1.
        spot: Where the exchange is made.
        directions: Columns that span the subspace; None exchanges everything.
    """
    basis = None if directions is None else orthonormal(directions)
    if basis is not None and not basis.shape[1]:
        return Parts(0.0, 0.0, 1.0, 1.0)
    sources, others = both_changed(exchanges.contexts), twins(exchanges.contexts)
    with torch.no_grad():
        before = log_odds(exchanges.before, asked)
        after = log_odds(exchanges.after(spot, sources, basis), asked)
        control = log_odds(exchanges.after(spot, others, basis), asked)
    return parts_of(before, after, control, sources, asked)


def parts_of(
    before: Float[Tensor, "prompt 2"],
    after: Float[Tensor, "prompt 2"],
    control: Float[Tensor, "prompt 2"],
    sources: Int[Tensor, " prompt"],
    asked: int,
) -> Parts:
    """The parts of a score from log odds of the asked property and of the other one.

    Args:
        before: Without an exchange.
        after: After the exchange with `sources`.
        control: After the exchange of the control.
        sources: Row of the prompt whose activation was taken.
        asked: Which property is the asked one.
    """
    value = torch.arange(len(before)) // (2 if asked == 0 else 1) % 2  # rows are listed by context, first, second
    towards = (1 - 2 * value).to(before)  # from the value of the prompt to that of the source
    whole = before[sources] - before
    right = (before[:, 0] * towards < 0) & (before[sources, 0] * towards > 0)
    moved = after[:, 0] * towards > 0
    sizes = whole.abs().mean(0)
    effect = ((after - before)[:, 0] * towards).mean() / (whole[:, 0] * towards).mean()
    flips = moved[right].double().mean() if right.any() else torch.tensor(0.0)
    kept = 1 - (after - before)[:, 1].abs().mean() / sizes[1]
    still = 1 - (control - before)[:, 0].abs().mean() / sizes[0]
    return Parts(*(min(1.0, max(0.0, float(part))) for part in (effect, flips, kept, still)))


def score_claim(parts: Parts, reference: float, *, null: bool) -> Score:
    """The score of a submitted subspace.

    Args:
        parts: Its effects on hidden prompts.
        reference: The score on the same prompts of the best subspace that was measured.
        null: Whether nothing was found to beat the control there. A claim is an overclaim then, unless the hidden
            prompts support it.
    """
    if not null:
        return _score(parts, normalised_skill(parts.score, CHANCE, reference), reference)
    refuted = parts.score >= FOUND_BAR
    skill = PAY_OFFS.found if refuted else PAY_OFFS.overclaim
    return _score(parts, skill, max(reference, FOUND_BAR), flags=(REFUTED if refuted else OVERCLAIM,))


def score_nothing_found(reference: float, *, null: bool) -> Score:
    """The score of finding nothing, which exchanges nothing.

    Args:
        reference: The score of the best subspace that was measured, on other prompts: nothing is run for this.
        null: As in `score_claim`.
    """
    skill, flags = (PAY_OFFS.nothing, ()) if null else (PAY_OFFS.missed, (MISSED,))
    return _score(Parts(0.0, 0.0, 1.0, 1.0), skill, max(reference, NULL_BAR), flags=flags)


def _score(parts: Parts, skill: float, reference: float, flags: Sequence[str] = ()) -> Score:
    metrics = {"score": parts.score, **vars(parts), "overclaim": float(OVERCLAIM in flags)}
    return Score(
        metrics={name: metrics[name] for name in REAL_SUBSPACE_METRICS},
        primary="score",
        skill=skill,
        chance=CHANCE,
        reference=reference,
        flags=tuple(flags),
    )
