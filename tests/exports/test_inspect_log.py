"""Logs for Inspect, read back by Inspect."""

import json
import zipfile

import pytest

from scribe_suite.exports.runs import export_run
from tests.exports.runs import EXPERIMENTS, write_mixed_run
from tests.exports.test_runs import KEY, SECRETS

OPTIONS = {"with_keys": False}
pytestmark = pytest.mark.inspect
log = pytest.importorskip("inspect_ai.log", reason="inspect_ai is not installed: make test-inspect")


@pytest.fixture
def logs(tmp_path):
    """Provider -> the log that was read back."""
    ledger = write_mixed_run(tmp_path)
    paths = export_run(ledger, "eval", tmp_path / "out", with_keys=False)
    read = [log.read_eval_log(str(path), resolve_attachments=True) for path in paths]
    return {one.eval.solver: one for one in read}


def test_every_attempt_is_a_sample_with_our_scores(logs):
    agent = logs["claude:opus-9"]
    assert (agent.eval.task, agent.eval.model, agent.status) == ("scribe_suite/circuits", "claude/a-model", "success")
    first, late, lost = sorted(agent.samples, key=lambda sample: sample.epoch)
    assert {name: score.value for name, score in first.scores.items()} == {
        "skill": 0.75,
        "solved": 0.0,
        "iou": 0.5,
        "f1": 0.75,
    }
    assert json.loads(first.scores["skill"].answer)["summary"] == "I patched."
    assert first.metadata["experiments"] == EXPERIMENTS
    assert "experiments" not in late.metadata
    assert late.scores["skill"].value == 0.0
    assert late.limit.type == "time"
    assert lost.scores is None
    assert "infrastructure:kernel_start" in lost.error.message
    assert first.model_usage["claude/a-model"].total_tokens == 55_000


def test_means_leave_out_what_infrastructure_failed(logs):
    results = logs["claude:opus-9"].results
    assert (results.total_samples, results.completed_samples) == (3, 2)
    assert {score.name: score.metrics["mean"].value for score in results.scores} == {
        "skill": 0.375,
        "solved": 0.0,
        "iou": 0.5,
        "f1": 0.75,
    }


def test_messages_have_calls_results_and_images(logs):
    (sample,) = [one for one in logs["claude:opus-9"].samples if one.epoch == 1]
    assert [message.role for message in sample.messages] == [
        "user",
        "assistant",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    text, image = sample.messages[3].content
    assert text.text == "a plot [image 1]"
    assert image.image.startswith("data:image/png;base64,iVBORw0KGgo")
    assert sample.messages[5].error.message == "refused"


def test_a_provider_without_a_transcript_has_the_calls_of_its_journal(logs):
    (sample,) = logs["reference"].samples
    assert [message.function for message in sample.messages if message.role == "tool"] == [
        "add_markdown",
        "execute_code",
        "execute_code",
        "submit_answer",
    ]


def test_nothing_secret_is_in_the_files(tmp_path):
    ledger = write_mixed_run(tmp_path)
    for path in export_run(ledger, "eval", tmp_path / "out", with_keys=False):
        with zipfile.ZipFile(path) as archive:
            text = " ".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
        assert "scribe_suite/circuits" in text  # it can be searched
        assert not [secret for secret in (*SECRETS, KEY) if secret in text]
        assert str(tmp_path) not in text.replace(str(path), "")


def test_the_same_run_has_the_same_ids(tmp_path):
    ledger = write_mixed_run(tmp_path)
    one, other = (
        [
            log.read_eval_log(str(path)).eval.eval_id
            for path in export_run(ledger, "eval", tmp_path / name, with_keys=False)
        ]
        for name in ("one", "other")
    )
    assert one == other
