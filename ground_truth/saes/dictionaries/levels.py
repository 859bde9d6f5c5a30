"""The settings of each level of ``saes/dictionary``. docs/truth/saes.md says what was measured with them.

From level to level there are more features, more of them at a time, more noise, and more that is not independent.
Samples are the budget: there are no others, so no level needs a laboratory.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.planting.dictionaries.features import Dial

LEVELS: Mapping[int, Dial] = {
    1: Dial(width=64, features=160, active=4.5, noise=0.03, samples=30_000),
    2: Dial(width=96, features=320, active=6.5, noise=0.06, samples=30_000, skew=0.4, turn=0.3),
    3: Dial(width=128, features=500, active=8, noise=0.08, samples=30_000, skew=0.4, twins=0.15, turn=0.4),
    4: Dial(width=128, features=500, active=10.5, noise=0.1, samples=30_000, skew=0.5, turn=0.5),
}
