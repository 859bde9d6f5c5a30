from collections import Counter
from dataclasses import fields

import pytest

from scribe_suite.plugin.option.levels import LevelChoice
from scribe_suite.plugin.option.options import OPTIONS, settings_fields, with_defaults
from scribe_suite.plugin.settings import RunIdentity, Settings
from scribe_suite.providers.base import Limits
from scribe_suite.providers.registry import ProviderSpec


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
        (["--level", "0"], "'0' names no levels: give a number from 1 on"),
        (["--level", "2,x"], "'2,x' names no levels"),
        (["--model", ""], "the model is empty"),
        (["--resume-anyway"], "add --resume RUN"),
        (["--results-dir", ""], "--results-dir is empty"),
    ],
)
def test_a_bad_option_is_a_usage_error_before_anything_runs(suite, arguments, message):
    run = suite.run(*arguments)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert message in run.output
    assert not (suite.folder / "runs").exists()


def test_help_has_every_option_with_its_default(suite):
    output = " ".join(suite.run("--help").output.split())
    for option in OPTIONS:
        assert option.flag in output
        assert f"(default: {option.shown_default})" in output


def test_every_setting_comes_from_exactly_one_option():
    names = Counter(option.setting for option in OPTIONS if option.setting is not None)
    of_options = {field.name for field in fields(Settings)} - {field.name for field in fields(RunIdentity)} - {"limits"}
    assert set(names) == of_options | {f"limits.{field.name}" for field in fields(Limits)}
    assert set(names.values()) == {1}


def test_defaults_are_filled_in_where_nothing_was_given():
    nothing = {option.name: None for option in OPTIONS}
    settings, limits = settings_fields(with_defaults(nothing))
    assert settings["providers"] == (ProviderSpec("reference"),)
    assert (settings["trials"], settings["levels"], settings["shard"]) == (1, LevelChoice(), None)
    assert (limits["wall_s"], limits["cell_s"], limits["turns"]) == (1800.0, 300.0, None)
    given = with_defaults({**nothing, "trials": 3, "level": "2,3", "max_concurrent": ["null=2,oracle=1", "null=4"]})
    settings, _ = settings_fields(given)
    assert settings["trials"] == 3
    assert settings["levels"] == LevelChoice(frozenset({2, 3}))
    assert settings["max_concurrent"] == {"null": 4, "oracle": 1}


def test_a_wrong_checkout_in_the_environment_is_a_usage_error(suite, monkeypatch, tmp_path):
    monkeypatch.setenv("SCRIBE_SUITE_ROOT", str(tmp_path / "nothing"))
    run = suite.run()
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "SCRIBE_SUITE_ROOT names" in run.output
