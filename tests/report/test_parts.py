"""Transcripts, journals, answers, keys, intervals and views: what the pages are made of."""

import json
import random

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.ledger import Ledger, read_ledger
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.measurements.selection import selected_model
from scribe_suite.report import journals, transcripts
from scribe_suite.report.answer_views import ItemRow, answer_view, read_answer
from scribe_suite.report.journals import journal_views
from scribe_suite.report.keys import AnswerKeys, keys_may_be_shown
from scribe_suite.report.transcripts import transcript_view
from scribe_suite.report.views import RunView, scored_interval, token_count
from scribe_suite.untrusted_files import UntrustedFolder
from tests.ledger.factories import header, record, write_ledger
from tests.report.synthetic import ANSWER, TRANSCRIPT, attempt, journal_lines


def cells_of(records):
    run = RunView(Ledger(header(), tuple(records), None))
    return [run.cell(task, provider) for task in run.tasks for provider in run.providers]


def transcript_of(tmp_path, content):
    (tmp_path / "transcript.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return transcript_view(UntrustedFolder(tmp_path))


def test_a_transcript_has_who_what_and_when(tmp_path):
    view = transcript_of(tmp_path, TRANSCRIPT)
    assert [(entry.kind, entry.name, entry.time) for entry in view.entries] == [
        ("assistant", "", "1.5 s"), ("tool_call", "execute_code", ""), ("tool_result", "", ""),
    ]  # fmt: skip
    assert view.entries[0].text == "I look at the heads first."
    assert view.entries[1].text.endswith("print(1)")
    assert view.entries[2].text == "1"
    assert view.facts == {"model": "a-model"}


def test_messages_and_calls_of_our_own_providers_are_put_in_order(tmp_path):
    conversation = pytest.importorskip("scribe_suite.providers.transcript")
    told = conversation.Transcript(
        cli="claude",
        messages=[conversation.Message(at=1, role="assistant", text="first"),
                  conversation.Message(at=9.25, role="assistant", text="last")],
        calls=[conversation.ToolCall(tool="execute_code", arguments='{"code": "1/0"}', started=4, is_error=True,
                                     output="division by zero")],
    )  # fmt: skip
    view = transcript_of(tmp_path, told.model_dump_json())
    assert [(entry.kind, entry.name, entry.time, entry.text) for entry in view.entries] == [
        ("assistant", "", "1.0 s", "first"),
        ("tool call, error", "execute_code", "4.0 s", "1/0\n\ndivision by zero"),
        ("assistant", "", "9.2 s", "last"),
    ]
    assert view.facts["cli"] == "claude"
    assert "calls" not in view.facts


@pytest.mark.parametrize(
    "content",
    [[], {}, 5, None, "text", ["a", 1, None], {"messages": [{"role": "user"}]}, {"events": [[[]]]},
     [{"content": {"a": 1}}], [{"tool_calls": [{"name": "f", "input": {"code": "x"}}]}]],
)  # fmt: skip
def test_transcripts_of_any_shape_are_shown(tmp_path, content):
    view = transcript_of(tmp_path, json.dumps(content))
    assert all(entry.text for entry in view.entries)


def test_long_and_broken_transcripts_are_told(tmp_path, monkeypatch):
    assert transcript_view(UntrustedFolder(tmp_path)) is None
    assert "can't be read" in transcript_of(tmp_path, "{").note
    assert "can't be read" in transcript_of(tmp_path, "[" * 200_000).note
    assert "characters more" in transcript_of(tmp_path, [{"text": "x" * 30_000}]).entries[0].text
    monkeypatch.setattr(transcripts, "MAX_ENTRIES", 2)
    assert transcript_of(tmp_path, [1, 2, 3]).note == "The first 2 of 3 entries are shown."
    monkeypatch.setattr(transcripts, "MAX_BYTES", 2)
    assert "too large" in transcript_of(tmp_path, [1, 2, 3]).note


def journal_of(tmp_path, lines):
    (tmp_path / "n.journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (view,) = journal_views(UntrustedFolder(tmp_path))
    return view


def test_a_journal_has_a_row_for_every_event_edited_cells_included(tmp_path):
    rows = journal_of(tmp_path, journal_lines()).rows
    assert [row.event for row in rows][2:5] == ["cell_started", "output", "cell_finished"]
    assert [row.code for row in rows if row.code] == ["1 + 1", "2 + 2"]
    assert rows[5].cell == "cell-0, run 2"
    assert rows[3].detail == "stdout, 1 characters"
    assert rows[4].detail == "status: ok, execution_count: 1, seconds: 0.3"
    assert rows[-1].seconds == 3.0


def test_long_and_broken_journals_are_told(tmp_path, monkeypatch):
    (tmp_path / "n.journal.jsonl").write_text("no json\n{}\n")
    assert "can't be read" in journal_views(UntrustedFolder(tmp_path))[0].note
    odd = [
        {"event": 5, "time": "x", "cell": None, "output": 3, "run": "y"},
        {"event": "e", "output": {"data": {"a": 1}}},
    ]
    assert len(journal_of(tmp_path, odd).rows) == 2
    monkeypatch.setattr(journals, "MAX_ROWS", 2)
    view = journal_of(tmp_path, journal_lines())
    assert (len(view.rows), bool(view.note)) == (2, True)
    monkeypatch.setattr(journals, "MAX_JOURNAL_BYTES", 2)
    assert "too large" in journal_views(UntrustedFolder(tmp_path))[0].note


def test_an_answer_is_set_against_the_key_item_by_item():
    view = answer_view(ANSWER, {"components": ["a0.h1", "a2.h0"]})
    assert view.summary == "I patched."
    (field,) = view.fields
    assert field.rows == (
        ItemRow("a0.h1", "yes", "yes"),
        ItemRow("a2.h0", "", "yes"),
        ItemRow("a10.h0", "yes", ""),
        ItemRow("m2", "yes", ""),
    )
    assert [row.agrees for row in field.rows] == [True, False, False, False]


def test_mappings_numbers_and_code_are_shown_too():
    view = answer_view({"neurons": {"a": "L0.N1", "b": None}, "code": "x = 1", "weight": [0.5] * 9, "layer": 2}, None)
    fields = {field.name: field for field in view.fields}
    assert fields["neurons"].rows == (ItemRow("a", "L0.N1", ""), ItemRow("b", "none", ""))
    assert not fields["neurons"].is_set
    assert fields["code"].answer == "x = 1"
    assert fields["weight"].answer.startswith("9 values: 0.5, 0.5")
    assert fields["layer"].answer == "2"
    assert fields["layer"].key == ""


def test_a_ranking_keeps_its_order():
    (field,) = answer_view({"ranking": ["m2", "a10.h0", "a0.h1"]}, {"ranking": ["a0.h1", "m2", "a10.h0"]}).fields
    assert not field.rows
    assert field.answer.index("m2") < field.answer.index("a10.h0") < field.answer.index("a0.h1")
    assert field.key.index("a0.h1") < field.key.index("m2")


def test_an_answer_that_can_not_be_read_is_none(tmp_path):
    assert read_answer(UntrustedFolder(tmp_path)) is None
    for text in ("{", "[]", "[" * 200_000):
        (tmp_path / "answer.json").write_text(text)
        assert read_answer(UntrustedFolder(tmp_path)) is None


def test_keys_are_shown_of_fixed_seeds_or_when_told_to():
    assert keys_may_be_shown(header(seed_mode="fixed"), with_keys=False)
    assert keys_may_be_shown(header(seed_mode="fresh"), with_keys=True)
    assert not keys_may_be_shown(header(seed_mode="fresh"), with_keys=False)


def test_a_key_is_drawn_once_for_all_providers(toy_registry):
    keys = AnswerKeys(header())
    for provider in ("a", "b"):
        assert keys.key_of(attempt(provider=provider)).content == {"components": ["a0.h1", "m7"]}
    assert toy_registry.drawn == [987654321]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"instance_seed": None}, "no seed"),
        ({"task_version": 2}, "version 1 here and had 2"),
        ({"task": "circuits/unknown"}, "can't be drawn again"),
    ],
)
def test_a_key_that_can_not_be_told_says_why(toy_registry, changes, note):
    key = AnswerKeys(header()).key_of(attempt(**changes))
    assert key.content is None
    assert note in key.note


def test_other_base_models_give_no_key(toy_registry):
    run = header(lock={"tasks": {"circuits/toy": {"base_models": {"seed0.json": "0" * 64}}}})
    assert "not those of the run" in AnswerKeys(run).key_of(attempt()).note


def test_a_truth_that_was_measured_anew_gives_no_key(toy_registry, monkeypatch):
    monkeypatch.setattr(toy_registry, "truth_facts", lambda: {"measured_sha256": "1" * 64})
    run = header(lock={"tasks": {"circuits/toy": {"measured_sha256": "1" * 64}}})
    assert AnswerKeys(run).key_of(attempt()).content is not None
    run = header(lock={"tasks": {"circuits/toy": {"measured_sha256": "0" * 64}}})
    assert "measured anew after the run" in AnswerKeys(run).key_of(attempt()).note


def test_a_key_is_drawn_on_the_model_of_the_run(toy_registry, monkeypatch):
    monkeypatch.setattr(toy_registry, "truth_facts", lambda: {"model": selected_model()})
    run = header(lock={"tasks": {"circuits/toy": {"model": "hub:gpt2"}}})
    assert AnswerKeys(run).key_of(attempt()).content is not None
    assert selected_model() == REAL_MODEL


def test_a_task_that_raises_gives_no_key(toy_registry, monkeypatch):
    monkeypatch.setattr(toy_registry, "instance", lambda _: 1 / 0)
    assert "ZeroDivisionError" in AnswerKeys(header()).key_of(attempt()).note

    def refuses(seed):
        raise ConfigurationError("plant first")

    monkeypatch.setattr(toy_registry, "instance", refuses)
    assert AnswerKeys(header()).key_of(attempt()).note.endswith("plant first")


def test_a_single_attempt_has_the_scorers_interval_as_skill():
    one = record(interval=(0.6, 1.2), chance=0.5, reference=1.0)
    assert scored_interval(one) == pytest.approx((0.2, 1.0))
    assert scored_interval(record()) is None
    assert scored_interval(record(interval=(0.1, 0.2), chance=1.0, reference=1.0)) is None
    (cell,) = cells_of([attempt(interval=(0.6, 1.2), chance=0.5, reference=1.0)])
    assert cell.interval == pytest.approx((0.2, 1.0))


def test_attempts_at_a_task_have_students_interval_within_the_range_of_skills():
    (cell,) = cells_of([attempt(trial=trial, skill=skill) for trial, skill in enumerate((0.5, 0.6, 0.7))])
    assert cell.interval == pytest.approx((0.6 - 4.3027 * 0.1 / 3**0.5, 0.6 + 4.3027 * 0.1 / 3**0.5), rel=1e-4)
    assert cells_of([attempt(trial=trial, skill=float(trial)) for trial in range(2)])[0].interval == (-1.0, 1.0)


def test_providers_have_the_numbers_that_compare_gives(tmp_path):
    drawn = random.Random(1)
    records = [
        attempt(f"circuits/t{number}", provider, trial, skill=round(drawn.uniform(-1, 1), 3))
        for trial in (1, 0, 2)
        for number in range(8)
        for provider in ("a", "b")
        if (number, trial) != (3, 1)
    ]
    few = [attempt("circuits/t0", "few", trial, skill=round(drawn.uniform(-1, 1), 3)) for trial in range(7)]
    path = write_ledger(tmp_path / "r.jsonl", [*records, *few])
    run = RunView(read_ledger(path))
    for side in compare_runs([path]).sides:
        provider = run.provider(side.provider)
        assert (provider.mean, provider.interval) == (pytest.approx(side.skill), pytest.approx(side.skill_interval))


def test_views_count_each_test_once_and_weigh_tasks_alike():
    records = [
        attempt("circuits/a", skill=1.0, outcome="solved"),
        attempt("circuits/a", trial=1, skill=0.0),
        attempt("circuits/b", outcome="infrastructure:kernel_start", metrics={}, skill=None),
        attempt("circuits/b", skill=1.0, outcome="solved"),
    ]
    run = RunView(Ledger(header(planned=("x[b-claude-t7]", *(one.nodeid for one in records))), tuple(records), None))
    assert [one.superseded for one in run.attempts] == [False, False, True, False]
    provider = run.provider("claude")
    assert provider.mean == 0.75
    assert str(provider.coverage) == "scored 3/4, solved 2/3, 1 not run"
    assert provider.cost_usd == pytest.approx(3 * 0.42)
    assert provider.tokens == 55_000
    assert run.missing == ("x[b-claude-t7]",)


def test_pages_have_names_that_differ_also_without_case():
    names = ("claude:X", "claude:x", "claude x", "a/../../b", "x" * 300)
    run = RunView(Ledger(header(), tuple(attempt(provider=name) for name in names), None))
    slugs = [one.slug.casefold() for one in run.attempts]
    assert len(set(slugs)) == len(names)
    assert all("/" not in slug and len(slug) < 120 for slug in slugs)


def test_tokens_are_those_of_all_kinds():
    assert token_count(record(tokens={"input": 1, "cached": 2, "output": 4, "reasoning": 3})) == 10
    assert token_count(record()) is None


def test_an_array_is_shown_by_its_shape_and_file():
    recorded = {"npy_file": "arrays/ab.npy", "dtype": "float32", "shape": [160, 64]}
    (field,) = answer_view({"dictionary": recorded}, {"dictionary": {"npy": "AAAA" * 1000}}).fields
    assert field.answer == "an array, 160 x 64 (float32): arrays/ab.npy"
    assert field.key == "an array, numbers (npy): "
    assert field.rows == ()
