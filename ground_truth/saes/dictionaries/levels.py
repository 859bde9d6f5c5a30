"""The settings of each level of ``saes/dictionary``. docs/truth/saes.md says what was measured with them.

From level to level there are more features, more of them at a time, more noise, and more that is not independent.
Samples are the budget: there are no others, so no level needs a laboratory.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.planting.dictionaries.features import Dial

LEVELS: Mapping[int, Dial] = {
    1: Dial(width=64, features=160, active=4.5, noise=0.03, samples=30_000),
    2: Dial(width=128, features=500, active=10.5, noise=0.1, samples=30_000, skew=0.5, turn=0.5),
    3: Dial(
        width=128,
        features=750,
        active=16.5,
        noise=0.15,
        samples=30_000,
        skew=0.6,
        twins=0.15,
        likeness=0.8,
        children=0.2,
        turn=0.6,
    ),
    4: Dial(
        width=128,
        features=1000,
        active=24.0,
        noise=0.2,
        samples=24_000,
        skew=0.7,
        twins=0.2,
        likeness=0.8,
        children=0.2,
        grouped=0.2,
        spread=0.4,
        turn=0.8,
    ),
}
