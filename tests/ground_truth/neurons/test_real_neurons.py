"""The parts of the neuron tasks on a real model, on small models and made-up measurements; no real model is needed."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig

from ground_truth.neurons.real import tokens as real_tokens
from ground_truth.neurons.real.classes import CLASSES, class_named
from ground_truth.neurons.real.effects import class_rve, moments, output_weights
from ground_truth.neurons.real.measurement import (
    BLOCKS,
    LOGIT_EFFECTS,
    PLACES,
    SCANNED,
    SMALLEST_LEAD,
    TEXT_SCAN,
    TextScan,
    blocks_of,
)
from ground_truth.neurons.real.properties import (
    CATEGORIES,
    LETTERS,
    SHAPES,
    WORDS,
    Property,
    band,
    feature_values,
    profile,
)
from ground_truth.neurons.real.scan import Sums, scan
from ground_truth.neurons.real.tokens import CONTEXT, TAG_MEANINGS, TAGS, Passage, passages, tagged_tokens
from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.measure import neuron_activations, variance_explained
from tests.models import tiny

pytestmark = pytest.mark.filterwarnings("ignore:HookedTransformer is deprecated:DeprecationWarning")

LINE = "1962\tA Speaker\tThe_DT_ keys_NNS_ are_VBP_ on_IN_ the_DT_ table_NN_._."
VOCABULARY = ("<s>", "The", " the", " keys", "ing", " Table", "\n", " 19", "tHE ", "...")


@pytest.fixture(scope="module")
def model() -> HookedTransformer:
    """Two layers with gated MLPs, weights as drawn."""
    config = HookedTransformerConfig(
        n_layers=2, d_model=16, n_heads=2, d_head=8, d_mlp=12, n_ctx=CONTEXT, d_vocab=len(VOCABULARY), act_fn="silu",
        gated_mlp=True, normalization_type="RMS", positional_embedding_type="rotary", rotary_dim=8, seed=0,
        init_weights=True, device="cpu",
    )  # fmt: skip
    return HookedTransformer(config)


def text(rows: int, length: int = CONTEXT, seed: int = 0) -> TaggedText:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, len(VOCABULARY), (rows, length), generator=generator)
    tokens[:, 0] = 0
    return TaggedText(tokens, torch.randint(0, len(TAGS), (rows, length), generator=generator))


class TestPassage:
    def test_a_line_is_source_text_and_tags(self) -> None:
        found = Passage.parse(LINE)
        assert found.source == "1962 A Speaker"
        assert found.text == "The keys are on the table."
        assert found.tags == ("DT", "NNS", "VBP", "IN", "DT", "NN", ".")
        assert found.ends == (3, 8, 12, 15, 19, 25, 26)

    def test_a_word_without_a_tag_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="needs a tag"):
            Passage.parse("1962\tA Speaker\tThe_DT_ keys")

    def test_public_and_hidden_text_are_of_different_addresses(self) -> None:
        public, hidden = ({one.source for one in passages(pool)} for pool in ("public", "hidden"))
        assert not public & hidden
        assert len(public) > 50
        assert len(hidden) > 50

    def test_no_passage_is_in_both_texts(self) -> None:
        public = {one.text[:100] for one in passages("public")}
        assert not public & {one.text[:100] for one in passages("hidden")}

    def test_words_have_the_tags_of_the_list(self) -> None:
        tags = {tag for pool in ("public", "hidden") for one in passages(pool) for tag in one.tags if tag.isalpha()}
        assert {"NN", "VBD", "DT"} <= tags
        assert tags - set(TAGS) <= {"HYPH", "XX", "SP", "FW", "ADD", "LS", "SYM", "NFP", "AFX"}


class TestTaggedTokens:
    def test_all_pieces_of_a_word_have_its_tag(self) -> None:
        tokenizer = tiny.byte_tokenizer()
        passage = Passage.parse("1962\tA Speaker\tZebras_NNS_ know_VBP_ Timbuktu_NNP_._.")
        encoded = tokenizer(passage.text, add_special_tokens=False)["input_ids"]
        found = tagged_tokens(tokenizer, (passage,), context=1 + len(encoded))
        tagged: dict[str, str] = {}
        for token, tag in zip(found.tokens[0, 1:], found.tags[0, 1:], strict=True):
            name = TAGS[tag]
            tagged[name] = tagged.get(name, "") + tokenizer.decode([token])
        assert tagged == {"NNS": "Zebras", "VBP": " know", "NNP": " Timbuktu", "other": "."}
        assert len(encoded) > 8  # the words are in pieces

    def test_a_text_starts_with_the_start_token_which_has_no_tag(self) -> None:
        found = tagged_tokens(tiny.byte_tokenizer(), (Passage.parse(LINE),), context=5)
        assert found.tokens[0, 0] == tiny.byte_tokenizer().bos_token_id
        assert TAGS[found.tags[0, 0]] == "other"

    def test_marks_are_other(self) -> None:
        tokenizer = tiny.byte_tokenizer()
        length = 1 + len(tokenizer(Passage.parse(LINE).text, add_special_tokens=False)["input_ids"])
        found = tagged_tokens(tokenizer, (Passage.parse(LINE),), context=length)
        assert TAGS[found.tags[0, -1]] == "other"
        assert TAGS[found.tags[0, -2]] == "NN"

    def test_passages_that_are_too_short_are_left_out(self) -> None:
        tokenizer = tiny.byte_tokenizer()
        longer = Passage.parse(LINE.replace("The_DT_", "Who_WP_ left_VBD_ the_DT_ old_JJ_"))
        length = 1 + len(tokenizer(longer.text, add_special_tokens=False)["input_ids"])
        assert len(tagged_tokens(tokenizer, (Passage.parse(LINE), longer), context=length).tokens) == 1


class TestProperties:
    def held(self, kind, name) -> set[str]:
        feature = Property(kind, name).feature(VOCABULARY)
        return {VOCABULARY[token] for token in feature.tokens}

    def test_a_letter_is_the_first_one_in_either_case(self) -> None:
        assert self.held(LETTERS, "t") == {"The", " the", " Table", "tHE "}

    def test_a_word_is_all_its_variants(self) -> None:
        assert self.held(WORDS, "the") == {"The", " the", "tHE "}

    def test_a_tag_is_at_its_place(self) -> None:
        sample = text(3)
        here, before = feature_values(
            [Property(CATEGORIES, "current NN"), Property(CATEGORIES, "previous NN")], sample, VOCABULARY
        )
        assert torch.equal(here > 0, sample.tags == TAGS.index("NN"))
        assert torch.equal(before[:, 1:], here[:, :-1])
        assert not before[:, 0].any()

    def test_ramps_run_from_the_first_position_that_counts_to_the_last(self) -> None:
        rising, falling = profile("rising"), profile("falling")
        assert (rising[1], rising[-1], falling[1], falling[-1]) == (0, 1, 1, 0)
        assert all(before < after for before, after in itertools.pairwise(rising[1:]))

    def test_a_band_includes_its_ends(self) -> None:
        assert [place for place, value in enumerate(profile("band 2-4")) if value] == [2, 3, 4]
        assert band("band 2-4") == (2, 4)
        assert band("rising") is None

    def test_another_shape_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="no shape"):
            profile("round")

    def test_every_candidate_is_there_once_and_can_be_described(self) -> None:
        assert len({one.id for one in TEXT_SCAN.candidates}) == len(TEXT_SCAN.candidates)
        for one in TEXT_SCAN.candidates:
            if one.kind is CATEGORIES:
                place, tag = one.name.split(" ")
                assert place in ("current", "previous")
                assert tag in TAG_MEANINGS
                assert tag in TAGS


class TestScan:
    PROPERTIES = (Property(LETTERS, "t"), Property(SHAPES, "rising"), Property(CATEGORIES, "previous NN"))

    def test_gives_the_variance_explained_of_the_planted_tasks(self, model: HookedTransformer) -> None:
        sample = text(20)
        features = feature_values(self.PROPERTIES, sample, VOCABULARY)
        found = scan(model, sample.tokens, features).signed_rve()
        activations = neuron_activations(model, sample.tokens).view(20, CONTEXT, -1)[:, 1:].flatten(0, 1).double()
        expected = variance_explained(activations, features[:, :, 1:].flatten(1).T.double())
        np.testing.assert_allclose(found, expected.T.numpy(), atol=1e-5)

    def test_parts_add_up_to_the_whole(self, model: HookedTransformer) -> None:
        sample = text(9)
        features = feature_values(self.PROPERTIES, sample, VOCABULARY)
        parts = [scan(model, sample.tokens[rows], features[:, rows]) for rows in (slice(0, 4), slice(4, 9))]
        whole = scan(model, sample.tokens, features)
        np.testing.assert_allclose((parts[0] + parts[1]).signed_rve(), whole.signed_rve(), atol=1e-6)
        assert parts[0].count + parts[1].count == whole.count == 9 * (CONTEXT - 1)

    def test_can_be_kept_as_arrays(self, model: HookedTransformer) -> None:
        sample = text(2)
        found = scan(model, sample.tokens, feature_values(self.PROPERTIES, sample, VOCABULARY))
        np.testing.assert_array_equal(Sums.of_arrays(found.arrays()).signed_rve(), found.signed_rve())

    def test_reports_progress_to_the_end(self, model: HookedTransformer) -> None:
        sample, done = text(40), []
        scan(model, sample.tokens, feature_values(self.PROPERTIES, sample, VOCABULARY), done.append)
        assert done == sorted(done)
        assert done[-1] == 1.0

    def test_features_of_other_texts_are_an_error(self, model: HookedTransformer) -> None:
        with pytest.raises(ValueError, match="features of shape"):
            scan(model, text(3).tokens, feature_values(self.PROPERTIES, text(2), VOCABULARY))

    def test_a_feature_that_never_holds_explains_nothing(self, model: HookedTransformer) -> None:
        sample = text(2)
        features = torch.zeros(1, *sample.tokens.shape)
        assert not scan(model, sample.tokens, features).signed_rve().any()


def sums_of(activations: np.ndarray, features: np.ndarray) -> Sums:
    return Sums(
        len(activations),
        activations.sum(0),
        (activations**2).sum(0),
        features.sum(0),
        (features**2).sum(0),
        features.T @ activations,
    )


#: Of the made-up scan: candidates that have neurons; the others have none.
FOLLOWED = len(TEXT_SCAN.candidates) - 10


@pytest.fixture(scope="module")
def made_up_scan() -> dict[str, dict[str, np.ndarray]]:
    """Steps in which eight neurons follow each of the first candidates, and the untrained twin follows nothing."""
    rng = np.random.default_rng(0)
    results = {}
    for block in range(BLOCKS):
        features = (rng.random((2_000, len(TEXT_SCAN.candidates))) < 0.1).astype(float)
        noise = rng.normal(0, 1, (len(features), 8 * FOLLOWED))
        followed = np.repeat(features[:, :FOLLOWED], 8, axis=1) * np.tile(np.linspace(2, 4, 8), FOLLOWED)
        results[f"trained_{block}"] = sums_of(noise + followed, features).arrays()
        results[f"untrained_{block}"] = sums_of(noise, features).arrays()
    return results


class TestTextScan:
    def test_keeps_what_the_model_has_and_its_twin_has_not(self, made_up_scan) -> None:
        kept = TEXT_SCAN.kept(made_up_scan)
        assert kept["properties"].tolist() == [one.id for one in TEXT_SCAN.candidates[:FOLLOWED]]
        assert kept["rve"].shape == (FOLLOWED, 8 * FOLLOWED)
        assert kept["rve"].dtype == np.float16
        assert kept["reference"].shape == kept["untrained"].shape == (FOLLOWED, len(PLACES))
        assert (kept["reference"] - kept["untrained"] >= SMALLEST_LEAD).all()

    def test_the_best_neurons_are_those_that_follow(self, made_up_scan) -> None:
        rve = TEXT_SCAN.kept(made_up_scan)["rve"].astype(float)
        for number in (0, 7):
            assert set(np.argsort(-rve[number])[:8]) == set(range(8 * number, 8 * number + 8))

    def test_the_reference_is_hardly_above_the_best(self, made_up_scan) -> None:
        kept = TEXT_SCAN.kept(made_up_scan)
        best = -np.sort(-kept["rve"].astype(float), axis=1)[:, : PLACES[-1]].mean(1)
        assert (kept["reference"][:, -1] <= best + 0.01).all()
        assert (kept["reference"][:, -1] >= 0.9 * best).all()

    def test_the_certificate_says_what_is_missing(self, made_up_scan) -> None:
        checks = {check.name: check for check in TEXT_SCAN.checks(made_up_scan)}
        assert checks["positions"].value == 2_000 * BLOCKS
        assert not checks["positions"].passed
        assert checks["alphabet/properties"].passed
        assert checks["alphabet/lead_min"].value >= SMALLEST_LEAD
        assert not checks["position/properties"].passed  # the last candidates have no neurons

    def test_a_twin_as_good_as_the_model_leaves_nothing_to_ask(self, made_up_scan) -> None:
        same = {**made_up_scan, **{f"untrained_{b}": made_up_scan[f"trained_{b}"] for b in range(BLOCKS)}}
        assert len(TEXT_SCAN.kept(same)["properties"]) == 0
        assert not all(check.passed for check in TEXT_SCAN.checks(same))

    def test_blocks_hold_whole_addresses(self) -> None:
        blocks = blocks_of(passages("hidden"))
        assert sum(map(len, blocks)) == len(passages("hidden"))
        sources = [{one.source for one in block} for block in blocks]
        assert all(not a & b for i, a in enumerate(sources) for b in sources[:i])

    def test_another_text_makes_the_result_stale(self, monkeypatch, tmp_path) -> None:
        before = TEXT_SCAN.inputs_sha256()
        (tmp_path / "hidden.tsv").write_text(LINE)
        monkeypatch.setattr(real_tokens, "_FOLDER", tmp_path)
        assert TEXT_SCAN.inputs_sha256() != before

    def test_other_properties_make_the_result_stale(self) -> None:
        class WithoutLetters(TextScan):
            id = "neurons/without_letters"
            kinds = TextScan.kinds[1:]

        assert TextScan().inputs_sha256() == TEXT_SCAN.inputs_sha256() != WithoutLetters().inputs_sha256()

    def test_every_step_has_a_name_of_its_own(self) -> None:
        names = [step.name for step in TEXT_SCAN.steps()]
        assert len(set(names)) == len(names) == sum(SCANNED.values())


class TestClasses:
    @pytest.mark.parametrize(
        ("name", "inside", "outside"),
        [
            ("starts with b", ["b", " Big", "Bad"], ["ab", " ", "", "\u2013b"]),
            ("starts with B", ["B", " Big"], ["b", " big", "aB"]),
            ("ends in ed", [" wanted"], ["wanted", " wants", " ed."]),
            ("starts as un", [" under"], ["under", " un-", " in"]),
            ("all capitals", [" USA", "NASA"], ["A", " Usa", " U2"]),
            ("space and capital", [" The", " U2"], ["The", " the", "  The"]),
            ("leading space", [" a", " "], ["a", "\n"]),
            ("continues a word", ["ing", "a"], [" a", "A", "1"]),
            ("marks", ["...", " (", "+="], ["a.", " ", "1"]),
            ("line break", ["\n", ".\n"], [" ", "\\n"]),
            ("digits", ["7", " 7"], ["a7", " ", "7."]),
            ("two characters", ["ab", " ab", "  "], ["abc", " a"]),
        ],
    )
    def test_holds_where_its_description_says(self, name, inside, outside) -> None:
        if name == "two characters":
            inside = inside[:2]  # spaces around are not counted, so a token of spaces has no characters
        holds = class_named(name).holds
        assert all(map(holds, inside)), inside
        assert not any(map(holds, outside)), outside

    def test_names_and_descriptions_are_unique(self) -> None:
        assert len({one.name for one in CLASSES}) == len({one.description for one in CLASSES}) == len(CLASSES)

    def test_another_name_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="no class of tokens"):
            class_named("verbs")


class TestLogitEffects:
    def test_variance_explained_is_that_of_all_effects_at_once(self, model: HookedTransformer) -> None:
        members = torch.stack([class_named(name).members(VOCABULARY) for name in ("leading space", "starts with t")])
        out, unembed = output_weights(model), model.W_U.detach()
        expected = variance_explained((out @ unembed).T.double(), members.T.double())
        np.testing.assert_allclose(class_rve(out, unembed, members), expected.T.numpy(), atol=1e-6)

    def test_a_class_of_no_tokens_explains_nothing(self, model: HookedTransformer) -> None:
        nothing = torch.zeros(1, len(VOCABULARY), dtype=torch.bool)
        assert not class_rve(output_weights(model), model.W_U.detach(), nothing).any()

    def test_moments_are_those_of_the_effects(self, model: HookedTransformer) -> None:
        done = []
        out, unembed = output_weights(model), model.W_U.detach()
        kurtosis, skew = moments(out, unembed, done.append)
        effects = (out @ unembed).double()
        z = (effects - effects.mean(1, keepdim=True)) / effects.std(1, correction=0, keepdim=True)
        np.testing.assert_allclose(kurtosis, z.pow(4).mean(1), rtol=1e-3)
        np.testing.assert_allclose(skew, z.pow(3).mean(1), rtol=1e-3, atol=1e-4)
        assert done[-1] == 1.0

    def made_up(self, best: float) -> dict[str, dict[str, np.ndarray]]:
        count = np.full((len(CLASSES), len(PLACES)), 0.0003)
        trained = count.copy()
        trained[:40] = best
        kurtosis = np.where(np.arange(1_000) < 10, 30.0, 3.0)
        return {
            "trained": {"best": trained, "kurtosis": kurtosis, "skew": np.zeros(1_000)},
            "untrained": {"best": count, "kurtosis": np.full(1_000, 3.0), "skew": np.zeros(1_000)},
        }

    def test_asks_for_classes_that_neurons_predict(self) -> None:
        results = self.made_up(0.1)
        kept = LOGIT_EFFECTS.kept(results)
        assert kept["classes"].tolist() == [one.name for one in CLASSES[:40]]
        assert kept["reference"].shape == (40, len(PLACES))
        assert all(check.passed for check in LOGIT_EFFECTS.checks(results))

    def test_a_model_without_prediction_neurons_is_not_certified(self) -> None:
        results = self.made_up(0.001)
        assert len(LOGIT_EFFECTS.kept(results)["classes"]) == 0
        assert not all(check.passed for check in LOGIT_EFFECTS.checks(results))

    def test_descriptions_are_bound_to_the_result(self) -> None:
        assert len(LOGIT_EFFECTS.inputs_sha256()) == 64
        json.dumps([one.description for one in CLASSES])
