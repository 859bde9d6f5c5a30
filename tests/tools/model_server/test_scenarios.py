"""Scenario files: all of them load, and one that is wrong is told so in a sentence."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from scribe_suite.notebook.tools import TOOLS
from scribe_suite.tasks.solutions import parse_percent
from tools.model_server.cli_tools import BUILTINS
from tools.model_server.failures import FAILURES
from tools.model_server.scenario import FailureKind, ScenarioError, Step, load_scenario, scenario_names
from tools.model_server.solving import solve

from .clients import APIS

STEP = '[[steps]]\ntext = "done"\n'


@pytest.fixture
def write(tmp_path: Path) -> typing.Callable[[str], Path]:
    def write(text: str, name: str = "mine") -> Path:
        (tmp_path / f"{name}.toml").write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize("name", scenario_names())
def test_every_file_loads_and_calls_tools_that_the_notebook_has(name):
    scenario = load_scenario(name)
    assert {call.tool for step in scenario.steps for call in step.calls} <= set(TOOLS)
    for step in scenario.steps:
        for call in step.calls:
            model, _ = TOOLS[call.tool]
            model.model_validate(call.arguments)


def test_every_kind_of_failure_has_a_file_and_a_row():
    kinds = {failure.kind for name in scenario_names() if (failure := load_scenario(name).failure)}
    assert kinds == set(typing.get_args(FailureKind)) == set(FAILURES)


def test_every_builtin_has_a_row_for_each_api():
    names = typing.get_args(typing.get_args(Step.model_fields["builtin"].annotation)[0])
    assert set(names) == set(BUILTINS)
    assert all(set(row) == {*APIS} - {"openai-chat"} and all(row.values()) for row in BUILTINS.values())


def test_an_unknown_name_is_answered_with_the_close_one():
    with pytest.raises(ScenarioError, match=r"no scenario 'quick_solv'; there are .*Did you mean 'quick_solve'\?"):
        load_scenario("quick_solv")


def test_parameters_have_defaults_and_can_be_replaced():
    assert "time.sleep(5)" in load_scenario("long_cell").steps[1].calls[0].arguments["code"]
    assert "time.sleep(20)" in load_scenario("long_cell", seconds=20).steps[1].calls[0].arguments["code"]
    assert load_scenario("status_500_then_ok", times=3).failure.times == 3


def test_an_unknown_parameter_is_told():
    with pytest.raises(ScenarioError, match=r"'long_cell' has no parameter minutes; it has \['seconds'\]"):
        load_scenario("long_cell", minutes=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STEP, "summary: Field required"),
        ('summary = "x"\n', "steps: Field required"),
        (f'summary = "x"\nspeed = 3\n{STEP}', "speed: Extra inputs are not permitted"),
        ('summary = "x"\n[[steps]]\nexpect = "a"\n', "a step needs text, calls or builtin"),
        ('summary = "x"\n[[steps]]\ntext = "a"\nexpect = "("\n', "expect is not a regular expression"),
        ('summary = "x"\n[[steps]]\nbuiltin = "camera"\n', "steps.0.builtin: Input should be 'shell'"),
        ('summary = "x"\n[[steps]]\nbuiltin = "shell"\ncalls = [{ tool = "a" }]\n', "calls or a builtin, not both"),
        (f'summary = "x"\n{STEP}{STEP}', "step 1 only says something"),
        (f'summary = "x"\nrepeat_last = true\n{STEP}', "repeat_last needs a last step with calls"),
        (f'summary = "x"\n{STEP}[failure]\nkind = "status"\n', "kind 'status' needs a status"),
        (f'summary = "x"\n{STEP}[failure]\nkind = "hang"\nstatus = 500\n', "no other kind has one"),
        (f'summary = "x"\n{STEP}[failure]\nkind = "flood"\n', "failure.kind: Input should be 'status'"),
        (f'summary = "x"\nsteps_from = "quick_solve"\n{STEP}', "both steps and steps_from"),
        ('summary = "x"\nsteps_from = "gone"\n', "no scenario 'gone'"),
        ("summary = ", "is not TOML"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(write, text, message):
    folder = write(text)
    with pytest.raises(ScenarioError) as caught:
        load_scenario("mine", folder)
    assert message in str(caught.value)


def test_a_solution_becomes_the_calls_of_the_reference_provider():
    cells = parse_percent("# %% [markdown]\n# Add.\n# %%\nx = '${session}'\n# %%\nanswer = {'x': 1}\n")
    scenario = solve(cells)
    calls = [call for step in scenario.steps for call in step.calls]
    tools = ["start_new_session", "add_markdown", "execute_code", "execute_code", "submit_answer"]
    assert [call.tool for call in calls] == tools
    assert calls[2].arguments["code"] == "x = '${session}'"


def test_a_solution_may_begin_with_a_bad_answer():
    scenario = solve(parse_percent("# %%\nanswer = {'x': 1}\n"), bad_answer="answer = 0")
    calls = [call for step in scenario.steps for call in step.calls]
    tools = ["start_new_session", "execute_code", "submit_answer", "execute_code", "submit_answer"]
    assert [call.tool for call in calls] == tools
    assert scenario.steps[3].expect is not None


def test_a_scenario_takes_the_parameters_of_the_one_whose_steps_it_plays():
    scenario = load_scenario("status_500_then_ok", code="print('mine')", times=3)
    assert scenario.failure is not None
    assert scenario.failure.times == 3
    assert any(call.arguments.get("code") == "print('mine')" for step in scenario.steps for call in step.calls)
