"""Further claims about copies of a circuit that share the labels: which copy matters where.

The certificate of a circuit (`planting.circuits.certificate`) holds for all copies together, with a lower bar for what
a single node changes. There are two further checks for each copy: that it decides its own labels, and that it has no
effect where neither the answer nor the patched answer is one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from scribe_suite.planting.circuits.causal import CausalModel, Correspondence
from scribe_suite.planting.circuits.certificate import STRICT_BAR, certify_circuit
from scribe_suite.planting.circuits.interchange import Pairs, PatchedModel
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.sharing import Voice
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights

#: What resampling a node changes at least: as much of the accuracy as `certificate.EFFECT_BAR` demands of a circuit
#: that is the only one, times the share of the labels that a copy has.
SHARED_EFFECT_BAR = 0.1
#: The same of a whole copy, which is more than what one of its nodes may change where others stand in for it.
VOICE_EFFECT_BAR = SHARED_EFFECT_BAR + 1 - STRICT_BAR
#: Pairs on which nodes are ablated one by one. Checks of copies take more, since each is about some of the pairs alone.
GENERAL_PAIRS = 256
#: Share of answers among a copy's own labels that another one replaces where the copy is patched. Where the source's
#: label is the copy's own, that is all of them in what ships; where it is another copy's, the old answer may stay.
HEARD_BAR = 0.75
#: Share of right answers where a patch of the copy brings along no label of its own. In what ships, all that are wrong
#: are labels of the copy. How these bars came about, and the lowest values: docs/truth/circuits.md.
SILENT_BAR = 0.9


def certify_sharing(
    weights: ModelWeights, causal: CausalModel, correspondence: Correspondence, voices: Sequence[Voice], pairs: Pairs
) -> Certificate:
    """Measure everything that the key claims.

    Args:
        weights: The model, as an agent gets it.
        causal: What it should compute, in the model's tokens and labels.
        correspondence: Where: in the nodes of all copies that are heard.
        voices: Those copies.
        pairs: Held-out pairs.

    Returns:
        The checks of `certify_circuit`, on the first `GENERAL_PAIRS` pairs, and for the n-th copy ``heard/<n>``,
        ``silent/<n>`` and ``effect/voice/<n>``: with all its nodes resampled, the share of its own labels that change
        where the source has another one, the share of right answers where neither prompt has a label of its own or of a
        copy that has a node in common with it, and the accuracy lost.
    """
    few = Pairs(pairs.base[:GENERAL_PAIRS], pairs.source[:GENERAL_PAIRS])
    general = certify_circuit(weights, causal, correspondence, few, effect_bar=SHARED_EFFECT_BAR)
    patched = PatchedModel(PatchableTransformer.from_weights(weights), causal, pairs)
    checks = [check for number in range(len(voices)) for check in _of_voice(number, voices, patched, causal, pairs)]
    return Certificate(checks=(*general.checks, *checks))


def _of_voice(
    number: int, voices: Sequence[Voice], patched: PatchedModel, causal: CausalModel, pairs: Pairs
) -> Iterator[Check]:
    base, source = causal.run(pairs.base).labels, causal.run(pairs.source).labels
    nodes = set(voices[number].nodes.values())
    own, touched = torch.zeros(2, causal.n_labels, dtype=torch.bool)
    own[list(voices[number].labels)] = True
    for voice in voices:
        touched[list(voice.labels)] |= not nodes.isdisjoint(voice.nodes.values())
    right = patched.right_after(nodes)
    elsewhere = ~touched[base] & ~touched[source]
    measured = {
        "heard": (1 - _share(right, own[base] & (base != source)), HEARD_BAR),
        **({"silent": (_share(right, elsewhere), SILENT_BAR)} if elsewhere.any() else {}),
        "effect/voice": (patched.behaviour() - _share(right, torch.ones_like(right)), VOICE_EFFECT_BAR),
    }
    for name, (value, bar) in measured.items():
        yield Check(name=f"{name}/{number}", value=round(value, 6), bar=bar, direction=">=")


def _share(right: torch.Tensor, among: torch.Tensor) -> float:
    return right[among].float().mean().item() if among.any() else 0.0
