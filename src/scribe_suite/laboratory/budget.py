"""The budget of one attempt, over all its notebook sessions: charged before a run, refunded when the run fails.

A run that was paid for once is free from then on. Safe to use from several threads: two threads that pay for the same
run at the same time pay once, and charges never exceed the total.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scribe_suite.laboratory.refusals import RefusedError


@dataclass(frozen=True)
class Payment:
    """The payment for a run.

    Attributes:
        price: The charge; 0 for a run that was paid for before.
        repeated: Whether it was paid for before.
        spent: How much of the budget was used once this had been charged, other runs in progress included.
    """

    price: int
    repeated: bool
    spent: int


@dataclass(frozen=True)
class Balance:
    """The state of a budget.

    Attributes:
        total: The whole budget.
        spent: The charges so far.
    """

    total: int
    spent: int

    @property
    def left(self) -> int:
        """What is left of it."""
        return self.total - self.spent


class Budget:
    """Counts the charges.

    Args:
        total: The whole budget.
        unit: Its unit, for messages.
    """

    def __init__(self, total: int, unit: str) -> None:
        if total < 0:
            raise ValueError(f"a budget can't be {total}")
        self._total, self._unit = total, unit
        self._spent = 0
        self._paid: set[str] = set()
        self._under_way: set[str] = set()
        self._changed = threading.Condition()

    def balance(self) -> Balance:
        """The balance, including runs in progress."""
        with self._changed:
            return Balance(self._total, self._spent)

    def is_paid(self, key: str) -> bool:
        """Whether this run would be free."""
        with self._changed:
            return key in self._paid

    @contextmanager
    def paying(self, key: str, price: int) -> Iterator[Payment]:
        """Charge for the run in the block; if the block fails, the charge is refunded.

        Args:
            key: Equal for identical runs.
            price: Its price if it has not been paid for.

        Raises:
            RefusedError: When the price exceeds what is left; the block is not entered.
            ValueError: When the price is not positive.
        """
        if price <= 0:
            raise ValueError(f"nothing costs {price}")
        payment = self._begin(key, price)
        done = False
        try:
            yield payment
            done = True
        finally:
            if not payment.repeated:
                self._end(key, price, done=done)

    def _begin(self, key: str, price: int) -> Payment:
        with self._changed:
            while key in self._under_way:  # free as soon as the other one has it
                self._changed.wait()
            if key in self._paid:
                return Payment(0, repeated=True, spent=self._spent)
            left = self._total - self._spent
            if price > left:
                raise RefusedError(
                    f"This run would cost {counted(price, self._unit)} and {counted(left, self._unit)} of the budget "
                    f"of {self._total:,} {'is' if left == 1 else 'are'} left, so it was not run and cost nothing."
                )
            self._spent += price
            self._under_way.add(key)
            return Payment(price, repeated=False, spent=self._spent)

    def _end(self, key: str, price: int, *, done: bool) -> None:
        with self._changed:
            self._under_way.discard(key)
            if done:
                self._paid.add(key)
            else:
                self._spent -= price
            self._changed.notify_all()


def counted(number: int, unit: str) -> str:
    """A number of units in words: 1 prompt, 1,200 prompts."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
