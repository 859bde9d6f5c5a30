"""The certificate of a planted circuit: every claim the answer key makes, measured from the weights alone.

Bars follow InterpBench (Gupta et al. 2024, arXiv 2407.14494): the network behaves like the causal model, each
variable sits where the key says (IIA), nothing outside the circuit matters (three ablations, one by one and all at
once), and every node inside does.
"""

from __future__ import annotations

from scribe_suite.planting.causal import CausalModel, Correspondence, circuit_of
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.interchange import ABLATIONS, Pairs, PatchedModel
from scribe_suite.planting.patchable import PatchableTransformer

BEHAVIOUR_BAR = 0.99
INTERCHANGE_BAR = 0.98
STRICT_BAR = 0.98
EFFECT_BAR = 0.3
"""A circuit node whose resampling costs less accuracy than this is not worth calling part of the circuit."""


def certify_circuit(
    weights: ModelWeights, causal: CausalModel, correspondence: Correspondence, pairs: Pairs
) -> Certificate:
    """Measure everything the key of a planted circuit claims.

    Args:
        weights: The model, as an agent gets it.
        causal: What it should compute, in the model's tokens and labels.
        correspondence: Where, in the model's node names.
        pairs: Held-out pairs.

    Returns:
        Checks ``behaviour``; ``iia/<variable>`` and ``iia_changed/<variable>``; ``strict/<ablation>/<node>`` and
        ``strict/<ablation>/all``, accuracies with bystanders ablated; ``effect/resample/<node>``, the accuracy lost by
        resampling a circuit node.
    """
    network = PatchableTransformer.from_weights(weights)
    patched = PatchedModel(network, causal, pairs)
    circuit = circuit_of(correspondence)
    bystanders = [name for name in network.shape.nodes if name not in circuit]

    behaviour = patched.behaviour()
    checks = [_at_least("behaviour", behaviour, BEHAVIOUR_BAR)]
    for variable in causal.variables:
        everywhere, where_changed = patched.interchange(variable, correspondence)
        checks.append(_at_least(f"iia/{variable}", everywhere, INTERCHANGE_BAR))
        checks.append(_at_least(f"iia_changed/{variable}", where_changed, INTERCHANGE_BAR))
    for ablation in ABLATIONS:
        groups = {name: [name] for name in bystanders} | {"all": bystanders}
        checks += [
            _at_least(f"strict/{ablation}/{name}", patched.ablated(group, ablation), STRICT_BAR)
            for name, group in groups.items()
        ]
    for name in sorted(circuit):
        lost = behaviour - patched.ablated([name], "resample")
        checks.append(_at_least(f"effect/resample/{name}", lost, EFFECT_BAR))
    return Certificate(checks=tuple(checks))


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction=">=")
