"""What is asked for: one clear sentence for what is wrong."""

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.providers.sweep_budget import Amounts
from scribe_suite.seeds import fresh_run_seed
from scribe_suite.sweeps.folder import SweepFolder, write_whole
from scribe_suite.sweeps.plan import _dealt, estimate, read_plan
from scribe_suite.sweeps.shard_state import Cost
from scribe_suite.sweeps.spec import read_spec
from scribe_suite.sweeps.totals import totals
from tests.ledger.factories import attempt
from tests.sweeps.plans import planned, records

GOOD = 'name = "first"\nproviders = ["oracle"]\nshards = 2\n'


def read(tmp_path, text):
    path = tmp_path / "spec.toml"
    path.write_text(text)
    return read_spec(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('name = "a"\nshards = 2\n', "providers is missing."),
        (GOOD + "shard = 3\n", "shard is no field of a sweep"),
        (GOOD.replace("2", "0"), "shards is 0: input should be greater than or equal to 1."),
        (GOOD.replace("oracle", "orakle"), "providers: Unknown provider 'orakle': choose from"),
        (GOOD + 'levels = "hard"\n', "levels: 'hard'"),
        (GOOD + "[limits]\nagent_timeout = -1\n", "limits.agent_timeout is -1: input should be greater than 0."),
        (GOOD + "[budget]\nusd = 5\n", "budget.usd can't be kept without limits.max_cost_usd"),
        (GOOD + "[max_concurrent]\nnobody = 1\n", "max_concurrent: 'nobody' is no provider"),
        (GOOD + "name = 3", "is no TOML"),
        (GOOD.replace('"first"', '"../x"'), "name is '../x': string should match pattern"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, sentence):
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, text)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value).replace("(at line", "")


def test_a_specification_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_spec(tmp_path / "no.toml")


def test_options_are_those_of_a_run(tmp_path):
    spec = read(tmp_path, GOOD + 'levels = "3,2"\nselect = "ioi"\n[limits]\nmax_turns = 9\n')
    assert {"--provider=oracle", "--level=2,3", "--max-turns=9", "-k", "ioi"} <= set(spec.options())
    assert not any(option.startswith(("--max-cost-usd", "--model=", "--pass-mark")) for option in spec.options())


def test_every_attempt_is_in_one_shard_and_empty_shards_are_left_out():
    ids = [attempt(trial=trial).nodeid for trial in range(3)]
    dealt = _dealt(ids, 10)
    assert sorted(nodeid for owed in dealt.values() for nodeid in owed) == sorted(ids)
    assert len(dealt) == 3
    assert all(dealt.values())


def test_a_plan_is_read_as_it_was_written(tmp_path):
    folder, plan = planned(tmp_path / "s", {1: records(2)})
    assert read_plan(folder) == plan
    assert SweepFolder.find(folder.plan) == SweepFolder.find(folder.path) == folder
    with pytest.raises(ConfigurationError, match="There is no sweep"):
        SweepFolder.find(tmp_path)


def test_a_plan_with_a_seed_that_was_drawn_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("secrets.randbits", lambda bits: 2**bits - 1)
    folder, plan = planned(tmp_path / "s", {1: records(2)}, seed=None)
    plan = plan.model_copy(update={"spec": plan.spec.model_copy(update={"seed": fresh_run_seed()})})
    write_whole(folder.plan, plan.model_dump_json())
    assert read_plan(folder) == plan


def test_the_estimate_is_the_users_or_the_limits(tmp_path):
    limits = {"agent_timeout": 3600, "max_cost_usd": 2.0}
    paid = [attempt(provider="claude", trial=trial) for trial in range(3)]
    both = {"providers": ["claude", "oracle"], "limits": limits}
    _, plan = planned(tmp_path / "a", {1: [*paid, *records(1)]}, **both)
    assert estimate(plan).expected == Amounts(attempts=4, hours=4, usd=6)
    _, plan = planned(tmp_path / "b", {1: [*paid, *records(1)]}, **both, expected={"minutes": 15, "usd": 0.5})
    made = estimate(plan)
    assert made.expected == Amounts(attempts=4, hours=1, usd=1.5)
    assert (made.hours_at_most, made.usd_at_most) == (4, 6)


def test_what_is_left_is_projected_from_what_is_over(tmp_path):
    paid = [attempt(provider="claude", trial=trial) for trial in range(4)]
    _, plan = planned(tmp_path / "a", {1: [*paid, *records(1)]}, providers=["claude", "oracle"])
    made = totals(plan, {"claude": Cost(attempts=2, hours=1.0, usd=0.6, unknown=1), "oracle": Cost(1, 0.1, 0, 1)})
    assert made.taken == Amounts(attempts=3, hours=1.1, usd=0.6)
    assert made.unknown == 1
    assert made.projected.hours == pytest.approx(1.0 + 2 * 0.5 + 0.1)
    assert made.projected.usd == pytest.approx(0.6 + 3 * 0.6)
