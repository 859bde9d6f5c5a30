"""A world of English sentences that are grammatical or not: agreement of the verb with a subject far before it.

Another noun is between subject and verb, the attractor, whose number is irrelevant (Linzen, Dupoux & Goldberg 2016,
"Assessing the Ability of LSTMs to Learn Syntax-Sensitive Dependencies", TACL 4). Whether a sentence is grammatical is
the exclusive or of two numbers, so that no bag of words predicts it. Words come from the lexicon of
`scribe_suite.planting.english`. The model also knows plurals and verb forms and repeats lists.

The verb is the last word of every sentence, four to six tokens after its subject: with a window of
`SentencesWorld.window` tokens they can't meet in the first block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scribe_suite.planting.english.lexicon import lexicon
from scribe_suite.planting.statements.language import Statements, Texts, draw_manner, frame, joined, padded
from scribe_suite.planting.statements.world import World, vocabulary

N_NOUNS, N_VERBS, N_ADJECTIVES, N_ADVERBS = 80, 60, 20, 20
_PLURALS = 0.35
#: Position of the verb in every sentence.
VERB_POSITION = 9

#: N: the subject; V: its verb; M: the attractor; W: another verb, of the attractor where that comes first, else of the
#: subject; A: an adjective. Adverbs fill the front up to `SentencesWorld.content_length` tokens.
TEMPLATES = (
    "the N near the M V",
    "the N behind the M V",
    "the N beside the A M V",
    "the N next to the M V",
    "the N in front of the M V",
    "the N that the M W V",
    "the N whom the M W V",
    "the N that W the A M V",
    "the N whose M W V",
    "the N but not the M V",
    "the N , like the M , V",
    "the N loved by the M V",
    "the N of the A A M V",
    "the N as well as the M V",
)

_FUNCTION_WORDS = tuple(
    sorted({word for template in TEMPLATES for word in template.split() if word.islower()} | {"plural", "forms", ":"})
)


def _lexical() -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...], tuple[str, ...], tuple[str, ...]]:
    words, taken = lexicon(), {*vocabulary(_FUNCTION_WORDS)}
    nouns = [(noun.singular, noun.plural) for noun in words.nouns if not {noun.singular, noun.plural} & taken]
    verbs = [(verb.third_person, verb.base) for verb in words.verbs if not {verb.third_person, verb.base} & taken]
    adjectives = tuple(adjective.word for adjective in words.adjectives[:N_ADJECTIVES])
    adverbs = tuple(words.adverbs[:N_ADVERBS])
    return tuple(nouns[:N_NOUNS]), tuple(verbs[:N_VERBS]), adjectives, adverbs


_NOUNS, _VERBS, _ADJECTIVES, _ADVERBS = _lexical()


class SentencesWorld(World):
    """Nouns and verbs in two numbers.

    Attributes:
        first_noun: Id of the first noun's singular; its plural follows, then the next noun.
        first_verb: Id of the first verb's form for a singular subject; the other form follows.
    """

    words = vocabulary(
        _FUNCTION_WORDS,
        _ADJECTIVES,
        _ADVERBS,
        [form for noun in _NOUNS for form in noun],
        [form for verb in _VERBS for form in verb],
    )
    content_length = 9
    window = 4
    first_adjective = words.index(_ADJECTIVES[0])
    first_adverb = words.index(_ADVERBS[0])
    first_noun = words.index(_NOUNS[0][0])
    first_verb = words.index(_VERBS[0][0])

    def sentences(
        self,
        template: int,
        nouns: Int[Tensor, "sentence 2"],
        verbs: Int[Tensor, "sentence 2"],
        plural: Bool[Tensor, "sentence 3"],
        manner: tuple[Bool[Tensor, " sentence"], Int[Tensor, " sentence"]],
        generator: torch.Generator,
    ) -> Statements:
        """Sentences of one template, adverbs in front; true where the verb's number is the subject's.

        Args:
            template: Index in `TEMPLATES`.
            nouns: Subject and attractor, indices of nouns.
            verbs: The verb and the other verb, indices of verbs.
            plural: Number of subject, attractor and verb; the other verb always agrees.
            manner: Ending and address, as `draw_manner` gives them.
            generator: Draws adverbs and adjectives.
        """
        front = ["D"] * (self.content_length - len(TEMPLATES[template].split()))
        content = self._filled_slots([*front, *TEMPLATES[template].split()], nouns, verbs, plural, generator)
        return frame(content, plural[:, 0] == plural[:, 2], *manner)

    def flipped(self, sentences: Statements) -> Statements:
        """The same sentences with the other number of the verb: what was true is false."""
        tokens = sentences.tokens.clone()
        verbs = tokens[:, VERB_POSITION] - self.first_verb
        tokens[:, VERB_POSITION] = self.first_verb + (verbs ^ 1)
        return replace(sentences, tokens=tokens, truth=~sentences.truth)

    def _filled_slots(
        self,
        slots: Sequence[str],
        nouns: Int[Tensor, "sentence 2"],
        verbs: Int[Tensor, "sentence 2"],
        plural: Bool[Tensor, "sentence 3"],
        generator: torch.Generator,
    ) -> Int[Tensor, "sentence slot"]:
        size = len(nouns)
        other_number = plural[:, 1] if _attractor_first(slots) else plural[:, 0]
        columns = []
        for slot in slots:
            if slot == "N":
                column = self.first_noun + 2 * nouns[:, 0] + plural[:, 0]
            elif slot == "M":
                column = self.first_noun + 2 * nouns[:, 1] + plural[:, 1]
            elif slot == "V":
                column = self.first_verb + 2 * verbs[:, 0] + plural[:, 2]
            elif slot == "B":
                column = self.first_verb + 2 * verbs[:, 0] + 1
            elif slot == "W":
                column = self.first_verb + 2 * verbs[:, 1] + other_number
            elif slot == "A":
                column = self.first_adjective + torch.randint(N_ADJECTIVES, (size,), generator=generator)
            elif slot == "D":
                column = self.first_adverb + torch.randint(N_ADVERBS, (size,), generator=generator)
            else:
                column = torch.full((size,), self.words.index(slot))
            columns.append(column)
        return torch.stack(columns, dim=1)

    def sample_statements(self, size: int, generator: torch.Generator) -> Statements:
        """All templates, words and numbers alike."""
        return Statements.joined(
            [
                self.sentences(template, *_drawn(count, generator), draw_manner(count, generator), generator)
                for template, count in _template_counts(size, generator)
            ]
        )

    def other_texts(self, size: int, generator: torch.Generator) -> Mapping[str, Texts]:
        """Verbs to inflect (three times `size`), plurals, verb forms, and lists to repeat."""
        noun = self.first_noun + 2 * torch.randint(N_NOUNS, (size,), generator=generator)
        verb = self.first_verb + 2 * torch.randint(N_VERBS, (size,), generator=generator)
        listed = list(self.first_noun + torch.randint(2 * N_NOUNS, (3, size), generator=generator))
        return {
            "inflection": self.inflections(3 * size, generator),
            "plural": self.text("<bos> plural : ? ? .", [noun, noun + 1], [4]),
            "forms": self.text("<bos> forms : ? ? .", [verb, verb + 1], [4]),
            "recall": self.text("<bos> : ? ? ? : ? ? ? .", listed + listed, [6, 7, 8]),
        }

    def inflections(self, size: int, generator: torch.Generator) -> Texts:
        """``<bos> the keys near the cabinet walk : walk``: the verb is given and said again as the subject wants it."""
        parts = []
        for template, count in _template_counts(size, generator):
            nouns, verbs, plural = _drawn(count, generator)
            plural[:, 2] = plural[:, 0]
            slots = [*TEMPLATES[template].split()[:-1], "B", ":", "V"]
            begin = torch.full((count, 1), self.words.index("<bos>"))
            tokens = torch.cat([begin, self._filled_slots(slots, nouns, verbs, plural, generator)], dim=1)
            parts.append(padded(tokens, [tokens.shape[1] - 1], self.text_length))
        return joined(parts)


def _template_counts(size: int, generator: torch.Generator) -> list[tuple[int, int]]:
    drawn = torch.randint(len(TEMPLATES), (size,), generator=generator).bincount(minlength=len(TEMPLATES))
    return [(template, count) for template, count in enumerate(drawn.tolist()) if count]


def _drawn(
    size: int, generator: torch.Generator
) -> tuple[Int[Tensor, "sentence 2"], Int[Tensor, "sentence 2"], Bool[Tensor, "sentence 3"]]:
    """Nouns, verbs and numbers for `size` sentences; plurals are the rarer, as in English.

    Otherwise truth would be the exclusive or of two equally frequent numbers, and training would have no first step.
    """
    return (
        torch.randint(N_NOUNS, (size, 2), generator=generator),
        torch.randint(N_VERBS, (size, 2), generator=generator),
        torch.rand(size, 3, generator=generator) < _PLURALS,
    )


def _attractor_first(slots: Sequence[str]) -> bool:
    return "W" in slots and slots.index("M") < slots.index("W")
