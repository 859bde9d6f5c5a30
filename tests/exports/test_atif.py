"""Trajectories, read back by Harbor's models."""

import pytest

from scribe_suite.exports.runs import export_run
from tests.exports.runs import CODE, EXPERIMENTS, write_mixed_run
from tests.exports.test_runs import KEY, SECRETS

trajectories = pytest.importorskip("harbor.models.trajectories", reason="harbor is not installed: it needs Python 3.12")


def read(paths):
    return {path.stem: trajectories.Trajectory.model_validate_json(path.read_text()) for path in paths}


def test_an_attempt_is_a_trajectory_with_images_as_files(tmp_path):
    found = read(export_run(write_mixed_run(tmp_path), "atif", tmp_path / "out", with_keys=False))
    assert set(found) == {"circuits_toy_claude-opus-9_t0", "circuits_toy_reference_t0", "circuits_toy_claude-opus-9_t1"}
    agent = found["circuits_toy_claude-opus-9_t0"]
    assert agent.schema_version == "ATIF-v1.8"
    assert [step.source for step in agent.steps] == ["user", "agent", "agent", "agent", "agent"]
    call = agent.steps[2]
    assert call.tool_calls[0].arguments["code"] == CODE
    text, image = call.observation.results[0].content
    assert text.text == "a plot [image 1]"
    assert (tmp_path / "out" / image.source.path).read_bytes().startswith(b"\x89PNG")
    assert agent.final_metrics.total_prompt_tokens == 52_000
    assert agent.final_metrics.extra["skill"] == 0.75
    assert agent.extra["experiments"] == EXPERIMENTS
    assert found["circuits_toy_reference_t0"].steps[1].llm_call_count == 0


def test_nothing_secret_is_in_the_files(tmp_path):
    for path in export_run(write_mixed_run(tmp_path), "atif", tmp_path / "out", with_keys=False):
        assert not [secret for secret in (*SECRETS, KEY, str(tmp_path)) if secret in path.read_text()]
