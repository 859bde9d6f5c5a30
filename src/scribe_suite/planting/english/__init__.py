"""The English that small language models are trained on: a probabilistic grammar over real words, with exact tags."""

from scribe_suite.planting.english.grammar import TaggedText, sample_text
from scribe_suite.planting.english.tags import TAGS
from scribe_suite.planting.english.vocabulary import Vocabulary, vocabulary

__all__ = ["TAGS", "TaggedText", "Vocabulary", "sample_text", "vocabulary"]
