"""The certificate of a planted circuit: every claim the answer key makes, measured from the weights alone.

Bars follow InterpBench (Gupta et al. 2024, arXiv 2407.14494): the network behaves like the causal model, each
variable sits where the key says (IIA), nothing outside the circuit matters (three ablations, one by one and all at
once), and every node inside does. Of redundant nodes (`CausalModel.joint`) the opposite is claimed first: each alone
may be ablated, and only all of them together matter.
"""

from __future__ import annotations

from collections.abc import Iterator

from scribe_suite.planting.circuits.causal import CausalModel, Correspondence, circuit_of
from scribe_suite.planting.circuits.interchange import ABLATIONS, Interchange, Pairs, PatchedModel
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights

BEHAVIOUR_BAR = 0.99
INTERCHANGE_BAR = 0.98
STRICT_BAR = 0.98
#: A circuit node whose resampling changes less of the output than this is not worth calling part of the circuit: the
#: accuracy lost or, where logits are prescribed, the change of the right label's logit (`PatchedModel.effect`).
EFFECT_BAR = 0.3
#: Mean distance of centred logits from those that a causal model prescribes, where it does; their unit is nats.
LOGIT_BAR = 0.3


def certify_circuit(
    weights: ModelWeights,
    causal: CausalModel,
    correspondence: Correspondence,
    pairs: Pairs,
    *,
    effect_bar: float = EFFECT_BAR,
) -> Certificate:
    """Measure everything the key of a planted circuit claims.

    Args:
        weights: The model, as an agent gets it.
        causal: What it should compute, in the model's tokens and labels.
        correspondence: Where, in the model's node names.
        pairs: Held-out pairs.
        effect_bar: The least change that resampling a node must make.

    Returns:
        Checks ``behaviour``; ``iia/<variable>`` and ``iia_changed/<variable>``; ``strict/<ablation>/<node>`` and
        ``strict/<ablation>/all``, accuracies with bystanders ablated; ``effect/resample/<node>``, the accuracy lost by
        resampling a circuit node. For redundant variables ``iia/<a>+<b>`` and ``effect/resample/<a>+<b>`` of them
        together, and ``redundant/<ablation>/<node>``, the accuracy with one of their nodes ablated, instead of its
        effect. For models that prescribe logits ``logits`` and ``logits/<variable>``, their distance from those.
    """
    network = PatchableTransformer.from_weights(weights)
    patched = PatchedModel(network, causal, pairs)
    circuit = circuit_of(correspondence)
    bystanders = [name for name in network.shape.nodes if name not in circuit]
    redundant = sorted({node for group in causal.joint for name in group for node in correspondence[name]})

    behaviour = patched.behaviour()
    checks = [_at_least("behaviour", behaviour, BEHAVIOUR_BAR)]
    if patched.prescribes_logits:
        checks.append(_at_most("logits", patched.logit_error(), LOGIT_BAR))
    for group in (*((name,) for name in causal.variables), *causal.joint):
        checks += _interchange_checks("+".join(group), patched.interchange(group, correspondence), patched)
    for ablation in ABLATIONS:
        groups = {name: [name] for name in bystanders} | {"all": bystanders}
        checks += [
            _at_least(f"strict/{ablation}/{name}", patched.ablated(group, ablation), STRICT_BAR)
            for name, group in groups.items()
        ]
        checks += [
            _at_least(f"redundant/{ablation}/{name}", patched.ablated([name], ablation), STRICT_BAR)
            for name in redundant
        ]
    for name in sorted(circuit - set(redundant)):
        checks.append(_at_least(f"effect/resample/{name}", patched.effect([name]), effect_bar))
    for group in causal.joint:
        nodes = [node for name in group for node in correspondence[name]]
        checks.append(_at_least(f"effect/resample/{'+'.join(group)}", patched.effect(nodes), effect_bar))
    return Certificate(checks=tuple(checks))


def _interchange_checks(name: str, result: Interchange, patched: PatchedModel) -> Iterator[Check]:
    yield _at_least(f"iia/{name}", result.accuracy, INTERCHANGE_BAR)
    if result.accuracy_where_changed is not None:
        yield _at_least(f"iia_changed/{name}", result.accuracy_where_changed, INTERCHANGE_BAR)
    if patched.prescribes_logits:
        yield _at_most(f"logits/{name}", result.logit_error, LOGIT_BAR)


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction=">=")


def _at_most(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction="<=")
