"""The standalone server, through the MCP SDK's own client over real stdio."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from scribe_suite.notebook.__main__ import build_parser, main

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
        (["--files", "/does/not/exist"], "--files /does/not/exist: there is no such file or folder."),
        (["--files", __file__, "--files", __file__], "there is a test_main.py already; rename one of the two."),
        (["--preload", "json", "no_such_module"], "--preload no_such_module: there is no such module in the Python"),
        (["--memory", "0"], "--memory is 0; it must be above 0 GiB"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, said, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_files_that_no_kernel_could_hold_are_refused_before_they_are_read(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "large").open("wb") as file:
        file.truncate(1 << 40)
    assert main(["--files", str(tmp_path / "data")]) == 2
    assert "that makes more than 512 MiB in all" in capsys.readouterr().err


def test_files_and_modules_that_were_named_are_there(tmp_path):
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "points.csv").write_text("1,2")
    (tmp_path / "notes.txt").write_text("three")

    async def scenario() -> Answer:
        argv = [*ARGV, "--dir", str(tmp_path), "--files", str(data), "--files", str(tmp_path / "notes.txt")]
        async with asyncio.timeout(60), connected([*argv, "--preload", "wave", "--memory", "3"]) as agent:
            await agent.start()
            return await agent.run(
                "import sys\nprint(open('deep/points.csv').read(), open('notes.txt').read(), 'wave' in sys.modules)"
            )

    assert asyncio.run(scenario()).output == "1,2 three True"


@pytest.mark.slow
def test_two_servers_may_share_a_folder_and_a_notebook_is_open_in_one(tmp_path):
    async def scenario() -> list[Answer]:
        argv = [*ARGV, "--dir", str(tmp_path)]
        async with asyncio.timeout(90), connected(argv) as one, connected(argv) as other:
            await one.start(experiment_name="mine")
            taken = await other.start("start_session_resume_notebook", notebook_path="mine.ipynb")
            await other.start(experiment_name="mine")
            assert other.notebook_path != one.notebook_path
            return [taken, await one.run("print('one')"), await other.run("print('other')")]

    taken, one, other = asyncio.run(scenario())
    assert "mine.ipynb is open in another notebook server: end it there" in taken.error
    assert (one.output, other.output) == ("one", "other")


def test_somebody_who_starts_it_by_hand_is_told_what_it_waits_for(tmp_path):
    leader, follower = os.openpty()
    process = subprocess.Popen([*ARGV, "--dir", str(tmp_path)], stdin=follower, stderr=subprocess.PIPE, text=True)
    os.close(follower)
    try:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]
        assert "waits for messages now. Ctrl-D ends it, --help says how to register it." in said[1]
        os.write(leader, b"\x04")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
        os.close(leader)


#: What the guide says beside the help.
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "notebook.md"


def test_the_help_and_the_guide_teach_how_to_register_it(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text, guide = capsys.readouterr().out, GUIDE.read_text()
    for cli in ("claude", "codex", "gemini"):
        assert f"{cli} mcp add notebook" in text
        assert f"{cli} mcp add notebook" in guide
    options = {option for action in build_parser()._actions for option in action.option_strings} - {"-h", "--help"}
    assert set(re.findall(r"^\| `(--[\w-]+)", guide, re.MULTILINE)) == options
