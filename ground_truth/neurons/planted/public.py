"""The public side of the neuron tasks' instances: set-up code, tokenizer, names of tokens."""

from __future__ import annotations

from scribe_suite.planting.english import vocabulary
from scribe_suite.planting.symmetries import Symmetry

_DATA_CODE = '''
import re


class Tokenizer:
    """Tokens are whole words and marks; a word's case and the space before it are part of its token."""

    def __init__(self, strings):
        self.strings = strings  # token id -> string
        self.ids = {string: i for i, string in enumerate(strings)}
        self.pattern = re.compile("|".join(map(re.escape, sorted(strings, key=len, reverse=True))))

    def decode(self, ids):
        return "".join(self.strings[int(i)] for i in ids)

    def encode(self, text):
        found = self.pattern.findall(text)
        if "".join(found) != text:
            raise ValueError("the text has words that are no tokens")
        return [self.ids[string] for string in found]


vocabulary = json.load(open("vocabulary.json"))
tokenizer = Tokenizer(vocabulary)
tokens = load_file("text.safetensors")["tokens"].long()  # one text per row
question = json.load(open("question.json"))
'''
_TAGS_CODE = """\
tags = load_file("text.safetensors")["tags"].long()  # the category of every token of `tokens`
tag_names = json.load(open("tag_names.json"))
"""


def data_code(*, with_tags: bool) -> str:
    """The part of the first cell that loads text and question.

    Args:
        with_tags: The category of every token is among the files.
    """
    return _DATA_CODE + (_TAGS_CODE if with_tags else "")


def renamed_strings(symmetry: Symmetry) -> list[str]:
    """Token id of the instance -> string."""
    strings = [""] * len(vocabulary())
    for old, new in enumerate(symmetry.token_map):
        strings[new] = vocabulary().strings[old]
    return strings
