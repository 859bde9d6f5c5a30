"""Upper limits of one run, whatever its budget. Standard library only, since all sides of the laboratory use it."""

from __future__ import annotations

MAX_PROMPTS = 4096
#: Prompts times positions, padding included.
MAX_TOKENS = 262_144
#: Runs that one run is computed from, itself included.
MAX_RUNS = 64
#: Seconds within which a run must get on: through a block of the model, forwards or backwards. All of it may take as
#: long as it needs: a run that was paid for must not fail because it is large, or the machine slow.
STALL_S = 60.0
