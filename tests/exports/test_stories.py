"""What happened in an attempt, from transcript and journals."""

import base64
import json

import pytest

from scribe_suite.exports.stories import NO_FOLDER, NO_TRANSCRIPT, SEALED, Called, Said, read_story
from scribe_suite.report.attempt_folders import attempt_folder
from tests.exports.runs import CODE, journal, transcript
from tests.report.synthetic import ANSWER, PIXEL, TRANSCRIPT, attempt, hostile_notebook, journal_lines, write_attempt


def story_of(runs, *, sealed=False, **files):
    write_attempt(runs, "a", answer=ANSWER, **files)
    record = attempt(folder="a")
    with attempt_folder(runs, record) as folder:
        return read_story(record, folder, sealed=sealed)


def test_a_transcript_gives_messages_and_calls_in_order_with_the_images_of_the_journal(tmp_path):
    story = story_of(tmp_path, journal=journal(), transcript=transcript())
    said, ran, submitted, last = story.steps
    assert (said, last) == (
        Said(said.at, "assistant", "I look at the heads first."),
        Said(last.at, "assistant", "The answer is submitted."),
    )
    assert (ran.tool, ran.arguments["code"], ran.text, ran.seconds) == ("execute_code", CODE, "a plot [image 1]", 1.5)
    assert [image[:8] for image in ran.images] == [b"\x89PNG\r\n\x1a\n"]
    assert (submitted.is_error, submitted.arguments) == (True, {"arguments": "broken"})
    assert (said.at - story.started).total_seconds() == 1.0
    assert story.prompt == "# Find it"
    assert story.answer == ANSWER
    assert story.note == ""


def test_without_a_transcript_the_journal_gives_what_the_agent_did(tmp_path):
    story = story_of(tmp_path, journal=journal())
    assert [(step.tool, step.is_error) for step in story.steps] == [
        ("add_markdown", False),
        ("execute_code", False),
        ("execute_code", True),
        ("submit_answer", False),
    ]
    ran = story.steps[1]
    assert "a plot" in ran.text
    assert ran.images == (base64.b64decode(PIXEL),)
    assert story.note == NO_TRANSCRIPT


def test_set_up_cells_are_not_the_agent_s(tmp_path):
    story = story_of(tmp_path, journal=journal())
    assert "load()" not in json.dumps([dict(step.arguments) for step in story.steps])


def test_a_cell_s_images_belong_to_one_call_only(tmp_path):
    twice = transcript()
    twice["calls"].insert(1, {**twice["calls"][0], "started": 4.0, "ended": 5.0})
    story = story_of(tmp_path, journal=journal(), transcript=twice)
    assert [len(step.images) for step in story.steps if isinstance(step, Called)] == [1, 0, 0]


def test_a_transcript_in_a_form_of_its_own_is_text_beside_the_journal_s_calls(tmp_path):
    story = story_of(tmp_path, journal=journal(), transcript=TRANSCRIPT)
    assert any(isinstance(step, Said) and "I look at the heads first." in step.text for step in story.steps)
    assert any(isinstance(step, Called) and step.images for step in story.steps)


@pytest.mark.parametrize("content", ['{"cli": "claude", "messages": [{"at": NaN}]}', "[[", '"text"', "[]", "null"])
def test_a_broken_transcript_loses_nothing_of_the_journal(tmp_path, content):
    path = write_attempt(tmp_path, "a", journal=journal())
    (path / "outputs" / "transcript.json").write_text(content)
    record = attempt(folder="a")
    with attempt_folder(tmp_path, record) as folder:
        story = read_story(record, folder, sealed=False)
    assert sum(isinstance(step, Called) for step in story.steps) == 4


def test_a_hostile_journal_is_read_as_far_as_it_goes(tmp_path):
    story = story_of(tmp_path, content=hostile_notebook(), journal=journal_lines("\x1b[31m\x00<script>"))
    assert [step.tool for step in story.steps] == ["execute_code", "execute_code"]
    assert "\x00" not in story.steps[0].arguments["code"]
    path = write_attempt(tmp_path, "b")
    (path / "notebooks" / "n.journal.jsonl").write_text("not json\n{}\n")
    record = attempt(folder="b")
    with attempt_folder(tmp_path, record) as folder:
        assert "can't be read" in read_story(record, folder, sealed=False).note


def test_a_sealed_attempt_and_one_without_a_folder_have_a_record_and_a_note(tmp_path):
    story = story_of(tmp_path, sealed=True, journal=journal())
    assert (story.steps, story.prompt, story.answer, story.note) == ((), "", None, SEALED)
    assert read_story(attempt(folder="gone"), None, sealed=False).note == NO_FOLDER
