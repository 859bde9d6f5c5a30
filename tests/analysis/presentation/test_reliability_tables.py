import json
import random

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.presentation.formats import as_json
from scribe_suite.analysis.presentation.reliability_tables import bins_table
from scribe_suite.analysis.presentation.tables import notes_of, tables_of
from tests.ledger.factories import attempt, failed, write_ledger

KEYS = {"confidence", "calibration", "abstention", "consistency"}


def compared(folder, records):
    return compare_runs([write_ledger(folder / "r.jsonl", records)])


def some_attempts(provider, solved=0.6, trials=2, **changes):
    drawn = random.Random(provider)
    return [
        attempt(
            f"circuits/t{number}", provider, trial, 1.0 if drawn.random() < solved else 0.0,
            **{"confidence": round(drawn.random(), 2), "confidence_of": "solved", "nothing_found": trial == 1,
               "actions": {"execute_code": 3 + trial}, **changes},
        )
        for number in range(8)
        for trial in range(trials)
    ]  # fmt: skip


def keys_of(comparison):
    return KEYS & {table.key for table in tables_of(comparison)}


def test_all_formats_have_a_row_for_every_provider(tmp_path):
    comparison = compared(tmp_path, some_attempts("a") + some_attempts("b"))
    tables = {table.key: table for table in tables_of(comparison)}
    assert keys_of(comparison) == KEYS
    assert all(tables[key].rows == ("a", "b") for key in KEYS)
    titles = [column.title for column in tables["confidence"].columns]
    assert titles[titles.index("Brier skill") + 1] == "Brier skill: 95 %"
    side = json.loads(as_json(comparison))["sides"][0]["reliability"]
    assert set(side["calibration"]["brier"]) == {"value", "interval"}
    assert sum(one["attempts"] for one in side["calibration"]["bins"]) == 16


def test_runs_that_say_nothing_of_it_have_no_table(tmp_path):
    plain = {"confidence": None, "nothing_found": None, "actions": {}}
    assert keys_of(compared(tmp_path, some_attempts("a", trials=1, **plain))) == set()


def test_a_side_without_confidences_beside_one_that_has_them_shows_nothing(tmp_path):
    comparison = compared(tmp_path, some_attempts("a", confidence=None) + some_attempts("b"))
    (table,) = [table for table in tables_of(comparison) if table.key == "calibration"]
    assert {column.text(0) for column in table.columns} == {"-"}


@pytest.mark.parametrize(("solved", "word"), [(1.1, "all"), (-1, "none")])
def test_it_is_told_where_no_skill_is_defined(tmp_path, solved, word):
    comparison = compared(tmp_path, some_attempts("a", solved))
    note = f"a: {word} of the 16 attempts that tell a confidence are solved, so Brier skill and risk-coverage score"
    assert any(line.startswith(note) for line in notes_of(comparison))
    (table,) = [table for table in tables_of(comparison) if table.key == "confidence"]
    assert next(column for column in table.columns if column.title == "Brier skill").values == (None,)


def test_older_definitions_few_attempts_and_unknown_actions_are_told(tmp_path):
    records = some_attempts("a", confidence_of=None)
    records[0] = records[0].model_copy(update={"actions": {}})
    notes = notes_of(compared(tmp_path, records))
    assert any(line.startswith("a: 16 of 16 confidences are from before") for line in notes)
    assert any(line.startswith("a: 16 confidences are few for 10 bins") for line in notes)
    assert any(line.startswith("a: the trajectory consistency is of 7 of 8 tasks") for line in notes)


def test_an_agent_that_only_gives_up_is_seen_to_abstain(tmp_path):
    comparison = compared(tmp_path, [failed("no_answer", task=f"circuits/t{n}", provider="a") for n in range(8)])
    assert keys_of(comparison) == {"abstention"}


def test_the_bins_of_a_diagram_are_rows(tmp_path):
    comparison = compared(tmp_path, some_attempts("a") + some_attempts("b", confidence=0.95))
    table = bins_table({side.label: side.reliability for side in comparison.sides})
    assert (table.rows[0], table.rows[-1], len(table.rows)) == ("0.0 to 0.1", "0.9 to 1.0", 10)
    attempts = {column.of: column.values for column in table.columns if column.title == "Attempts"}
    assert attempts["b"] == (None,) * 9 + (16,)
    assert sum(filter(None, attempts["a"])) == 16
