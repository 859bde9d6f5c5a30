"""What one run may be at most, whatever its budget. Standard library only, since all sides of the laboratory use it."""

from __future__ import annotations

MAX_PROMPTS = 4096
#: Prompts times positions, padding included.
MAX_TOKENS = 262_144
#: Runs that one run is computed from, itself included.
MAX_RUNS = 64
#: Seconds that a run may take.
RUN_S = 60.0
