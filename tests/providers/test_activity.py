"""What is known of a CLI's attempt while it goes on."""

import sys
import threading
from pathlib import Path

import pytest

from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.providers.base import Activity, AttemptContext, Limits
from scribe_suite.providers.clis.listening import report_activity
from scribe_suite.providers.transcript import ToolCall, Transcript
from tests.providers.test_driver import HEAD, KEY, FakeProvider


def test_turns_are_told_while_the_cli_works(tmp_path, monkeypatch):
    program = tmp_path / "fake"
    code = "call(1); call(2); time.sleep(1)\nwhile not os.path.exists(GO): time.sleep(0.05)\ndone()"
    program.write_text(HEAD.format(python=sys.executable) + code.replace("GO", repr(str(tmp_path / "go"))))
    program.chmod(0o755)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("SCRIBE_FAKE_BIN", str(program))
    endpoint = NotebookEndpoint(Path("/nowhere"), ("pump", "/nowhere"))
    context = AttemptContext("the prompt", endpoint, Limits(30.0, 5.0), None, tmp_path)
    seen = []

    def look():
        for _ in range(400):
            if context.activity.turn == 2:
                seen.append(context.activity.turn)
                break
            threading.Event().wait(0.05)
        (tmp_path / "go").touch()

    watcher = threading.Thread(target=look)
    watcher.start()
    FakeProvider().attempt(context)
    watcher.join()
    assert seen == [2]


@pytest.mark.parametrize(("built_in", "own_tool"), [(True, "WebFetch"), (False, None)])
def test_only_tools_that_are_not_the_notebooks_are_told(built_in, own_tool):
    activity = Activity(own_tool="Bash")
    call = ToolCall(tool="WebFetch", arguments="{}", started=1.0, built_in=built_in)
    report_activity(activity, Transcript(cli="claude", calls=[call], requests=7))
    assert activity == Activity(turn=7, own_tool=own_tool)
