"""Two-digit numbers."""

from __future__ import annotations

#: The numbers that statements are about: 21 to 99 without those that end in 0.
NUMBERS = [number for number in range(21, 100) if number % 10]
