import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--provider", "refrence"], "Unknown provider 'refrence': choose from"),
        (["--provider", ","], "No provider is named"),
        (["--trials", "0"], "'0' is too few"),
        (["--trials", "two"], "'two' is not a whole number"),
        (["--instance-seed", "-1"], "'-1' is not a seed"),
        (["--agent-timeout", "0"], "'0' is not a positive number of seconds"),
        (["--cell-timeout", "nan"], "'nan' is not a positive number of seconds"),
        (["--pass-mark", "7"], "'7' is not a skill"),
        (["--isolation", "docker"], "invalid choice: 'docker'"),
        (["--model-source", "gpt2"], "invalid choice: 'gpt2'"),
        (["--shard", "3/2"], "There is no part 3/2: count from 1/2 to 2/2"),
        (["--results-dir", "pytest.ini"], "is not a folder"),
        (["--results-dir", ""], "--results-dir is empty"),
    ],
)
def test_a_bad_option_is_a_usage_error_before_anything_runs(suite, arguments, message):
    run = suite.run(*arguments)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert message in run.output
    assert not (suite.folder / "runs").exists()


def test_help_teaches_every_option(suite):
    output = suite.run("--help").output
    for option in (
        "--provider", "--trials", "--instance-seed", "--agent-timeout", "--cell-timeout", "--pass-mark",
        "--record-only", "--isolation", "--results-dir", "--model-source", "--device", "--shard", "--resume",
        "--resume-anyway",
    ):  # fmt: skip
        assert option in output


def test_a_wrong_checkout_in_the_environment_is_a_usage_error(suite, monkeypatch, tmp_path):
    monkeypatch.setenv("SCRIBE_SUITE_ROOT", str(tmp_path / "nothing"))
    run = suite.run()
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "SCRIBE_SUITE_ROOT names" in run.output
