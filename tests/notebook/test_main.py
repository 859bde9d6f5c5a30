"""The standalone server, through the MCP SDK's own client over real stdio."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import psutil
import pytest

from scribe_suite.notebook.__main__ import main

from .agent import Answer, connected

ARGV = [sys.executable, "-m", "scribe_suite.notebook"]


def test_a_session_over_stdio_writes_notebook_journal_and_answer(tmp_path):
    setup = tmp_path / "setup.py"
    setup.write_text("offset = 40")

    async def scenario() -> tuple[Answer, Answer]:
        argv = [*ARGV, "--dir", str(tmp_path), "--setup", str(setup), "--cell-timeout", "20"]
        async with asyncio.timeout(60), connected(argv) as agent:
            await agent.start(experiment_name="mine")
            result = await agent.run("answer = offset + 2\nprint(answer)")
            return result, await agent.submit()

    result, submitted = asyncio.run(scenario())
    assert result.output == "42"
    assert "mine.answer.json" in submitted.payload["message"]
    assert (tmp_path / "notebooks" / "mine.answer.json").read_text() == "42"
    names = {path.name for path in (tmp_path / "notebooks").iterdir()}
    assert names == {"mine.ipynb", "mine.journal.jsonl", "mine.answer.json"}


@pytest.mark.slow
def test_it_ends_with_stdin_and_on_sigterm_and_takes_its_kernels_along(tmp_path):
    for end in ("stdin", "sigterm"):
        process = subprocess.Popen(
            [*ARGV, "--dir", str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert "isolation" in process.stderr.readline()
        family = psutil.Process(process.pid).children(recursive=True)
        if end == "sigterm":
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == (143 if end == "sigterm" else 0)
        assert psutil.wait_procs(family, timeout=5)[1] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cell-timeout", "-1"], "--cell-timeout is -1; it must be above 0 seconds."),
        (["--setup", "/does/not/exist.py"], "--setup /does/not/exist.py can't be read (No such file or directory)"),
        (["--cell-timeout", "nan"], "--cell-timeout is nan"),
        (["--setup", "/usr"], "--setup /usr can't be read (Is a directory)"),
        (["--setup", sys.executable], "it is not UTF-8 text"),
        (["--dir", "/proc/nope"], "folders can't be made"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, said, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_help_teaches_how_to_register_it(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "claude mcp add notebook" in text
    assert all(option in text for option in ("--dir", "--isolation", "--cell-timeout", "--setup"))
