"""What a results card says of runs besides their results."""

from types import SimpleNamespace

import pytest

from scribe_suite.cards.facts import FEW_ATTEMPTS, card_facts, run_command
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.tasks.facts import TaskFacts
from tests.ledger.factories import attempt, failed, header, resume_ledger, write_ledger

EASY, HARD, REAL = "circuits/easy", "circuits/hard_2", "circuits/ioi_real"


def known(name, level=1, **changes):
    label = name.partition("/")[2]
    values = {
        "family": "circuits", "name": label, "level": level, "label": label, "source": "planted", "version": 1,
        "summary": "", "metrics": (), "pass_mark": 0.8, "is_default": level == 1,
    }  # fmt: skip
    return TaskFacts(**{**values, **changes})


KNOWN = {
    EASY: known(EASY),
    "circuits/other": known("circuits/other"),
    HARD: known(HARD, 2, has_headroom=True),
    REAL: known(REAL, source="real"),
}


def lock(*tasks, **changes):
    return {"tasks": {name: {"version": 3, "base_models": {"seed0.json": "0"}} for name in tasks}, **changes}


def ledger_of(folder, records=None, **changes):
    values = {"lock": lock(EASY, "circuits/other"), "agent_isolation_gaps": (), **changes}
    return read_ledger(write_ledger(folder / "r.jsonl", records or [attempt(EASY)] * 1, **values))


def flaws(ledger):
    return card_facts([ledger], KNOWN).flaws


def test_a_sound_run_of_many_attempts_at_levels_with_headroom_has_no_flaws(tmp_path):
    records = [attempt(HARD, trial=trial) for trial in range(FEW_ATTEMPTS)]
    assert flaws(ledger_of(tmp_path, records, lock=lock(HARD))) == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"isolation": "none"}, "kernels were not isolated"),
        ({"isolation_gaps": ("read the key",)}, "an escape from a kernel succeeded when it was tried: read the key"),
        ({"agent_isolation_gaps": ("network", "ptrace")}, "agents' programs could reach: network, ptrace."),
        ({"lock": lock(EASY, git={"commit": "0" * 40, "dirty": True})}, "changes that are in no commit"),
        ({"lock": lock(EASY, HARD)}, "at 1 of its 2 tasks and levels no capable agent"),
        ({"ended": False}, "was cut off: 1 of its 1 attempts have a result"),
        ({"records": [failed()]}, "1 attempts count for nothing (infrastructure:kernel_start)"),
        ({}, "1 attempts of reference are few"),
    ],
)
def test_each_flaw_is_a_sentence_with_the_run(tmp_path, changes, sentence):
    (found,) = [flaw for flaw in flaws(ledger_of(tmp_path, **changes)) if sentence in flaw]
    assert found.startswith("Run r")


def test_a_run_that_changed_when_it_was_resumed_says_so(tmp_path):
    path = write_ledger(tmp_path / "r.jsonl", [attempt(EASY)], ended=False, lock=lock(EASY))
    resume_ledger(path, [attempt(EASY, trial=1)], differences=("suite code",))
    assert "Run r changed when it was resumed: suite code." in flaws(read_ledger(path))


def test_a_fresh_seed_is_nowhere_on_a_card_and_a_fixed_one_is(tmp_path):
    fresh = ledger_of(tmp_path, run_seed=123456789, seed_mode="fresh")
    assert "123456789" not in str(card_facts([fresh], KNOWN))
    assert any("no agent can have seen them" in line for line in card_facts([fresh], KNOWN).contamination)
    fixed = card_facts([ledger_of(tmp_path / "fixed", run_seed=123456789)], KNOWN)
    assert any("may have been trained on them" in line for line in fixed.contamination)
    assert "--instance-seed 123456789" in fixed.commands[0][1]


def test_what_is_public_depends_on_the_tasks(tmp_path):
    told = card_facts([ledger_of(tmp_path, lock=lock(REAL, "circuits/gone"))], KNOWN).contamination
    assert any("a public model" in line for line in told)
    assert not any("Base models of planted tasks" in line for line in told)
    assert "This version of the suite does not know: circuits/gone." in told


NODE = "benchmarks/circuits/test_circuits.py::test_circuit[easy-reference-t0]"


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"lock": lock(EASY, "circuits/other")}, "pytest benchmarks/circuits --provider reference --agent-timeout 60"),
        ({"lock": lock(EASY)}, "pytest benchmarks/circuits -k easy --provider reference --agent-timeout 60"),
        (
            {"lock": lock(HARD), "levels": "2", "trials": 3, "providers": ("claude", "codex:x")},
            "pytest benchmarks/circuits --provider claude,codex:x --trials 3 --level 2 --agent-timeout 60",
        ),
        (
            {
                "lock": lock("circuits/gone"),
                "providers": ("a",),
                "arms": "lab",
                "record_only": True,
                "isolation_asked": "none",
            },
            "pytest benchmarks/circuits --provider a --access lab --isolation none --agent-timeout 60 --record-only",
        ),
    ],
)
def test_the_command_is_the_one_that_was_given(changes, command):
    values = {"planned": (NODE,), "seed_mode": "fresh", "limits": {"agent_timeout_s": 60.0}, **changes}
    assert " ".join(run_command(header(**values), KNOWN)) == command


def test_every_limit_is_an_option_of_a_run():
    from scribe_suite.plugin.option.options import OPTIONS
    from scribe_suite.plugin.settings import LIMIT_NAMES

    limits = dict.fromkeys(LIMIT_NAMES.values(), 5.0)
    named = {part for part in run_command(header(limits=limits, planned=(NODE,)), KNOWN) if part.startswith("--")}
    flags = {option.flag for option in OPTIONS}
    assert named <= flags
    assert len(named) >= len(limits)


def test_two_runs_stand_beside_each_other(tmp_path):
    one, two = (SimpleNamespace(folder=tmp_path / name) for name in ("one", "two"))
    for side in (one, two):
        side.folder.mkdir()
    facts = card_facts(
        [
            ledger_of(
                one.folder, providers=("a",), lock=lock(EASY, providers={"a": {"version": "1.2", "model": None}})
            ),
            ledger_of(two.folder, providers=("b",), lock=lock(HARD)),
        ],
        KNOWN,
    )
    assert [row.values for row in facts.agents] == [("version 1.2", ""), ("", "")]
    assert {row.name: row.values for row in facts.tasks} == {
        EASY: ("version 3, 1 base models", ""),
        HARD: ("", "version 3, 1 base models"),
    }
    assert all(len(row.values) == 2 for row in facts.what)
