"""The texts of the neuron tasks on a real language model: passages with a part-of-speech tag on every word, as tokens.

Passages are of State of the Union addresses (`text_build` made them). Public and hidden text are of different
addresses. A passage is stored as text and tokenised for the model in use.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from scribe_suite.models.spec import ready
from scribe_suite.planting.english import TaggedText

Pool = Literal["public", "hidden"]

#: Tokens of a text, the first of which is the model's own start token.
CONTEXT = 128

#: Categories of tokens: the tags of the Penn Treebank that stand for words; marks and the start token are ``other``.
TAGS = (
    "CC", "CD", "DT", "EX", "IN", "JJ", "JJR", "JJS", "MD", "NN", "NNP", "NNPS", "NNS", "PDT", "POS", "PRP", "PRP$",
    "RB", "RBR", "RBS", "RP", "TO", "UH", "VB", "VBD", "VBG", "VBN", "VBP", "VBZ", "WDT", "WP", "WP$", "WRB", "other",
)  # fmt: skip

#: The meanings of the tags that are asked for.
TAG_MEANINGS = {
    "CC": "coordinating conjunction",
    "CD": "number, in digits or words",
    "DT": "determiner",
    "IN": "preposition or subordinating conjunction",
    "JJ": "adjective",
    "JJR": "adjective, comparative",
    "MD": "modal verb",
    "NN": "common noun, singular or mass",
    "NNP": "proper noun, singular",
    "NNS": "common noun, plural",
    "PRP": "personal pronoun",
    "PRP$": "possessive pronoun",
    "VB": "verb, base form",
    "VBD": "verb, past tense",
    "VBG": "verb, gerund or present participle",
    "VBN": "verb, past participle",
    "VBZ": "verb, third person singular present",
}

_FOLDER = Path(__file__).with_name("text")


@dataclass(frozen=True)
class Passage:
    """One passage.

    Attributes:
        source: Year and speaker.
        text: Its text.
        ends: For every word or mark, the position of its end in the text.
        tags: For every word or mark, its tag.
    """

    source: str
    text: str
    ends: tuple[int, ...]
    tags: tuple[str, ...]

    @classmethod
    def parse(cls, line: str) -> Passage:
        """Read a line of a text file: year, speaker and ``word_TAG_ word_TAG``, separated by tabs.

        Raises:
            ValueError: When the line is not such a line.
        """
        year, speaker, tagged = line.split("\t")
        parts = tagged.split("_")
        if len(parts) % 2:
            raise ValueError(f"every word of a passage needs a tag: {line[:60]!r}")
        words, tags = parts[::2], parts[1::2]
        ends = np.cumsum([len(word) for word in words]).tolist()
        return cls(f"{year} {speaker}", "".join(words), tuple(ends), tuple(tags))


@cache
def passages(pool: Pool) -> tuple[Passage, ...]:
    """All passages of one pool, in the order of their dates."""
    return tuple(Passage.parse(line) for line in _path(pool).read_text().splitlines())


def pool_sha256(pool: Pool) -> str:
    """Checksum of a pool's file."""
    return hashlib.sha256(_path(pool).read_bytes()).hexdigest()


def tagged_tokens(tokenizer: PreTrainedTokenizerBase, found: tuple[Passage, ...], context: int = CONTEXT) -> TaggedText:
    """The first tokens of passages; those that are too short are left out.

    A token has the tag of the word in which its first character other than a space lies, so that all pieces of a word
    have the word's.

    Args:
        tokenizer: The model's.
        found: Passages.
        context: Tokens of a text with the start token.

    Raises:
        ValueError: When the tokenizer has no start token.
    """
    start = tokenizer.bos_token_id
    if start is None:
        raise ValueError("the tokenizer has no start token")
    known, other = {tag: number for number, tag in enumerate(TAGS)}, TAGS.index("other")
    tokens, tags = [], []
    for passage in found:
        encoded = tokenizer(passage.text, add_special_tokens=False, return_offsets_mapping=True)
        ids, spans = encoded["input_ids"][: context - 1], encoded["offset_mapping"][: context - 1]
        if len(ids) < context - 1:
            continue
        first = [begin + _leading_spaces(passage.text[begin:end]) for begin, end in spans]
        words = np.searchsorted(np.asarray(passage.ends), first, side="right")
        tokens.append([start, *ids])
        tags.append([other, *(known.get(passage.tags[min(word, len(passage.tags) - 1)], other) for word in words)])
    shape = len(tokens), context  # also where no passage is long enough
    return TaggedText(*(torch.tensor(found, dtype=torch.long).reshape(shape) for found in (tokens, tags)))


@cache
def tokenizer_of(spec: str) -> PreTrainedTokenizerBase:
    """A model's tokenizer without the model.

    Raises:
        ConfigurationError: As `scribe_suite.models.spec.ready`.
    """
    return AutoTokenizer.from_pretrained(ready(spec).folder, local_files_only=True)


@cache
def vocabulary(spec: str) -> tuple[str, ...]:
    """The string of every token id of a model."""
    tokenizer = tokenizer_of(spec)
    return tuple(str(tokenizer.decode([token])) for token in range(len(tokenizer)))


@cache
def model_sizes(spec: str) -> dict[str, int]:
    """The whole numbers of a model's configuration, such as ``n_layers`` and ``d_mlp``.

    Raises:
        ConfigurationError: As `scribe_suite.models.spec.ready`.
    """
    config = json.loads((ready(spec).folder / "config.json").read_text())
    return {name: value for name, value in config.items() if type(value) is int}


@cache
def pool_text(pool: Pool, spec: str) -> TaggedText:
    """All texts of a pool as a model's tokens."""
    return tagged_tokens(tokenizer_of(spec), passages(pool))


def _leading_spaces(piece: str) -> int:
    # a token of spaces only belongs to what follows it
    return len(piece) - len(piece.lstrip())


def _path(pool: Pool) -> Path:
    return _FOLDER / f"{pool}.tsv"
