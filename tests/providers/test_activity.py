"""What is known of a CLI's attempt while it goes on."""

import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.providers.base import Activity, AttemptContext, Limits
from scribe_suite.providers.clis import listening
from scribe_suite.providers.clis.listening import report_activity
from scribe_suite.providers.transcript import Tokens, ToolCall, Transcript
from tests.providers.test_driver import HEAD, KEY, FakeProvider


def watched(tmp_path, monkeypatch, code, until):
    """The activity of a program when something is known of it, or after twenty seconds; then it may end."""
    program = tmp_path / "fake"
    program.write_text(HEAD.format(python=sys.executable) + code.replace("GO", repr(str(tmp_path / "go"))))
    program.chmod(0o755)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("SCRIBE_FAKE_BIN", str(program))
    endpoint = NotebookEndpoint(Path("/nowhere"), ("pump", "/nowhere"))
    context = AttemptContext("the prompt", endpoint, Limits(30.0, 5.0), None, tmp_path)
    seen = []

    def look():
        for _ in range(400):
            if until(context.activity):
                break
            threading.Event().wait(0.05)
        seen.append(replace(context.activity))
        (tmp_path / "go").touch()

    watcher = threading.Thread(target=look)
    watcher.start()
    FakeProvider().attempt(context)
    watcher.join()
    return seen[0]


def test_turns_are_told_while_the_cli_works(tmp_path, monkeypatch):
    code = "call(1); call(2); time.sleep(1)\nwhile not os.path.exists(GO): time.sleep(0.05)\ndone()"
    assert watched(tmp_path, monkeypatch, code, lambda activity: activity.turn == 2).turn == 2


def test_tokens_and_their_cost_are_told_while_the_cli_works(tmp_path, monkeypatch):
    """Of a CLI that counts them in its files only, and without a limit on them."""
    prices = tmp_path / "prices.toml"
    prices.write_text('[models."gpt-x"]\ninput = 1000.0\noutput = 1000.0\n')
    monkeypatch.setenv("SCRIBE_PRICES", str(prices))
    monkeypatch.setattr(listening, "LOOK_S", 0.05)
    code = (
        "folder = os.environ['CODEX_HOME'] + '/.codex/sessions'; os.makedirs(folder)\n"
        "usage = dict(input_tokens=10, output_tokens=5)\n"
        "with open(folder + '/rollout-1.jsonl', 'w') as file:\n"
        "    print(json.dumps(dict(payload=dict(model='gpt-x'))), file=file)\n"
        "    print(json.dumps(dict(payload=dict(type='token_count', info=dict(total_token_usage=usage)))), file=file)\n"
        "call(1)\nwhile not os.path.exists(GO): time.sleep(0.05)\ndone()"
    )
    seen = watched(tmp_path, monkeypatch, code, lambda activity: activity.tokens is not None)
    assert (seen.tokens, seen.cost_usd) == (15, 0.015)
    assert seen.turn == 1, "what only files count is for the end, or a limit"


def test_tokens_that_events_tell_are_told_at_once():
    activity = Activity()
    report_activity(activity, Transcript(cli="claude", model="no such", tokens=Tokens(input=7, cached=2, output=3)))
    assert (activity.tokens, activity.cost_usd) == (12, None)
    report_activity(activity, Transcript(cli="claude", cost_usd=0.5, tokens=Tokens(input=8)))
    assert (activity.tokens, activity.cost_usd) == (8, 0.5)


def test_prices_that_can_not_be_read_cost_nothing_but_the_cost(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIBE_PRICES", str(tmp_path / "missing.toml"))
    activity = Activity()
    report_activity(activity, Transcript(cli="claude", model="m", tokens=Tokens(input=7)))
    assert (activity.tokens, activity.cost_usd) == (7, None)


@pytest.mark.parametrize(("built_in", "own_tool"), [(True, "WebFetch"), (False, None)])
def test_only_tools_that_are_not_the_notebooks_are_told(built_in, own_tool):
    activity = Activity(own_tool="Bash")
    call = ToolCall(tool="WebFetch", arguments="{}", started=1.0, built_in=built_in)
    report_activity(activity, Transcript(cli="claude", calls=[call], requests=7))
    assert activity == Activity(turn=7, own_tool=own_tool)
