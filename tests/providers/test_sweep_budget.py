"""The budget of a sweep: nothing begins that may not fit, and nothing that was spent is forgotten."""

import multiprocessing
import os
import signal
import time

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.registry import ProviderSpec, costs_money, load_provider
from scribe_suite.providers.sweep_budget import Amounts, Budget, SweepBudget, read_budget, spent, write_budget

FORK = multiprocessing.get_context("fork")
MOST = Amounts(attempts=1, hours=0.5, usd=2.0)


def made(budget, usd):
    with budget.attempt(MOST) as charge:
        charge.usd = usd


def test_an_attempt_begins_only_if_what_it_may_cost_fits(tmp_path):
    write_budget(tmp_path, Budget(usd=5.0))
    budget = SweepBudget(tmp_path)
    made(budget, 0.5)
    made(budget, 1.5)
    made(budget, 1.5)
    with pytest.raises(InfrastructureError) as refused:
        made(budget, 0.1)
    assert refused.value.cause == "sweep_budget"
    assert "5.5 US dollars of 5" in str(refused.value)
    assert spent(tmp_path).usd == pytest.approx(3.5)
    write_budget(tmp_path, Budget(usd=6.0))
    made(budget, 0.1)
    assert spent(tmp_path).attempts == 4


def test_an_unknown_cost_counts_as_the_limit(tmp_path):
    made(SweepBudget(tmp_path), None)
    assert spent(tmp_path).usd == MOST.usd


def test_an_attempt_that_fails_has_cost_what_is_known(tmp_path):
    budget = SweepBudget(tmp_path)

    def breaks():
        with budget.attempt(MOST) as charge:
            charge.usd = 0.25
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        breaks()
    assert spent(tmp_path) == Amounts(attempts=1, hours=spent(tmp_path).hours, usd=0.25)


def test_attempts_and_hours_are_limited_too(tmp_path):
    write_budget(tmp_path, Budget(attempts=1, hours=0.4))
    with pytest.raises(InfrastructureError, match=r"0\.5 hours of 0\.4"):
        made(SweepBudget(tmp_path), 0)
    write_budget(tmp_path, Budget(attempts=1))
    made(SweepBudget(tmp_path), 0)
    with pytest.raises(InfrastructureError, match="2 attempts of 1"):
        made(SweepBudget(tmp_path), 0)


def test_without_a_limit_nobody_waits_and_what_is_spent_counts_when_there_is_one(tmp_path):
    (tmp_path / "shared" / "spent").mkdir(parents=True)
    (tmp_path / "shared" / "spent" / "lease").write_text("no folder: whoever looks for the lease fails")
    made(SweepBudget(tmp_path), 1.5)
    assert spent(tmp_path).usd == 1.5
    (tmp_path / "shared" / "spent" / "lease").unlink()
    write_budget(tmp_path, Budget(usd=3.0))
    with pytest.raises(InfrastructureError, match=r"3\.5 US dollars of 3"):
        made(SweepBudget(tmp_path), 1.5)


def begin(sweep, ready):
    with SweepBudget(sweep).attempt(MOST):
        ready.put(True)
        time.sleep(60)


def test_what_a_killed_process_may_have_spent_counts_as_spent(tmp_path):
    ready = FORK.Queue()
    process = FORK.Process(target=begin, args=(tmp_path, ready))
    process.start()
    ready.get(timeout=10)
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    assert spent(tmp_path) == MOST


def try_one(sweep, results):
    try:
        with SweepBudget(sweep).attempt(MOST) as charge:
            time.sleep(0.1)
            charge.usd = 2.0
        results.put("made")
    except InfrastructureError as error:
        results.put(error.cause)


def test_processes_that_begin_at_once_can_not_promise_the_same_dollars(tmp_path):
    write_budget(tmp_path, Budget(usd=5.0))
    results = FORK.Queue()
    processes = [FORK.Process(target=try_one, args=(tmp_path, results)) for _ in range(5)]
    for process in processes:
        process.start()
    assert sorted(results.get(timeout=60) for _ in processes) == ["made"] * 2 + ["sweep_budget"] * 3
    for process in processes:
        process.join(10)


def test_a_damaged_budget_lets_nothing_begin(tmp_path):
    (tmp_path / "budget.json").write_text("{")
    with pytest.raises(OSError, match="damaged"):
        read_budget(tmp_path)
    with pytest.raises(InfrastructureError, match="damaged"):
        made(SweepBudget(tmp_path), 0)


@pytest.mark.parametrize(
    ("name", "paid"), [("oracle", False), ("reference", False), ("replay", False), ("command", True), ("claude", True)]
)
def test_which_providers_cost_money(name, paid):
    assert costs_money(load_provider(ProviderSpec(name))) is paid
