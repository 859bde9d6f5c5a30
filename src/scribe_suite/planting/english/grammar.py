"""A seeded, unlimited source of English-like text with word-level tokens and an exact tag for every token.

Words have their collocations, neighbours often share their first letter, topic and characters persist through a
document, and the kind of line, the kind of subject and the tense depend on the position. A language model gains from
each of these. Nothing here knows about models.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.english.collocations import CODE_BITS
from scribe_suite.planting.english.scene import Scene
from scribe_suite.planting.english.styles import GLUED, write_document


@dataclass(frozen=True)
class TaggedText:
    """Texts with a tag for every token.

    Attributes:
        tokens: Ids in `vocabulary()`, int64.
        tags: Indices in `TAGS`, int64.
    """

    tokens: Int[Tensor, "rows length"]
    tags: Int[Tensor, "rows length"]


def sample_text(seed: int, rows: int, length: int) -> TaggedText:
    """`rows` independent texts, each the first `length` tokens of a new document.

    Args:
        seed: The same seed gives the same text, whatever was drawn before; more rows only add to it.
        rows: How many texts.
        length: Tokens per text, the document mark at position 0 included.

    Raises:
        ValueError: When `rows` or `length` is not positive.
    """
    if rows < 1 or length < 1:
        raise ValueError(f"a text needs rows and tokens, got {rows} rows of {length}")
    rng = random.Random(seed)
    codes = np.empty((rows, length), dtype=np.int64)
    for row in range(rows):
        scene = Scene(rng, GLUED)
        write_document(scene, length)
        codes[row] = scene.out[:length]
    tags = codes & ((1 << CODE_BITS) - 1)
    return TaggedText(tokens=torch.from_numpy(codes >> CODE_BITS), tags=torch.from_numpy(tags))
