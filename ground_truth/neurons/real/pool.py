"""Which properties are looked at: those that are frequent enough in 12,000 tokens to choose neurons by.

Whether one can be asked for is not decided here but measured (`measurement`).
"""

from __future__ import annotations

from ground_truth.neurons.real.properties import Property

LETTERS = "abcdefhilmnoprstwy"

WORDS = (
    "and", "as", "at", "be", "congress", "for", "from", "government", "more", "must", "new", "not", "our", "so", "that",
    "there", "will", "world",
)  # fmt: skip

CATEGORIES = (
    *(
        f"current {tag}"
        for tag in (
            "CD", "DT", "IN", "JJ", "JJR", "MD", "NN", "NNP", "NNS", "PRP", "PRP$", "VB", "VBD", "VBG", "VBN", "VBZ",
        )
    ),
    *(f"previous {tag}" for tag in ("CC", "CD", "DT", "IN", "PRP")),
)  # fmt: skip

SHAPES = (
    "rising", "falling", "band 1-1", "band 1-2", "band 1-4", "band 1-8", "band 1-16", "band 1-32", "band 2-4",
    "band 2-8", "band 64-127",
)  # fmt: skip

CANDIDATES: tuple[Property, ...] = (
    *(Property("alphabet", letter) for letter in LETTERS),
    *(Property("unigram", word) for word in WORDS),
    *(Property("syntax", category) for category in CATEGORIES),
    *(Property("position", shape) for shape in SHAPES),
)
