"""The methods that reference solutions share do what they say, on networks wired by hand; so does their table."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pytest
import torch
from matplotlib import pyplot as plt

from scribe_suite.planting.circuits.interchange import PatchedModel
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import build_model
from scribe_suite.scoring.faithfulness import FaithfulnessMeter
from studies.circuit_methods import (
    EFFECTS,
    METHOD_CELLS,
    above,
    in_hindsight,
    methods_markdown,
    shared_cells,
    skills_markdown,
    swept,
    widest_gap,
)
from tests.scoring.hand_made import TOKENS, LastToken, Wire, different_pairs, wired

NODES = [node for layer in range(3) for node in (f"a{layer}.h0", f"a{layer}.h1", f"m{layer}")]
CHAIN = (Wire(0, reads=0, writes=1), Wire(1, reads=1, writes=2))


@pytest.fixture(autouse=True)
def _no_windows():
    mpl.use("Agg")
    yield
    plt.close("all")


def after(network: PatchableTransformer, *files: str) -> dict[str, Any]:
    """What a kernel holds after shared cells have run on a network and all its pairs."""
    pairs = different_pairs()
    names: dict[str, Any] = {
        "model": build_model(network.to_weights()),
        "base": pairs.base,
        "source": pairs.source,
        "base_labels": LastToken().run(pairs.base).labels[:, 0],
    }
    for source in shared_cells(files):
        exec(source, names)
    return names


def noisy(network: PatchableTransformer) -> PatchableTransformer:
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.fixture(scope="module")
def random_network() -> PatchableTransformer:
    return noisy(wired(*CHAIN))


@pytest.fixture(scope="module")
def random_names(random_network) -> dict[str, Any]:
    mpl.use("Agg")
    return after(random_network, *METHOD_CELLS)


# --- patching ---------------------------------------------------------------------------------------------------------


def test_patching_loses_the_accuracy_that_the_certificate_would_measure(random_network, random_names):
    patched = PatchedModel(random_network, LastToken(), different_pairs())
    assert random_names["nodes"] == NODES
    for node in NODES:
        expected = patched.behaviour() - patched.ablated([node], "resample")
        assert random_names["accuracy_lost"][node] == pytest.approx(expected, abs=1e-6)
    some = ["a0.h1", "a0.h0", "m1", "a2.h1"]
    assert random_names["accuracy_without"](some) == pytest.approx(patched.ablated(some, "resample"), abs=1e-6)


def test_the_logit_difference_falls_as_the_evaluators_margin_does(random_network, random_names):
    meter = FaithfulnessMeter(random_network, LastToken(), different_pairs())
    for node in NODES:
        found = meter.measure([node])
        assert random_names["patching"][node] == pytest.approx(found.clean.margin - found.removed.margin, abs=1e-4)


def test_other_pairs_can_be_chosen(random_network):
    names = after(random_network, "cells/patching.py")
    chosen = torch.tensor([3, 5, 8])
    names["use_pairs"](chosen)
    pairs = different_pairs()
    pairs = type(pairs)(pairs.base[chosen], pairs.source[chosen])
    patched = PatchedModel(random_network, LastToken(), pairs)
    assert names["accuracy_without"](["m1"]) == pytest.approx(patched.ablated(["m1"], "resample"))


# --- gradients --------------------------------------------------------------------------------------------------------


def test_where_the_output_is_linear_gradients_are_exact(random_names):
    # nothing stands between the last MLP and the logits
    for method in ("attribution", "eap_ig"):
        assert random_names[method]["m2"] == pytest.approx(random_names["patching"]["m2"], abs=1e-4)


def test_a_node_that_does_nothing_has_no_effect_by_any_method():
    names = after(wired(*CHAIN), *METHOD_CELLS)
    for method in ("patching", "attribution", "eap_ig"):
        assert {node for node in NODES if abs(names[method][node]) > 1e-6} == {"m0", "m1"}


def test_one_gradient_is_blind_where_the_path_to_the_source_is_not():
    # m1 holds back every token that m0 does not name: on the base prompt a small step of m0 changes nothing there
    network = wired(Wire(0, writes=1), Wire(1, reads=1, writes=2, strength=-2.0), Wire(2, reads=0, writes=2))
    with torch.no_grad():
        network.b_in[1] = 1.0
        network.W_in[1] *= -2.0  # relu(1 - 2x) is flat where m0 says 1
    names = after(network, *METHOD_CELLS)
    patching, attribution, eap_ig = (names[name]["m0"] for name in ("patching", "attribution", "eap_ig"))
    assert abs(eap_ig - patching) < abs(attribution - patching)


# --- where to cut -----------------------------------------------------------------------------------------------------


def test_the_circuit_is_cut_out_by_faithfulness():
    names = after(wired(*CHAIN), *METHOD_CELLS)
    assert names["circuit"] == ["m0", "m1"]
    assert (names["sufficient"], names["destroyed"]) == (1.0, names["no_node_accuracy"])


def test_a_ranking_that_is_wrong_is_cut_late_and_pruned():
    names = after(wired(*CHAIN), *METHOD_CELLS)
    score = {node: float(rank) for rank, node in enumerate(NODES)}
    curve, kept = names["sweep"](score)
    assert set(kept) == set(NODES[NODES.index("m0") :])
    assert len(curve) == len(kept) + 1
    assert curve[-1] == 1.0
    assert swept(score, names) == ["m0", "m1"]


def test_nodes_that_hide_each_other_are_found_together():
    # m1 speaks only where what m0 says is not the prompt's own token
    network = wired(Wire(0, writes=1), Wire(1, reads=0, writes=2))
    with torch.no_grad():
        for token in range(TOKENS):
            network.W_out[0, token, 2 * TOKENS + token] = 1.0
            network.W_in[1, TOKENS + token, token] = -1.0
    names = after(network, "cells/patching.py", "cells/pairwise.py")
    assert names["accuracy_lost"]["m1"] == 0.0
    assert names["stand_ins"] == [("m0", "m1")]
    assert names["circuit"] == ["m0", "m1"]


# --- what is shown ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch) -> list[str]:
    texts: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda markdown: texts.append(markdown.data))
    return texts


def test_the_finding_tells_the_measured_numbers(shown):
    names = after(wired(*CHAIN), *METHOD_CELLS, "cells/finding.py")
    (text,) = shown
    assert "the circuit is `m0`, `m1`." in text
    for node in ("m0", "m1"):
        fall = names["patching"][node]
        cost = names["accuracy_lost"][node]
        assert f"`{node}` costs {cost:.2f} accuracy and the logit difference falls by {fall:.2f}" in text
    assert "none costs more than 0.00 accuracy" in text
    assert "keeps accuracy 1.000" in text
    assert "it is enough" in text
    assert f"accuracy is {names['destroyed']:.3f}" in text


def test_the_finding_admits_that_a_circuit_is_not_enough(shown):
    names = after(wired(*CHAIN), *METHOD_CELLS)
    names.update(circuit=["m0"], others=[node for node in NODES if node != "m0"])
    for source in shared_cells(["cells/finding.py"]):
        exec(source, names)
    assert "it is not enough" in shown[-1]


def test_without_a_circuit_there_is_still_a_finding(shown):
    names = after(wired(*CHAIN), *METHOD_CELLS)
    names.update(circuit=[], others=NODES)
    for source in shared_cells(["cells/finding.py"]):
        exec(source, names)
    assert "the circuit is empty" in shown[-1]
    assert "still some more than" in shown[-1]


@pytest.mark.parametrize(
    ("fall", "words"), [(1.48, "falls by 1.48"), (-1.48, "rises by 1.48"), (-0.001, "stays"), (0.0, "stays")]
)
def test_a_negative_fall_is_called_a_rise(random_names, fall, words):
    assert random_names["in_words"](fall) == words


def test_noise_stays_pale_and_no_accuracy_below_nothing_is_in_the_scale(random_names):
    plt.close("all")
    noise = dict.fromkeys(NODES, -0.001)
    random_names["heat_maps"]({"falls": noise}, {"lost": noise})
    falls, lost = (axes for axes in plt.gcf().axes if axes.get_title())
    assert falls.images[0].get_clim() == pytest.approx(
        (-0.1 * random_names["clean_difference"], 0.1 * random_names["clean_difference"])
    )
    assert lost.images[0].get_clim() == pytest.approx((0.0, 0.1 * random_names["clean_accuracy"]))
    assert {text.get_text() for axes in (falls, lost) for text in axes.texts} == {"0.00"}


def test_the_widest_gap_decides():
    assert widest_gap({"m0": 0.9, "m1": 0.1, "m2": 0.8}) == ["m0", "m2"]
    assert widest_gap({"m0": 0.9, "m1": 0.1, "m2": 0.2}) == ["m0"]


def test_a_threshold_is_relative_to_the_largest_effect():
    assert above({"m0": 2.0, "m1": 0.2, "m2": 0.19}, 0.1) == ["m0", "m1"]


def test_of_all_thresholds_the_best_is_told_per_effect():
    rules = {"widest gap": 0.1, "threshold 0.1": 0.4, "threshold 0.5": -0.2}
    means = {f"{effect}, {rule}": value for effect in EFFECTS for rule, value in rules.items()}
    means["accuracy, threshold 0.5"] = 0.9
    assert in_hindsight(means) == {
        "logit difference, widest gap": 0.1,
        "logit difference, best fixed threshold in hindsight": 0.4,
        "accuracy, widest gap": 0.1,
        "accuracy, best fixed threshold in hindsight": 0.9,
    }
    assert in_hindsight({}) == {}


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_row_per_task_and_method():
    values = {"IoU": 0.5, "precision": 1.0, "recall": 0.5, "AUROC": 0.875}
    assert methods_markdown({"circuits/x": {"EAP-IG": values}}).splitlines() == [
        "| task | method | IoU | precision | recall | AUROC |",
        "|---|---|--:|--:|--:|--:|",
        "| `x` | EAP-IG | 0.50 | 1.00 | 0.50 | 0.88 |",
    ]


def test_a_row_per_answer_and_a_column_per_task():
    assert skills_markdown({}, "skill") == ""
    assert skills_markdown({"circuits/x": {"empty": 0.0}, "circuits/y": {"empty": -0.25}}, "skill").splitlines() == [
        "| skill | `x` | `y` |",
        "|---|--:|--:|",
        "| empty | 0.00 | -0.25 |",
    ]
