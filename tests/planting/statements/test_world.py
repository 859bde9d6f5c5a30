"""What holds in every world: its words, its texts, and that nobody can answer but who has read what stands before."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch

from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.planting.statements.language import COMMON_WORDS, Statements, joined
from scribe_suite.planting.statements.world import World, vocabulary
from tests.planting.statements.reading import WORLDS, all_texts, lines, seeded, words_of


@pytest.fixture(params=WORLDS.values(), ids=WORLDS.keys())
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.param
    return found


def test_a_word_that_would_stand_twice_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"\['number'\]"):
        vocabulary(["number", "is"], ["number"])
    with pytest.raises(ValueError, match=r"\['sir'\]"):
        vocabulary(["sir"])


def test_common_words_come_first_and_every_word_once(world: World) -> None:
    assert world.words[: len(COMMON_WORDS)] == COMMON_WORDS
    assert len(set(world.words)) == len(world.words)
    assert not any(" " in word for word in world.words)


def test_ids_are_positions_of_words(world: World) -> None:
    chosen = [world.words[-1], "true", world.words[20]]
    assert world.ids(chosen).tolist() == [len(world.words) - 1, COMMON_WORDS.index("true"), 20]


def test_unknown_words_have_no_id(world: World) -> None:
    with pytest.raises(ValueError, match="not in"):
        world.ids(["true", "elsewhere"])


def test_a_template_is_filled_in_order(world: World) -> None:
    filled = world.filled("<bos> ? . ?", [world.ids(["yes", "no"]), world.ids(["true", "false"])])
    assert [words_of(world, row) for row in filled] == ["<bos> yes . true", "<bos> no . false"]


def test_texts_are_padded_to_the_longest(world: World) -> None:
    texts = world.text("<bos> ? , ?", [world.ids(["yes"]), world.ids(["no"])], [3])
    assert texts.tokens.shape == (1, world.text_length)
    assert lines(world, texts.tokens) == ["<bos> yes , no"]
    assert texts.determined.nonzero().tolist() == [[0, 2]]


def test_the_model_has_room_for_every_text_and_word(world: World) -> None:
    model = untrained_twin(world.config(), 0)
    texts = joined(list(all_texts(world, 50).values()))
    assert texts.tokens.shape[1] == world.text_length == model.cfg.n_ctx
    assert texts.tokens.min() >= 0
    assert texts.tokens.max() < model.cfg.d_vocab == len(world.words)
    assert torch.isfinite(model(texts.tokens[:8])).all()


@torch.no_grad()
def test_a_head_sees_exactly_the_window(world: World) -> None:
    model = untrained_twin(world.config(), 0)
    _, cache = model.run_with_cache(world.sample_statements(1, seeded()).tokens)
    for layer in range(world.n_layers):
        seen = (cache["pattern", layer][0] > 0).all(0)
        places = torch.arange(world.statement_length)
        distance = places[:, None] - places
        assert torch.equal(seen, (distance >= 0) & (distance < world.window))


def test_samples_have_the_size_asked_for_and_repeat_themselves(world: World) -> None:
    for size in (1, 7, 300):
        once, again = (world.sample_statements(size, seeded(4)) for _ in range(2))
        assert once.tokens.shape == (size, world.statement_length)
        assert torch.equal(once.tokens, again.tokens)
    other = world.sample_statements(300, seeded(5))
    assert not torch.equal(once.tokens, other.tokens)


def test_every_kind_of_statement_is_true_about_half_of_the_time(world: World) -> None:
    statements = world.sample_statements(10_000, seeded(1))
    for kind in statements.kind.unique():
        assert abs(statements.truth[statements.kind == kind].float().mean() - 0.5) < 0.08, kind


def test_ending_and_address_tell_nothing_of_the_truth(world: World) -> None:
    statements = world.sample_statements(12_000, seeded(2))
    manners = 6 * statements.contrary.long() + statements.address
    for manner in range(12):
        true = statements.truth[manners == manner].float()
        assert abs(true.mean() - statements.truth.float().mean()) < 0.07


def test_statements_end_with_the_address_and_ending_that_they_name(world: World) -> None:
    statements = world.sample_statements(200, seeded(3))
    rows = lines(world, statements.tokens)
    for row, address, contrary in zip(rows, statements.address, statements.contrary, strict=True):
        assert row.startswith("<bos> ")
        assert row.endswith(
            f", {('sir', 'madam', 'doctor', 'pal', 'mate', 'buddy')[address]} {'!' if contrary else '.'}"
        )


def test_what_is_marked_as_determined_follows_from_what_stands_before(world: World) -> None:
    drawn = joined(list(all_texts(world, 3_000).values()))
    marked, followed_by = set(), defaultdict(set)
    for tokens, determined in zip(drawn.tokens.tolist(), drawn.determined.tolist(), strict=True):
        for position, follows in enumerate(determined):
            before = tuple(tokens[: position + 1])
            followed_by[before].add(tokens[position + 1])
            if follows:
                marked.add(before)
    assert marked
    assert {before for before in marked if len(followed_by[before]) > 1} == set()


def test_every_text_has_something_determined_and_it_is_never_padding(world: World) -> None:
    for kind, texts in all_texts(world, 60).items():
        assert texts.determined.any(1).all(), kind
        said = texts.tokens[:, 1:][texts.determined]
        assert (said != COMMON_WORDS.index("<pad>")).all(), kind


def test_most_of_what_is_determined_can_not_be_guessed(world: World) -> None:
    for kind, texts in all_texts(world, 500).items():
        said = texts.tokens[:, 1:][texts.determined]
        assert said.bincount().max() / len(said) < 0.55, kind


def test_kinds_of_other_texts_have_the_size_asked_for(world: World) -> None:
    for kind, texts in world.other_texts(9, seeded()).items():
        assert len(texts.tokens) == (27 if kind == "inflection" else 9), kind


def test_statements_can_be_chosen_from_a_sample(world: World) -> None:
    statements = world.sample_statements(40, seeded())
    true = statements[statements.truth]
    assert true.truth.all()
    parts = Statements.joined([true, statements[~statements.truth]])
    assert sorted(lines(world, parts.tokens)) == sorted(lines(world, statements.tokens))
