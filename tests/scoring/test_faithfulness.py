"""Faithfulness and minimality on networks whose numbers follow from how they are wired."""

from __future__ import annotations

from itertools import combinations

import pytest

from scribe_suite.planting.circuits.interchange import Pairs, PatchedModel
from scribe_suite.scoring.faithfulness import FaithfulnessMeter
from tests.scoring.hand_made import HEADS, MLPS, LastToken, Wire, different_pairs, wired

CAUSAL = LastToken()
PAIRS = different_pairs()

ONE_NODE = wired(Wire(layer=1))
CHAIN = wired(Wire(layer=0, reads=0, writes=1), Wire(layer=2, reads=1, writes=2))
TWO_OF_THREE = wired(*(Wire(layer) for layer in range(3)))
SUPPRESSED = wired(Wire(layer=0), Wire(layer=1, strength=-0.5))
DIVIDED = wired(Wire(layer=0, strength=2.0, tokens=(0, 1)), Wire(layer=1, tokens=(2,)), favourite=1)


def measured(network, *submitted):
    return FaithfulnessMeter(network, CAUSAL, PAIRS).measure(submitted)


def faithfulness_and_minimality(network, *submitted):
    found = measured(network, *submitted)
    return pytest.approx((found.faithfulness, found.minimality), abs=1e-6)


@pytest.mark.parametrize("network", [ONE_NODE, CHAIN, TWO_OF_THREE, SUPPRESSED, DIVIDED])
def test_every_node_recovers_all_and_no_node_nothing(network):
    assert faithfulness_and_minimality(network, *HEADS, *MLPS) == (1, 1)
    assert faithfulness_and_minimality(network) == (0, 0)


def test_the_circuit_is_faithful_and_minimal_and_its_complement_neither():
    assert faithfulness_and_minimality(ONE_NODE, "m1") == (1, 1)
    assert faithfulness_and_minimality(ONE_NODE, *HEADS, "m0", "m2") == (0, 0)


def test_part_of_a_chain_carries_nothing_but_breaks_everything():
    assert faithfulness_and_minimality(CHAIN, "m0", "m2") == (1, 1)
    assert faithfulness_and_minimality(CHAIN, "m0") == (0, 1)
    assert faithfulness_and_minimality(CHAIN, "m2") == (0, 1)


def test_a_superfluous_node_changes_neither_number():
    assert faithfulness_and_minimality(CHAIN, "m0", "m2", "a1.h0", "m1") == (1, 1)


def test_nodes_that_back_each_other_up_are_seen_only_together():
    assert faithfulness_and_minimality(TWO_OF_THREE, "m0") == (0, 0)
    assert faithfulness_and_minimality(TWO_OF_THREE, "m0", "m2") == (1, 1)


def test_a_circuit_for_some_prompts_recovers_their_share():
    # m0 alone: right on tokens 0 and 1. Without it: the favourite label 1 where the source is 2, else the source's
    assert faithfulness_and_minimality(DIVIDED, "m0") == (2 / 3, 5 / 6)


def test_a_set_that_is_worse_than_nothing_has_faithfulness_zero():
    network = wired(Wire(layer=0, strength=2.0), Wire(layer=1, strength=-1.5))
    network.W_U.data[0, 0] = 1.0  # token 0 is also read from the embedding, which no ablation touches
    patched = PatchedModel(network, CAUSAL, PAIRS)
    assert patched.ablated([*HEADS, *MLPS], "resample") == pytest.approx(1 / 3)
    assert patched.ablated([*HEADS, "m0", "m2"], "resample") == 0.0
    assert measured(network, "m1").faithfulness == 0.0


def test_one_meter_measures_many_answers():
    meter = FaithfulnessMeter(DIVIDED, CAUSAL, PAIRS)
    for size in range(4):
        for submitted in combinations(MLPS, size):
            assert meter.measure(submitted) == measured(DIVIDED, *submitted)


def test_order_and_repetition_do_not_matter():
    assert measured(CHAIN, "m2", "m0", "m2") == measured(CHAIN, "m0", "m2")


def test_an_unknown_node_is_refused():
    with pytest.raises(ValueError, match=r"no node 'a3\.h0'"):
        measured(CHAIN, "m0", "a3.h0")


def test_pairs_that_resampling_does_not_touch_are_refused():
    same = Pairs(PAIRS.base, PAIRS.base)
    with pytest.raises(ValueError, match=r"faithfulness is undefined: .* from 1\.000 to 1\.000 only"):
        FaithfulnessMeter(ONE_NODE, CAUSAL, same)


def test_a_network_that_does_not_know_the_answer_is_refused():
    with pytest.raises(ValueError, match="faithfulness is undefined"):
        FaithfulnessMeter(wired(), CAUSAL, PAIRS)


def test_a_note_says_what_is_kept_and_what_is_left():
    note = measured(DIVIDED, "m0").note
    assert "keep 67% by themselves" in note
    assert "17% is left without them" in note
