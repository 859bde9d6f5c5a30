"""Seeds: one per run, from which every instance's is derived, so that providers meet the same instances."""

from __future__ import annotations

import hashlib
import secrets


def fresh_run_seed() -> int:
    """An unpredictable seed; it is written to the ledger and nowhere else."""
    return secrets.randbits(62)


def derive_seed(run_seed: int, *names: str | int) -> int:
    """A 62-bit seed for what `names` identify, the same in every process and for every provider."""
    text = "\x1f".join(str(part) for part in (run_seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2
