"""Words of the prompts, in two halves: one that agents see, one that they don't.

All are single tokens with a leading space for the tokenizer of the default model, which a test checks. Nouns are those
of the circuits' prompts.
"""

from __future__ import annotations

from ground_truth.circuits.real.words import HIDDEN_NOUNS, NOUNS

__all__ = ["CITIES", "FORMS", "HIDDEN_CITIES", "HIDDEN_NOUNS", "HIDDEN_VERBS", "NOUNS", "VERBS"]

# fmt: off
# present and past
VERBS = (("says", "said"), ("knows", "knew"), ("thinks", "thought"), ("hopes", "hoped"))
HIDDEN_VERBS = (("sees", "saw"), ("feels", "felt"), ("claims", "claimed"), ("believes", "believed"))
# country and adjective
FORMS = (
    ("Germany", "German"), ("Italy", "Italian"), ("Japan", "Japanese"), ("India", "Indian"), ("England", "English"),
    ("Canada", "Canadian"), ("Australia", "Australian"),
)
# in the order of countries
CITIES = (
    ("Munich", "Frankfurt", "Dresden", "Leipzig"), ("Rome", "Florence", "Bologna"), ("Tokyo", "Hiroshima"),
    ("Delhi", "Calcutta"), ("London", "Oxford", "Bristol", "Leeds"), ("Toronto", "Ottawa", "Calgary"),
    ("Sydney", "Perth", "Adelaide"),
)
HIDDEN_CITIES = (
    ("Berlin", "Hamburg", "Cologne", "Bonn"), ("Milan", "Venice", "Naples"), ("Kyoto", "Nagasaki"),
    ("Mumbai", "Bombay"), ("Cambridge", "Liverpool", "Manchester"), ("Montreal", "Vancouver", "Quebec"),
    ("Melbourne", "Brisbane"),
)
# fmt: on
