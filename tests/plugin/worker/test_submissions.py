"""What is kept of an agent's submissions while it works."""

from __future__ import annotations

import itertools
import json
import math
import threading
from datetime import datetime

import numpy as np
import pytest

from scribe_suite.ledger.attempt_folder import AttemptFolder
from scribe_suite.plugin.worker.submissions import MOST_KEPT, Spend, Submission, SubmissionBox, keep_in, kept_numbers
from scribe_suite.providers import clock as clocks
from scribe_suite.providers.base import Activity
from scribe_suite.providers.clock import AttemptClock
from scribe_suite.tasks import AnswerSchema, ComponentAnswer, DictionaryAnswer
from scribe_suite.tasks.arrays import as_json

UNIVERSE = tuple(f"m{number}" for number in range(8))
SCHEMA = AnswerSchema(ComponentAnswer, {"components": UNIVERSE}, {"components": ["m0"]})


def text(*components: str, **changes: object) -> str:
    return json.dumps({"components": components, "confidence": 0.5, "summary": "s", **changes})


class Box(SubmissionBox):
    """A box that notes what it hands on."""

    def __init__(self, **options: object) -> None:
        self.answers: list[list[str]] = []
        self.told: list[tuple[int, list[int]]] = []
        super().__init__(
            SCHEMA,
            lambda answer: self.answers.append(answer.components),
            lambda one, kept: self.told.append((one.number, [other.number for other in kept])),
            **options,
        )


@pytest.fixture
def clock(monkeypatch):
    """Seconds that tests set, as a list with one number."""
    now = [100.0]
    monkeypatch.setattr(clocks.time, "monotonic", lambda: now[0])
    return now


def test_every_valid_submission_is_kept_with_what_had_been_used(clock):
    activity, spent = Activity(), [Spend(0, 0)]
    box = Box(activity=activity, spend=lambda: spent[0])
    clock[0] = 1000.0
    box.begin(60.0)
    clock[0] = 1002.5
    assert box.submit(text("m1")).accepted
    assert not box.submit(text("m99")).accepted
    activity.tokens, activity.cost_usd, spent[0] = 1200, 0.25, Spend(3, 96)
    clock[0] = 1010.0
    assert box.submit(text("m1", "m2")).accepted
    clock[0] = 1060.5
    assert not box.submit(text("m3")).accepted
    assert box.kept == (
        Submission(1, 2.5, text("m1"), None, None, Spend(0, 0)),
        Submission(2, 10.0, text("m1", "m2"), 1200, 0.25, Spend(3, 96)),
    )
    assert box.answers == [["m1"], ["m1", "m2"]]
    assert box.told == [(1, [1]), (2, [1, 2])]
    assert (box.count, box.answer.components) == (4, ["m1", "m2"])


def test_without_a_laboratory_or_a_model_nothing_is_told_of_them():
    box = Box()
    box.submit(text("m1"))
    (only,) = box.kept
    assert (only.tokens, only.cost_usd, only.spend) == (None, None, None)
    assert only.used == {**only.used, "tokens": None, "cost_usd": None, "experiments": None, "spent": None}


@pytest.mark.parametrize("odd", ["many", -1, math.inf, math.nan, 10**400, [5], None])
def test_what_a_provider_tells_of_itself_is_not_believed(odd):
    activity = Activity()
    activity.tokens = activity.cost_usd = odd
    box = Box(activity=activity)
    assert box.submit(text("m1")).accepted
    assert (box.kept[0].tokens, box.kept[0].cost_usd) == (None, None)


def test_a_reply_says_the_same_of_a_good_answer_and_of_a_bad_one():
    box = Box()
    assert box.submit(text("m1")) == box.submit(text("m7", confidence=0.0))


# -- thinning ---------------------------------------------------------------------------------------------------------


def test_up_to_thirty_nothing_is_dropped():
    for accepted in range(1, MOST_KEPT + 1):
        assert kept_numbers(accepted) == list(range(1, accepted + 1))


@pytest.mark.parametrize(
    ("accepted", "kept"),
    [
        (31, [*range(1, 31, 2), 31]),
        (32, [*range(1, 33, 2), 32]),
        (58, [*range(1, 58, 2), 58]),
        (60, [*range(1, 60, 4), 60]),
        (1000, [*range(1, 1000, 64), 1000]),
    ],
)
def test_of_more_every_kth_stays_with_the_first_and_the_last(accepted, kept):
    assert kept_numbers(accepted) == kept


def test_thinning_keeps_the_ends_and_what_later_numbers_need():
    before: list[int] = []
    for accepted in range(1, 3000):
        kept = kept_numbers(accepted)
        assert {1, accepted} <= set(kept)
        assert len(kept) <= MOST_KEPT
        assert accepted < 31 or len(kept) > 14
        assert set(kept) <= {*before, accepted}
        steps = {later - earlier for earlier, later in itertools.pairwise(kept[:-1])}
        assert len(steps) <= 1, "an even spread"
        before = kept


def test_a_box_keeps_what_the_numbers_say():
    box = Box()
    for number in range(500):
        box.submit(text(f"m{number % 8}"))
    assert [one.number for one in box.kept] == kept_numbers(500)
    assert box.kept[-1].raw == text("m3")
    assert box.told[-1] == (500, kept_numbers(500))


def test_two_sessions_that_submit_at_once_lose_nothing():
    box = Box()
    threads = [threading.Thread(target=lambda: [box.submit(text("m1")) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.number for one in box.kept] == kept_numbers(200)
    assert sorted(number for number, _ in box.told) == list(range(1, 201))


# -- on disk ----------------------------------------------------------------------------------------------------------


def test_a_line_is_json_whatever_the_answer_looks_like():
    raw = '{\n "components": ["m1"],\r\n "confidence": 1, "summary": "a\\nb \u2028 \U0001f600"}'
    box = Box()
    assert box.submit(raw).accepted
    line = box.kept[0].line
    assert line.count(b"\n") == 1
    assert json.loads(line)["answer"] == json.loads(raw)
    assert list(json.loads(line)) == [*box.kept[0].used, "answer"]
    assert len(line) < len(raw.encode()) + 200


def test_a_submission_that_can_not_be_written_down_is_kept_all_the_same():
    def full(_one, _kept):
        raise OSError(28, "No space left on device")

    box = SubmissionBox(SCHEMA, lambda _answer: None, full)
    assert box.submit(text("m1")).accepted
    assert [one.number for one in box.kept] == [1]


def test_pauses_of_the_clock_count_neither_for_the_limit_nor_in_the_times_of_answers(clock):
    box, worked = Box(), AttemptClock()
    assert (box.first_s, box.last_s) == (None, None)
    box.begin(60.0, worked)
    clock[0] += 10
    assert box.submit(text("m1")).accepted
    worked.pause()
    clock[0] += 500
    worked.resume()
    clock[0] += 40
    assert box.submit(text("m1", "m2")).accepted
    clock[0] += 5
    assert not box.submit(text("m99")).accepted, "an invalid answer"
    clock[0] += 6
    assert not box.submit(text("m3")).accepted, "after 61 s of work"
    assert [one.seconds for one in box.kept] == [10.0, 50.0]
    assert (box.first_s, box.last_s) == (10.0, 50.0)


def test_what_is_written_of_a_submission_names_its_array(tmp_path):
    folder = AttemptFolder.create(tmp_path, "toy", "null", datetime(2026, 1, 1))
    schema = AnswerSchema(DictionaryAnswer, {"width": 2, "max_rows": 50}, {})

    def write(answer: DictionaryAnswer) -> None:
        folder.write_answer(answer.model_dump(mode="json"), answer.array_files())

    box = SubmissionBox(schema, write, keep_in(folder))
    arrays = folder.outputs / "arrays"
    for number in (1, 1, *range(2, 3 * MOST_KEPT)):
        rows = as_json(np.full((1, 2), number, dtype=np.float32))
        assert box.submit(json.dumps({"dictionary": rows, "confidence": 0.5, "summary": "s"})).accepted
        assert len(list(arrays.iterdir())) <= MOST_KEPT
    lines = [json.loads(line) for line in (folder.outputs / "submissions.jsonl").read_text().splitlines()]
    assert len({line["answer"]["dictionary"]["npy_file"] for line in lines}) == len(lines) - 1
    kept = {name for submission in box.kept for name in submission.files}
    assert kept == {f"arrays/{path.name}" for path in arrays.iterdir()}
    answer = json.loads((folder.outputs / "answer.json").read_text())
    last = np.load(folder.outputs / answer["dictionary"]["npy_file"])
    assert last.tolist() == [[3 * MOST_KEPT - 1] * 2]
    # scored again from what is in memory
    assert schema.parse(box.kept[0].raw).dictionary.values.tolist() == [[1, 1]]
