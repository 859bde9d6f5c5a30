"""The probe tasks' instances: repeatable, sealed, balanced, with labels that are the model's own truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from scribe_suite.paths import suite_root
from scribe_suite.planting.statements.language import ADDRESSES
from scribe_suite.planting.statements.places import CITY_POSITION, COUNTRY_POSITION
from scribe_suite.planting.statements.sentences import VERB_POSITION
from scribe_suite.tasks.prompts import example_in, render_prompt
from tests.ground_truth.probes.probe_models import (
    LABEL_FREE,
    LABELLED,
    SEEDS,
    TASKS,
    activations,
    instance_of,
    instances,
    model_of,
    public_data,
    strings,
    task_of,
)

LIMITS = {"agent_timeout_s": 600, "cell_timeout_s": 60, "max_turns": None}
#: All of them, where instances are drawn several times: of regularization each takes seconds.
DRAWN = tuple(pytest.param(name, marks=pytest.mark.slow) if name == "regularization" else name for name in TASKS)
NUMBERS = tuple(name for name in TASKS if "_than" in name)


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_the_same_seed_gives_the_same_bytes(name):
    again, first = task_of(name).instance(SEEDS[0]), instance_of(name, SEEDS[0])
    assert dict(again.public.files) == dict(first.public.files)
    assert again.public.facts == first.public.facts
    assert torch.equal(again.hidden.held_out.tokens, first.hidden.held_out.tokens)
    assert again.hidden.control_accuracy == first.hidden.control_accuracy


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_other_seeds_give_other_weights_tokens_and_splits(name):
    made = instances(name)
    assert len({instance.public.files["vocabulary.json"] for instance in made}) == len(made)
    assert len({instance.hidden.weights.state["embed.W_E"][0, 0].item() for instance in made}) == len(made)
    assert len({tuple(instance.hidden.held_out.tokens.flatten().tolist()) for instance in made}) == len(made)


@pytest.mark.parametrize("family_of", ["greater_than", "cities", "grammar"])
def test_several_base_models_are_used(family_of):
    from ground_truth.probes.planted.base import base_models

    assert len(base_models(task_of(family_of))) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", LABELLED)
def test_agents_get_the_model_and_the_public_statements_with_labels(name):
    for instance in instances(name):
        further = {"constructions"} if name == "grammar" else set()
        assert set(instance.public.files) == {
            "config.json",
            "model.safetensors",
            "statements.safetensors",
            "vocabulary.json",
        }
        data = public_data(instance)
        assert set(data) == {"tokens", "labels"} | further
        assert torch.equal(data["tokens"], instance.hidden.split.public.tokens)
        assert (data["labels"].bool().numpy() == instance.hidden.split.public.labels).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", LABEL_FREE)
def test_without_labels_agents_get_what_the_evaluator_reads_and_no_model(name):
    for instance in instances(name):
        assert set(instance.public.files) == {"activations.safetensors", "vocabulary.json"}
        data = public_data(instance)
        assert set(data) == {"tokens", "activations"}
        for layer, read in enumerate(data["activations"].numpy()):
            np.testing.assert_allclose(read, activations(name, instance.seed, "public", layer), atol=1e-4)


@pytest.mark.parametrize("name", TASKS)
def test_nothing_hidden_is_public(name):
    for instance in instances(name):
        vocabulary = strings(instance)
        assert len(set(vocabulary)) == len(vocabulary)
        assert "" not in vocabulary
        if "config.json" in instance.public.files:
            assert "seed" not in json.loads(instance.public.files["config.json"])
        public = {tuple(row) for row in public_data(instance)["tokens"].tolist()}
        assert not public & {tuple(row) for row in instance.hidden.held_out.tokens.tolist()}


@pytest.mark.parametrize(
    ("name", "positions"),
    [*((name, (3, 7)) for name in NUMBERS), ("cities", (CITY_POSITION,)), ("regularization", (CITY_POSITION,))],
)
def test_held_out_entities_stand_in_no_public_statement(name, positions):
    for instance in instances(name):
        split = instance.hidden.split
        public, hidden = (
            set(side.tokens[:, list(positions)].flatten().tolist()) for side in (split.public, split.held_out)
        )
        assert not public & hidden
        assert len(hidden) == (24 if name in NUMBERS else 160)


def test_held_out_words_and_constructions_stand_in_no_public_sentence():
    for instance in instances("grammar"):
        vocabulary, split = strings(instance), instance.hidden.split
        world = task_of("grammar").world(0)
        content = set(world.words[world.first_noun :])
        kind_of = {word: word for word in world.words[: world.first_adjective]}
        kind_of |= dict.fromkeys(world.words[world.first_noun : world.first_verb], "noun")
        kind_of |= dict.fromkeys(world.words[world.first_verb :], "verb")
        words, frames = [], []
        for side in (split.public, split.held_out):
            sentences = [[vocabulary[token] for token in row] for row in side.tokens.tolist()]
            words.append({word for sentence in sentences for word in sentence} & content)
            frames.append({tuple(filter(None, map(kind_of.get, sentence[:-4]))) for sentence in sentences})
        assert not words[0] & words[1]
        assert not frames[0] & frames[1]
        assert (len(frames[0]), len(frames[1])) == (8, 6)


@pytest.mark.parametrize("name", TASKS)
def test_the_hidden_side_is_balanced_in_truth_ending_and_address(name):
    for instance in instances(name):
        side = instance.hidden.held_out
        assert side.labels.mean() == 0.5
        for position in (-1, -2):
            for token in side.tokens[:, position].unique():
                assert side.labels[(side.tokens[:, position] == token).numpy()].mean() == 0.5


@pytest.mark.parametrize("name", ["cities", "regularization"])
def test_every_city_and_country_is_in_as_many_true_as_false_hidden_statements(name):
    for instance in instances(name):
        side = instance.hidden.held_out
        for position in (CITY_POSITION, COUNTRY_POSITION):
            for token in side.tokens[:, position].unique():
                assert side.labels[(side.tokens[:, position] == token).numpy()].mean() == 0.5


@pytest.mark.parametrize("name", TASKS)
def test_groups_are_statements_about_the_same_entities_half_of_them_true(name):
    for instance in instances(name):
        side = instance.hidden.held_out
        positions = {"grammar": (3, 4, 5, 6, 7, 8)}.get(name, (3, 7) if name in NUMBERS else (CITY_POSITION,))
        for group in np.unique(side.groups):
            rows = side.groups == group
            assert side.labels[rows].mean() == 0.5
            members = side.tokens[torch.from_numpy(rows)][:, list(positions)].tolist()
            assert len({frozenset(row) for row in members}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_labels_are_the_truth_in_the_words_of_the_model(name):
    for instance in instances(name)[:2]:
        vocabulary, side = strings(instance), instance.hidden.held_out
        with torch.no_grad():
            said = [vocabulary[t] for t in model_of(name, instance.seed)(side.tokens)[:, -1].argmax(-1).tolist()]
        right = []
        for row, truth, word in zip(side.tokens.tolist(), side.labels, said, strict=True):
            formal = ADDRESSES.index(vocabulary[row[-2]]) < 3
            affirmed = truth == (vocabulary[row[-1]] == ".")
            right.append(word == (("true" if affirmed else "false") if formal else ("yes" if affirmed else "no")))
        assert np.mean(right) > 0.97


@pytest.mark.parametrize("name", TASKS)
def test_untrained_twins_and_words_read_nothing_on_the_hidden_side(name):
    from ground_truth.probes.planted.certificate import bag_of_words_accuracy

    for instance in instances(name):
        assert instance.hidden.control_accuracy <= 0.6
        assert instance.hidden.reference_accuracy >= 0.8
        assert bag_of_words_accuracy(instance.hidden.split, len(strings(instance))) <= 0.6


def test_accidents_go_with_the_labels_in_public_and_with_nothing_in_hidden():
    from ground_truth.probes.regularization import AGREEING, N_WRONG

    for instance in instances("regularization"):
        vocabulary, split = strings(instance), instance.hidden.split
        world = task_of("regularization").world(0)
        country_of = {
            world.words[world.first_city + city]: world.words[world.first_country + city // 20] for city in range(400)
        }

        def truth_of(tokens, vocabulary=vocabulary, country_of=country_of):
            return np.array([country_of[vocabulary[row[4]]] == vocabulary[row[7]] for row in tokens.tolist()])

        public, hidden = truth_of(split.public.tokens), truth_of(split.held_out.tokens)
        assert (hidden == split.held_out.labels).all()
        assert (public != split.public.labels).sum() == N_WRONG
        for tokens, truth, share in ((split.public.tokens, public, AGREEING), (split.held_out.tokens, hidden, 0.5)):
            stops = np.array([vocabulary[token] == "." for token in tokens[:, -1].tolist()])
            formal = np.array([ADDRESSES.index(vocabulary[token]) < 3 for token in tokens[:, -2].tolist()])
            for accident in (stops, formal):
                agreement = (accident == truth).mean()
                assert max(agreement, 1 - agreement) == pytest.approx(share)


def test_sentences_and_their_twins_differ_in_the_verb_alone():
    for instance in instances("grammar"):
        side = instance.hidden.held_out
        for group in np.unique(side.groups):
            one, other = side.tokens[torch.from_numpy(side.groups == group)]
            assert (one != other).nonzero().flatten().tolist() == [VERB_POSITION]


@pytest.mark.parametrize("name", ["greater_than", "smaller_than"])
def test_token_ids_and_names_do_not_tell_the_order(name):
    correlations = []
    for instance in instances(name):
        tokens, truth = (public_data(instance)[key] for key in ("tokens", "labels"))
        wins = {int(t): float(truth[tokens[:, 3] == t].float().mean()) for t in tokens[:, 3].unique()}
        vocabulary = strings(instance)
        for key in (lambda token: token, lambda token, vocabulary=vocabulary: vocabulary[token]):
            ordered = [wins[token] for token in sorted(wins, key=key)]
            correlations.append(np.corrcoef(range(len(ordered)), ordered)[0, 1])
    assert abs(np.mean(correlations)) < 0.25


@pytest.mark.parametrize("name", TASKS)
def test_the_prompt_says_what_to_submit_and_not_where_to_look(name):
    instance = instance_of(name, SEEDS[0])
    prompt = render_prompt(suite_root(), instance, LIMITS)
    assert instance.public.facts["example"] in prompt
    assert "`layer`: 0 to 3" in prompt
    assert "blocks.2" not in prompt
    assert "blocks.1" not in prompt
    assert instance.base_model not in prompt
    assert "None" not in prompt
    answer = instance.answer_schema.parse(json.dumps(example_in(prompt)))
    assert answer.content_field == ("direction" if name in LABEL_FREE else "weight")
