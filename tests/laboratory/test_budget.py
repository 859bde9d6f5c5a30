"""Money: never negative, never above the total, given back exactly, and never taken twice for the same thing."""

from __future__ import annotations

import contextlib
import random
import threading

import pytest

from scribe_suite.laboratory.budget import Budget, counted
from scribe_suite.laboratory.refusals import RefusedError


class FailedError(Exception):
    pass


def pay(budget: Budget, key: str, price: int, *, fail: bool = False) -> int:
    with budget.paying(key, price) as payment:
        if fail:
            raise FailedError
        return payment.price


def test_what_is_paid_for_once_is_free_afterwards_even_with_nothing_left():
    budget = Budget(5, "prompt")
    assert pay(budget, "a", 5) == 5
    assert budget.balance().left == 0
    assert pay(budget, "a", 5) == 0
    assert budget.balance().spent == 5
    assert budget.is_paid("a")
    assert not budget.is_paid("b")


def test_what_does_not_fit_is_refused_whole_and_says_price_and_what_is_left():
    budget = Budget(1200, "prompt")
    pay(budget, "a", 1199)
    with pytest.raises(RefusedError) as refusal:
        pay(budget, "b", 2)
    assert str(refusal.value) == (
        "This run would cost 2 prompts and 1 prompt of the budget of 1,200 is left, so it was not run and cost nothing."
    )
    assert budget.balance().left == 1
    assert pay(budget, "c", 1) == 1


def test_a_failure_gives_everything_back_and_does_not_make_it_free():
    budget = Budget(5, "prompt")
    with pytest.raises(FailedError):
        pay(budget, "a", 3, fail=True)
    assert budget.balance().spent == 0
    assert pay(budget, "a", 3) == 3


def test_a_failed_repetition_gives_nothing_back():
    budget = Budget(5, "prompt")
    pay(budget, "a", 3)
    with pytest.raises(FailedError):
        pay(budget, "a", 3, fail=True)
    assert budget.balance().spent == 3
    assert budget.is_paid("a")


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_the_books_balance(seed):
    draw = random.Random(seed)
    total = draw.choice([0, 1, 7, 50])
    budget, paid = Budget(total, "token"), dict[str, int]()
    for _ in range(60):
        key, price, fail = draw.choice("abcdefghij"), draw.randint(1, 12), draw.random() < 0.3
        before = sum(paid.values())
        try:
            charged = pay(budget, key, price, fail=fail)
        except FailedError:
            assert key in paid or before + price <= total
        except RefusedError:
            assert key not in paid
            assert before + price > total
        else:
            assert charged == (0 if key in paid else price)
            paid.setdefault(key, price)
        balance = budget.balance()
        assert balance.spent == sum(paid.values())
        assert 0 <= balance.spent <= total
        assert balance.left + balance.spent == balance.total == total


def test_threads_together_never_overspend_and_pay_once_for_the_same(monkeypatch):
    budget, failures = Budget(100, "prompt"), threading.Semaphore(0)
    charged: list[int] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        draw = random.Random(number)
        start.wait()
        for _ in range(300):
            try:
                charged.append(pay(budget, str(draw.randint(0, 60)), 3, fail=draw.random() < 0.2))
            except (FailedError, RefusedError):
                failures.release()
            balance = budget.balance()
            assert 0 <= balance.spent <= 100

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.balance().spent == sum(charged) == 99
    assert failures.acquire(blocking=False)


def test_who_asks_for_what_another_one_is_paying_for_waits_and_gets_it_free():
    budget, inside, go = Budget(10, "prompt"), threading.Event(), threading.Event()
    second: list[int] = []

    def first() -> None:
        with budget.paying("a", 4):
            inside.set()
            go.wait(5)

    threads = [threading.Thread(target=first), threading.Thread(target=lambda: second.append(pay(budget, "a", 4)))]
    threads[0].start()
    inside.wait(5)
    threads[1].start()
    threads[1].join(0.1)
    assert not second
    go.set()
    for thread in threads:
        thread.join(5)
    assert second == [0]
    assert budget.balance().spent == 4


def test_who_waits_for_one_that_fails_pays_itself():
    budget, inside, go = Budget(10, "prompt"), threading.Event(), threading.Event()
    second: list[int] = []

    def first() -> None:
        with contextlib.suppress(FailedError), budget.paying("a", 4):
            inside.set()
            go.wait(5)
            raise FailedError

    threads = [threading.Thread(target=first), threading.Thread(target=lambda: second.append(pay(budget, "a", 4)))]
    threads[0].start()
    inside.wait(5)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(5)
    assert second == [4]
    assert budget.balance().spent == 4


@pytest.mark.parametrize("price", [0, -1])
def test_a_price_that_is_none_is_a_fault_of_the_harness(price):
    with pytest.raises(ValueError, match="nothing costs"):
        pay(Budget(5, "prompt"), "a", price)


def test_a_budget_below_zero_is_a_fault_of_the_harness():
    with pytest.raises(ValueError, match="can't be -1"):
        Budget(-1, "prompt")


def test_units_are_counted_in_words():
    assert [counted(number, "prompt") for number in (0, 1, 1200)] == ["0 prompts", "1 prompt", "1,200 prompts"]
