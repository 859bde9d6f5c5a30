"""Upper limits of one run, independent of the budget. Standard library only: all sides of the laboratory use it."""

from __future__ import annotations

MAX_PROMPTS = 4096
#: Limit for prompts times positions, padding included.
MAX_TOKENS = 262_144
#: Limit for the runs that one run is computed from, itself included.
MAX_RUNS = 64
#: Seconds within which a run must make progress: complete a block of the model, forwards or backwards. The whole run
#: may take any time: a run that was paid for must not fail because it is large or the machine slow.
STALL_S = 60.0
