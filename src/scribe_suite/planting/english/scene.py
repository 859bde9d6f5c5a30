"""What persists through one document, and the phrases and clauses that are drawn from it.

Phrases are written to the document as codes of usual spellings; `styles` decides on capitals and line starts.
"""

from __future__ import annotations

import random

from scribe_suite.planting.english.collocations import Noun, Person, Place, Verb, code, even, language, weighted
from scribe_suite.planting.english.tags import split

#: Positions of a document whose content depends on where they are; later ones are like the last.
POSITIONS = 64

# What is chosen how often. Where one drawn number decides between several cases, their bounds are in one line, in
# rising order: the first case has the numbers below the first bound, the last case those above the last bound.

#: A word is one of its neighbour's collocations, and not just any of the topic.
_COLLOCATION = 0.7
#: A word begins with the letter of its neighbour, where there is such a word.
_ALLITERATION = 0.5

#: A noun is of the document's cast; or, after a verb, one that the verb prefers; or one of the topic.
_CAST_NOUN, _PREFERRED_NOUN = 0.5, 0.8
#: A noun is in the plural.
_PLURAL = 0.29
#: A noun has an adjective.
_ADJECTIVE = 0.46
#: A noun has a possessive (once the hero is known); or another determiner; or, in the plural, none.
_POSSESSIVE, _PLURAL_DETERMINER = 0.12, 0.8

#: A person is the hero; or the friend; or anybody.
_HERO, _HERO_OR_FRIEND = 0.66, 0.95
#: A subject has a relative clause: a name, and a noun.
_RELATIVE_OF_NAME, _RELATIVE_OF_NOUN = 0.05, 0.08
#: A pronoun as subject is the hero's; or *they*; or another plural; or another singular.
_HERO_PRONOUN, _THEY_PRONOUN, _PLURAL_PRONOUN = 0.62, 0.8, 0.88

#: A past verb is in the simple past; or the perfect; or the progressive; or has a modal.
_PAST_SIMPLE, _PAST_PERFECT, _PAST_PROGRESSIVE = 0.62, 0.74, 0.9
#: A present verb likewise.
_PRESENT_SIMPLE, _PRESENT_PERFECT, _PRESENT_PROGRESSIVE = 0.56, 0.68, 0.86

#: A verb is followed by an adverb; or an object; or an object and a preposition; or a preposition alone.
_ADVERB, _OBJECT, _OBJECT_AND_PREPOSITION = 0.3, 0.62, 0.72
#: A preposition has a city, which has its country.
_CITY, _COUNTRY_OF_CITY = 0.12, 0.2
#: A city is the home city.
_HOME_CITY = 0.6
#: An object is a person; or *him* (where the hero is a man who has been mentioned); or a pronoun; or a noun.
_PERSON_OBJECT, _HIM_OBJECT, _PRONOUN_OBJECT = 0.1, 0.14, 0.17
#: A noun as object has an aside in brackets above this bound.
_NO_ASIDE = 0.93
#: A person as object is the friend, not the hero; an aside is a word of the cast, not the friend's name.
_FRIEND_OBJECT, _CAST_ASIDE = 0.7, 0.6

#: What precedes a clause is a prepositional phrase, not a clause.
_PREPOSITIONAL_PREFACE = 0.5
#: A sentence is a question; or a clause with something before it; or one clause; or two.
_QUESTION, _PREFACED, _ONE_CLAUSE = 0.1, 0.17, 0.8


def _drift(first: float, last: float) -> list[float]:
    """A share per position that changes linearly from `first` at 0 to `last` at 63."""
    return [first + (last - first) * position / (POSITIONS - 1) for position in range(POSITIONS)]


#: Share of subjects that are names, and of those that are pronouns, by absolute position.
NAME_SHARE, PRONOUN_SHARE = _drift(0.7, 0.05), _drift(0.05, 0.55)
#: Share of clauses in a past tense, by absolute position.
PAST_SHARE = _drift(1.0, 0.0)


def _determiner(word: str) -> int:
    return code(f" {word}", "determiner")


A, AN = _determiner("a"), _determiner("an")
HIS, HER = _determiner("his"), _determiner("her")
#: Determiners, and numbers in their place, by relative frequency.
_SINGULAR_DETERMINERS = weighted(
    [
        *(_determiner(word) for word in split("the a this that every each another no our your their")),
        code(" one", "number"),
    ],
    [30, 26, 7, 6, 6, 5, 5, 3, 3, 3, 3, 3],
)
_PLURAL_DETERMINERS = weighted(
    [
        *(_determiner(word) for word in split("the some many several few these those both all our your their")),
        *(code(f" {word}", "number") for word in split("two three four five six seven eight nine ten twelve")),
    ],
    [22, 12, 8, 6, 5, 8, 5, 4, 4, 3, 3, 3, *[6, 5, 4, 4, 3, 3, 2, 2, 3, 2]],
)


def _pronoun(word: str) -> int:
    return code(f" {word}", "pronoun")


HE, SHE, THEY = _pronoun("he"), _pronoun("she"), _pronoun("they")
_OTHER_SINGULAR = even([_pronoun(word) for word in ("it", "everyone", "someone", "something")])
_OTHER_PLURAL = even([_pronoun(word) for word in ("we", "you")])
_OBJECT_PRONOUNS = even([_pronoun(word) for word in ("them", "it", "us", "me", "something", "everyone")])
_HIM = _pronoun("him")
_WHO, _WHICH = _pronoun("who"), _pronoun("which")


def _auxiliary(word: str) -> int:
    return code(f" {word}", "auxiliary")


_HAD, _HAS, _HAVE = _auxiliary("had"), _auxiliary("has"), _auxiliary("have")
_WAS, _WERE, _IS, _ARE = _auxiliary("was"), _auxiliary("were"), _auxiliary("is"), _auxiliary("are")
_DID, _DOES, _DO = _auxiliary("did"), _auxiliary("does"), _auxiliary("do")
_PAST_MODALS = even([_auxiliary(word) for word in ("could", "would", "should")])
_PRESENT_MODALS = even([_auxiliary(word) for word in ("will", "can", "must")])

CITY_PREPOSITIONS = even([code(f" {word}", "preposition") for word in ("in", "to", "from", "near")])
COMMA = code(",", "punctuation")
AND = code(" and", "conjunction")
CONJUNCTIONS = weighted(
    [code(f" {word}", "conjunction") for word in split("and but because while when so if though until or")],
    [6, 4, 3, 3, 3, 2, 2, 1, 1, 1],
)
_OPEN, _CLOSE = code(" (", "punctuation"), code(")", "punctuation")


class Scene:
    """One document: its topic, cast and home city, and `out`, the codes written so far.

    Phrase methods append to `out`. `glued` maps a code to that of its spelling without space in lower case.
    """

    __slots__ = ("_mentioned", "cast", "city", "friend", "glued", "hero", "out", "random", "topic", "words")

    def __init__(self, rng: random.Random, glued: dict[int, int]) -> None:
        self.random = draw = rng.random
        self.words = words = language()
        self.glued = glued
        self.topic = words.topics[int(draw() * len(words.topics))]
        self.hero = words.people(draw())
        self.friend = words.people(draw())
        self.city = words.cities(draw())
        self.cast: tuple[Noun, ...] = (
            self.topic.frequent_nouns(draw()),
            self.topic.nouns(draw()),
            self.topic.nouns(draw()),
            self.topic.nouns(draw()),
        )
        self.out: list[int] = []
        self._mentioned = False

    def position(self) -> int:
        """The absolute position of the next token, at most 63."""
        position = len(self.out)
        return position if position < POSITIONS else POSITIONS - 1

    def is_past(self) -> bool:
        """Draw the tense of a clause that starts here."""
        return self.random() < PAST_SHARE[self.position()]

    def mention(self, person: Person) -> None:
        """Write a name; from now on pronouns can refer to the hero."""
        if person is self.hero:
            self._mentioned = True
        self.out.append(person.code)

    def noun(self, verb: Verb | None = None) -> Noun:
        """A noun of the document's cast, one that `verb` prefers as its object, or one of the topic."""
        draw = self.random()
        if draw < _CAST_NOUN:
            return self.cast[int(draw / _CAST_NOUN * len(self.cast))]
        if verb is not None and draw < _PREFERRED_NOUN:
            return verb.objects(self.random())
        return self.topic.nouns(self.random())

    def noun_phrase(self, verb: Verb | None = None) -> tuple[Noun, bool]:
        """Write a determiner, perhaps an adjective, and a noun.

        Args:
            verb: The verb whose object it is, if any.

        Returns:
            The noun and whether it is in the plural.
        """
        draw, out = self.random, self.out
        noun = self.noun(verb)
        plural = draw() < _PLURAL
        adjective = None
        if draw() < _ADJECTIVE:
            alliterating = self.words.adjectives_by_letter.get(noun.letter) if draw() < _ALLITERATION else None
            if alliterating is None:
                alliterating = noun.adjectives if draw() < _COLLOCATION else self.topic.adjectives
            adjective = alliterating(draw())
        chosen = draw()
        if chosen < _POSSESSIVE and self._mentioned:
            out.append(HER if self.hero.female else HIS)
        elif plural:
            if chosen < _PLURAL_DETERMINER:
                out.append(_PLURAL_DETERMINERS(draw()))
        else:
            determiner = _SINGULAR_DETERMINERS(draw())
            vowel = noun.vowel if adjective is None else adjective.vowel
            out.append(AN if determiner == A and vowel else determiner)
        if adjective is not None:
            out.append(adjective.code)
        out.append(noun.plural if plural else noun.singular)
        return noun, plural

    def person(self) -> Person:
        """The hero, now and then the friend, rarely somebody else."""
        draw = self.random()
        if draw < _HERO:
            return self.hero
        return self.friend if draw < _HERO_OR_FRIEND else self.words.people(self.random())

    def person_verb(self, person: Person, *, named: bool) -> Verb:
        """A verb for a person; after the name itself it alliterates half of the time."""
        draw = self.random
        if named and draw() < _ALLITERATION:
            alliterating = self.words.verbs_by_letter.get(person.letter)
            if alliterating is not None:
                return alliterating(draw())
        return (person.verbs if draw() < _COLLOCATION else self.topic.verbs)(draw())

    def subject(self) -> tuple[Verb, bool]:
        """Write a subject: a name, a pronoun or a noun phrase, by position.

        Returns:
            A verb that suits it, and whether the subject is plural.
        """
        draw = self.random
        kind, position = draw(), self.position()
        pronoun = kind < NAME_SHARE[position] + PRONOUN_SHARE[position]
        if kind < NAME_SHARE[position] or (pronoun and not self._mentioned):
            person = self.person()
            self.mention(person)
            if draw() < _RELATIVE_OF_NAME:
                self._relative(_WHO, person.verbs(draw()), plural=False)
            return self.person_verb(person, named=True), False
        if pronoun:
            return self._pronoun_subject()
        noun, plural = self.noun_phrase()
        if draw() < _RELATIVE_OF_NOUN:
            self._relative(_WHICH, noun.verbs(draw()), plural=plural)
        return (noun.verbs if draw() < _COLLOCATION else self.topic.verbs)(draw()), plural

    def _pronoun_subject(self) -> tuple[Verb, bool]:
        draw = self.random
        kind = draw()
        if kind < _HERO_PRONOUN:
            self.out.append(SHE if self.hero.female else HE)
            return self.person_verb(self.hero, named=False), False
        if kind < _THEY_PRONOUN:
            self.out.append(THEY)
            return self.person_verb(self.friend, named=False), True
        if kind < _PLURAL_PRONOUN:
            self.out.append(_OTHER_PLURAL(draw()))
            return self.topic.verbs(draw()), True
        self.out.append(_OTHER_SINGULAR(draw()))
        return self.topic.verbs(draw()), False

    def _relative(self, pronoun: int, verb: Verb, *, plural: bool) -> None:
        self.out += (COMMA, pronoun)
        self.verb_group(verb, plural=plural, past=self.is_past())
        self.noun_phrase(verb)
        self.out.append(COMMA)

    def verb_group(self, verb: Verb, *, plural: bool, past: bool) -> None:
        """Write a finite verb, alone or with an auxiliary, that agrees with its subject."""
        kind, out = self.random(), self.out
        if past:
            if kind < _PAST_SIMPLE:
                out.append(verb.past)
            elif kind < _PAST_PERFECT:
                out += (_HAD, verb.participle)
            elif kind < _PAST_PROGRESSIVE:
                out += (_WERE if plural else _WAS, verb.ing)
            else:
                out += (_PAST_MODALS(self.random()), verb.base)
        elif kind < _PRESENT_SIMPLE:
            out.append(verb.base if plural else verb.third_person)
        elif kind < _PRESENT_PERFECT:
            out += (_HAVE if plural else _HAS, verb.participle)
        elif kind < _PRESENT_PROGRESSIVE:
            out += (_ARE if plural else _IS, verb.ing)
        else:
            out += (_PRESENT_MODALS(self.random()), verb.base)

    def complement(self, verb: Verb) -> None:
        """Write what follows a verb: an object, an adverb, a preposition with its phrase, or two of them."""
        draw, words = self.random, self.words
        kind = draw()
        if kind < _ADVERB:
            alliterating = words.adverbs_by_letter.get(verb.letter) if draw() < _ALLITERATION else None
            if alliterating is None:
                alliterating = verb.adverbs if draw() < _COLLOCATION else words.adverbs
            self.out.append(alliterating(draw()))
            return
        if kind < _OBJECT_AND_PREPOSITION:
            self._object(verb)
            if kind < _OBJECT:
                return
        if draw() < _CITY:
            self.out.append(CITY_PREPOSITIONS(draw()))
            self.write_city(_COUNTRY_OF_CITY)
        else:
            self.out.append((verb.prepositions if draw() < _COLLOCATION else words.prepositions)(draw()))
            self.noun_phrase()

    def _object(self, verb: Verb) -> None:
        draw = self.random
        kind = draw()
        if kind < _PERSON_OBJECT:
            self.mention(self.friend if draw() < _FRIEND_OBJECT else self.hero)
        elif kind < _PRONOUN_OBJECT:
            self.out.append(
                _HIM if self._mentioned and not self.hero.female and kind < _HIM_OBJECT else _OBJECT_PRONOUNS(draw())
            )
        else:
            self.noun_phrase(verb)
            if kind > _NO_ASIDE:
                # an aside in brackets: a word of the cast, without a space
                word = self.cast[0].singular if draw() < _CAST_ASIDE else self.friend.code
                if word in self.glued:
                    self.out += (_OPEN, self.glued[word], _CLOSE)

    def write_city(self, with_country: float) -> None:
        """Write a city, mostly the home city, and with this probability a comma and its country."""
        draw = self.random
        place: Place = self.city if draw() < _HOME_CITY else self.words.cities(draw())
        self.out.append(place.code)
        if place.country is not None and draw() < with_country:
            self.out += (COMMA, place.country)

    def clause(self) -> None:
        """Write a subject, a verb and what follows."""
        verb, plural = self.subject()
        self.verb_group(verb, plural=plural, past=self.is_past())
        self.complement(verb)

    def preface(self) -> None:
        """Write what can precede a clause: a preposition with its phrase, or a clause with a conjunction."""
        if self.random() < _PREPOSITIONAL_PREFACE:
            self.out.append(self.words.prepositions(self.random()))
            self.noun_phrase()
        else:
            self.out.append(CONJUNCTIONS(self.random()))
            self.clause()
        self.out.append(COMMA)

    def question(self) -> None:
        """Write a question with *did*, *does* or *do*, without its mark."""
        out, start = self.out, len(self.out)
        out.append(_DID)
        past = self.is_past()
        verb, plural = self.subject()
        if not past:
            out[start] = _DO if plural else _DOES
        out.append(verb.base)
        self.complement(verb)

    def sentence(self) -> bool:
        """Write a clause, two with a conjunction, or a question, without the final mark.

        Returns:
            Whether it is a question.
        """
        kind = self.random()
        if kind < _QUESTION:
            self.question()
            return True
        if kind < _PREFACED:
            self.preface()
        self.clause()
        if kind > _ONE_CLAUSE:
            self.out.append(CONJUNCTIONS(self.random()))
            self.clause()
        return False
