"""Sentences are grammatical exactly where the verb agrees with a subject that no first block can see."""

from __future__ import annotations

import re
from itertools import product

import pytest
import torch

from scribe_suite.planting.english.lexicon import lexicon
from scribe_suite.planting.statements.language import Statements
from scribe_suite.planting.statements.sentences import (
    N_ADJECTIVES,
    N_ADVERBS,
    N_NOUNS,
    N_VERBS,
    TEMPLATES,
    VERB_POSITION,
    SentencesWorld,
)
from tests.planting.statements.reading import MANNER, all_texts, lines, moved, seeded, words_of

WORLD = SentencesWorld()
PLURAL_OF_NOUN = {
    form: plural for noun in lexicon().nouns for form, plural in ((noun.singular, False), (noun.plural, True))
}
PLURAL_OF_VERB = {
    form: plural for verb in lexicon().verbs for form, plural in ((verb.third_person, False), (verb.base, True))
}


def sentence(template: int, plural: tuple[bool, bool, bool], nouns: tuple[int, int] = (0, 1)) -> Statements:
    """One sentence; numbers of subject, attractor and verb. Adverbs and adjectives are always the same."""
    arguments = torch.tensor([nouns]), torch.tensor([[0, 1]]), torch.tensor([plural])
    return WORLD.sentences(template, *arguments, MANNER, seeded())


def content(line: str) -> list[str]:
    """The words of a sentence from its first ``the`` to its verb."""
    words = line.split()[: VERB_POSITION + 1]
    return words[words.index("the") :]


def sampled(size: int) -> tuple[Statements, list[str]]:
    statements = WORLD.sample_statements(size, seeded())
    return statements, lines(WORLD, statements.tokens)


def test_sentences_read_as_they_should() -> None:
    nouns, verbs = lexicon().nouns, lexicon().verbs
    line = words_of(WORLD, sentence(0, (True, False, True)).tokens[0])
    assert f"the {nouns[0].plural} near the {nouns[1].singular} {verbs[0].base} , sir ." in line
    assert len(line.split()) == WORLD.statement_length
    adverbs = line.split()[1 : line.split().index("the")]
    assert len(adverbs) == 3
    assert set(adverbs) <= set(lexicon().adverbs)


def test_every_template_has_one_subject_one_attractor_and_the_verb_at_its_end() -> None:
    for template in TEMPLATES:
        slots = template.split()
        assert [slots.count(slot) for slot in "NMV"] == [1, 1, 1], template
        assert slots[-1] == "V", template
        assert slots.index("N") < slots.index("M"), template
        assert len(slots) <= WORLD.content_length, template


def test_the_verb_stands_where_the_constant_says() -> None:
    for template, text in enumerate(TEMPLATES):
        verb = words_of(WORLD, sentence(template, (True, False, False)).tokens[0]).split()[VERB_POSITION]
        assert verb == lexicon().verbs[0].third_person, text


def test_a_sentence_is_true_where_the_verb_has_the_number_of_the_subject() -> None:
    for template, subject, attractor in product(range(len(TEMPLATES)), (False, True), (False, True)):
        for verb in (False, True):
            made = sentence(template, (subject, attractor, verb))
            assert made.truth.item() is (verb == subject), (TEMPLATES[template], subject, attractor, verb)


def test_every_training_sentence_is_as_grammatical_as_its_words_are() -> None:
    statements, texts = sampled(3_000)
    for line, truth in zip(texts, statements.truth.tolist(), strict=True):
        words = content(line)
        assert (PLURAL_OF_NOUN[words[1]] == PLURAL_OF_VERB[words[-1]]) is truth, line


def test_the_other_verb_agrees_with_the_noun_before_it() -> None:
    found = {False: 0, True: 0}
    for line in sampled(3_000)[1]:
        words = content(line)
        for place, word in enumerate(words[:-1]):
            if word in PLURAL_OF_VERB:
                noun = next(before for before in reversed(words[:place]) if before in PLURAL_OF_NOUN)
                assert PLURAL_OF_VERB[word] == PLURAL_OF_NOUN[noun], line
                found[PLURAL_OF_VERB[word]] += 1
    assert min(found.values()) > 200


def test_the_attractor_tells_nothing_of_the_truth() -> None:
    statements, texts = sampled(12_000)
    nouns = [[PLURAL_OF_NOUN[word] for word in content(line) if word in PLURAL_OF_NOUN] for line in texts]
    subject, attractor = torch.tensor(nouns).T
    for number in (False, True):
        one, many = (statements.truth[(subject == number) & (attractor == other)].float() for other in (False, True))
        assert min(len(one), len(many)) > 1_000
        assert abs(one.mean() - many.mean()) < 0.06


def test_in_training_one_number_of_a_verb_is_right_more_often() -> None:
    # where both are equally frequent, nothing but the exclusive or of two numbers is to be learned
    statements, texts = sampled(4_000)
    plural = torch.tensor([PLURAL_OF_VERB[content(line)[-1]] for line in texts])
    assert statements.truth[~plural].float().mean() > statements.truth[plural].float().mean() + 0.1


def test_all_templates_are_used_alike_and_all_words() -> None:
    _, texts = sampled(14_000)
    function_words = {word for template in TEMPLATES for word in template.split() if not word.isupper()}
    shapes = [" ".join(word for word in content(line) if word in function_words) for line in texts]
    for template in TEMPLATES:
        shape = " ".join(word for word in template.split() if word in function_words)
        same = sum(" ".join(w for w in other.split() if w in function_words) == shape for other in TEMPLATES)
        assert abs(shapes.count(shape) / len(texts) - same / len(TEMPLATES)) < 0.015, template
    words = " ".join(texts).split()
    assert len({word for word in words if word in PLURAL_OF_NOUN}) == 2 * N_NOUNS
    assert len({word for word in words if word in PLURAL_OF_VERB}) == 2 * N_VERBS


def test_words_are_numbered_in_pairs_of_forms() -> None:
    words = WORLD.words
    for index in (0, 1, N_NOUNS - 1):
        singular, plural = words[WORLD.first_noun + 2 * index : WORLD.first_noun + 2 * index + 2]
        assert (singular, plural) in {(noun.singular, noun.plural) for noun in lexicon().nouns}
    for index in (0, 1, N_VERBS - 1):
        one, many = words[WORLD.first_verb + 2 * index : WORLD.first_verb + 2 * index + 2]
        assert (one, many) in {(verb.third_person, verb.base) for verb in lexicon().verbs}
    assert WORLD.first_noun == WORLD.first_adverb + N_ADVERBS == WORLD.first_adjective + N_ADJECTIVES + N_ADVERBS
    assert len(words) == WORLD.first_verb + 2 * N_VERBS == WORLD.first_noun + 2 * (N_NOUNS + N_VERBS)


def test_the_minimal_pair_differs_in_one_token_and_in_truth() -> None:
    statements, texts = sampled(400)
    pairs = WORLD.flipped(statements)
    differ = statements.tokens != pairs.tokens
    assert (differ.sum(1) == 1).all()
    assert differ[:, VERB_POSITION].all()
    assert torch.equal(pairs.truth, ~statements.truth)
    for before, after, truth in zip(texts, lines(WORLD, pairs.tokens), pairs.truth.tolist(), strict=True):
        one, other = content(before)[-1], content(after)[-1]
        assert {PLURAL_OF_VERB[one], PLURAL_OF_VERB[other]} == {False, True}
        assert any({verb.third_person, verb.base} == {one, other} for verb in lexicon().verbs)
        assert (PLURAL_OF_NOUN[content(after)[1]] == PLURAL_OF_VERB[other]) is truth


def test_flipping_leaves_the_sentences_alone_and_twice_is_nothing() -> None:
    statements, _ = sampled(50)
    before = statements.tokens.clone()
    twice = WORLD.flipped(WORLD.flipped(statements))
    assert torch.equal(statements.tokens, before)
    assert torch.equal(twice.tokens, statements.tokens)
    assert torch.equal(twice.truth, statements.truth)
    assert torch.equal(twice.address, statements.address)


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("statement", r"<bos> .* , \w+ [.!] (true|false|yes|no)"),
        ("inflection", r"<bos> the .* \w+ : \w+"),
        ("plural", r"<bos> plural : \w+ \w+ \."),
        ("forms", r"<bos> forms : \w+ \w+ \."),
        ("recall", r"<bos> : (\w+ \w+ \w+) : \1 \."),
    ],
)
def test_training_texts_have_their_form(kind: str, pattern: str) -> None:
    for line in lines(WORLD, all_texts(WORLD, 200)[kind].tokens):
        assert re.fullmatch(pattern, line), line


def test_other_texts_tell_the_forms_of_words() -> None:
    texts = WORLD.other_texts(200, seeded())
    for line in lines(WORLD, texts["plural"].tokens):
        assert tuple(line.split()[3:5]) in {(noun.singular, noun.plural) for noun in lexicon().nouns}, line
    for line in lines(WORLD, texts["forms"].tokens):
        assert tuple(line.split()[3:5]) in {(verb.third_person, verb.base) for verb in lexicon().verbs}, line


def test_inflections_say_the_base_form_again_as_the_subject_wants_it() -> None:
    base = {verb.third_person: verb.base for verb in lexicon().verbs} | {v.base: v.base for v in lexicon().verbs}
    for line in lines(WORLD, WORLD.inflections(1_000, seeded()).tokens):
        *_, given, colon, said = words = line.split()
        assert colon == ":"
        assert given == base[said]
        assert PLURAL_OF_VERB[said] == PLURAL_OF_NOUN[words[words.index("the") + 1]], line


def test_subject_and_verb_are_too_far_apart_to_meet_in_one_block_and_near_enough_for_two() -> None:
    for template in TEMPLATES:
        distance = template.split().index("V") - template.split().index("N")
        assert WORLD.window <= distance <= 2 * (WORLD.window - 1), template


def test_the_verb_knows_the_subject_after_the_second_block_and_not_before() -> None:
    for template, text in enumerate(TEMPLATES):
        # another noun in the other number: a verb of the subject between them changes too, and must not give it away
        pair = [sentence(template, (False, False, False)), sentence(template, (True, False, False), nouns=(5, 1))]
        assert [moved(WORLD, pair, layer)[VERB_POSITION] for layer in (0, 1)] == [False, True], text


def test_after_the_first_block_no_position_depends_on_both_subject_and_verb() -> None:
    for template, text in enumerate(TEMPLATES):
        both_plural = sentence(template, (True, True, True))
        by_subject = moved(WORLD, [sentence(template, (False, True, True)), both_plural], layer=0)
        by_verb = moved(WORLD, [both_plural, sentence(template, (True, True, False))], layer=0)
        assert any(by_subject), text
        assert by_verb[VERB_POSITION], text
        assert not any(both for both in map(all, zip(by_subject, by_verb, strict=True))), text
