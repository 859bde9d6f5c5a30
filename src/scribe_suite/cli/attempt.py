"""``scribe-suite attempt``: make an attempt by hand, from any program that types.

Each action is one request to the attempt that waits in a folder (``--provider human`` and ``human:terminal`` hand it
over there); `begin` starts a run that does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scribe_suite.cli.parsers import Commands, add_command
from scribe_suite.errors import ConfigurationError

#: Seconds that a run may take until its attempt waits: models are loaded first.
BEGIN_S = 600.0
_LOOK_S = 0.2
_TERMINAL = "human:terminal"
_FOLDER_HELP = "where the attempt is handed over"
#: Exit code when the notebook or the attempt said no.
_SAID_NO = 1


def register(commands: Commands) -> None:
    """Add the command and its actions."""
    parser = add_command(
        commands,
        "attempt",
        lambda _: _help(parser),
        summary="make an attempt by hand, from any program that types",
        description="Make an attempt by hand, as a person or as a program that types: the prompt, the notebook's tools "
        "and the time limit are those of agents, and the clock can be stopped. docs/guide/human-baselines.md says how "
        "to measure people.",
        examples=(
            "scribe-suite attempt begin /tmp/ada circuits/mechanism_3",
            "scribe-suite attempt ask /tmp/ada execute_code session_id=s1 code='print(model.cfg)'",
            "scribe-suite attempt submit /tmp/ada answer",
            "scribe-suite attempt quit /tmp/ada",
        ),
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    _add_begin(actions)
    add_command(
        actions, "list", _list, summary="the attempts that wait for a person", description="List the folders in which "
        "attempts wait, with the address of those that are made in a browser.",
    )  # fmt: skip
    for name, run, summary in _PLAIN:
        _with_folder(add_command(actions, name, run, summary=summary, description=f"{summary.capitalize()}."))
    _add_others(actions)


def _add_begin(actions: Commands) -> None:
    begin = add_command(
        actions,
        "begin",
        _begin,
        summary="start a run of one task in the background, and hand its attempt over in a folder",
        description="Start a run of one task in the background, wait until its attempt is handed over in the folder, "
        "and start the clock. Ledger and attempt folder are written to the results folder, and what pytest prints "
        "beside them, in attempt-NAME.log: the person should see neither, because both have the score. Several "
        "attempts can be made side by side, each with a folder of its own.",
        examples=(
            "scribe-suite attempt begin /tmp/ada circuits/ioi_2 --wall 7200",
            "scribe-suite attempt begin /tmp/bob circuits/ioi_2 --seed 7 --results-dir study --browser --wait",
        ),
    )
    _with_folder(begin)
    begin.add_argument("task", metavar="FAMILY/TASK", help="its id with the level, as in circuits/mechanism_3")
    begin.add_argument("--wall", type=float, metavar="SECONDS", help="time limit of the attempt")
    begin.add_argument("--seed", metavar="SEED", help="--instance-seed: the same for everybody who gets the same items")
    begin.add_argument("--results-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    begin.add_argument("--browser", action="store_true", help="in JupyterLab instead of a terminal")
    begin.add_argument("--wait", action="store_true", help="leave the clock to the person")
    begin.add_argument("--pytest", nargs=argparse.REMAINDER, default=[], metavar="OPTION", help="more options of a run")


def _add_others(actions: Commands) -> None:
    note = _with_folder(
        add_command(
            actions, "note", _note, summary="keep a note with the attempt",
            description="Keep a note with the attempt: what was unclear, which method worked, which did not.",
        )
    )  # fmt: skip
    note.add_argument("text", nargs="+", metavar="TEXT", help="the note; - reads it from standard input")
    ask = _with_folder(
        add_command(
            actions,
            "ask",
            _ask,
            summary="call a tool of the notebook",
            description="Call a tool of the notebook and print its reply. Figures are files, whose paths are printed. "
            "The exit code is 1 when the notebook answers with an error.",
            examples=("scribe-suite attempt ask DIR execute_code session_id=s1 code=- < cell.py",),
        )
    )
    ask.add_argument("tool", metavar="TOOL", help="its name; `scribe-suite attempt tools DIR` lists them")
    ask.add_argument("arguments", nargs="*", metavar="NAME=VALUE", help="text or JSON; - reads it from standard input")
    submit = _with_folder(
        add_command(
            actions, "submit", _submit, summary="submit a variable as the answer",
            description="Submit the value of a variable as the answer; the last valid one counts.",
        )
    )  # fmt: skip
    submit.add_argument("variable", nargs="?", default="answer", metavar="VARIABLE", help="default: answer")
    submit.add_argument("--session", metavar="ID", help="where it is; default: the session that was started last")


def _help(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 2


def _with_folder(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("folder", type=Path, metavar="DIR", help=_FOLDER_HELP)
    return parser


def _begin(options: argparse.Namespace) -> int:
    """Start the run, wait for the attempt, start the clock."""
    from scribe_suite.cli.run import pytest_arguments
    from scribe_suite.paths import ROOT_VARIABLE
    from scribe_suite.providers.builtin.human.handover import FOLDER_VARIABLE, PROMPT, is_open

    folder: Path = options.folder.absolute()
    family, label = _task(options.task)
    if is_open(folder):
        raise ConfigurationError(f"An attempt waits in {folder} already: name another folder.")
    provider = "human" if options.browser else _TERMINAL
    root, arguments = pytest_arguments([family, *_run_options(options, label, provider)], every=False)
    results: Path = options.results_dir
    results.mkdir(parents=True, exist_ok=True)
    log = results / f"attempt-{folder.name}.log"
    environment = {**os.environ, ROOT_VARIABLE: str(root), FOLDER_VARIABLE: str(folder)}
    with log.open("w", encoding="utf-8") as printed:
        run = subprocess.Popen(
            [sys.executable, "-P", "-m", "pytest", *arguments],
            stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + BEGIN_S
    while not is_open(folder):
        if run.poll() is not None or time.monotonic() > deadline:
            run.terminate()
            raise ConfigurationError(f"The run ended before its attempt could begin: {_last_line(log)} (see {log}).")
        time.sleep(_LOOK_S)
    if options.wait:
        print(f"waits: {_address(folder) or f'scribe-suite attempt start {folder}'}")
        return 0
    _say(folder, "start")
    print(_address(folder) or folder / PROMPT)
    return 0


def _task(text: str) -> tuple[str, str]:
    """Family and label of a task.

    Raises:
        ConfigurationError: When there is none with this id.
    """
    from scribe_suite.tasks.registry import default_registry

    known = default_registry().facts
    family, _, label = text.partition("/")
    if f"{family}/{label.partition('.')[0]}" not in known:
        raise ConfigurationError(f"There is no task {text!r}: `scribe-suite tasks` lists them; circuits/ioi_2 is one.")
    return family, label


def _run_options(options: argparse.Namespace, label: str, provider: str) -> list[str]:
    """The options of a run with one attempt."""
    further: Sequence[str] = options.pytest
    made = ["-k", f"[{label}-{provider}-t0]", "--provider", provider, "--record-only", "--live", "off", "-q"]
    made += ["--results-dir", str(options.results_dir)]
    if not any(option.partition("=")[0] == "--level" for option in further):
        made += ["--level", "all"]
    if "." in label and not any(option.partition("=")[0] == "--access" for option in further):
        made += ["--access", label.partition(".")[2]]
    if options.wall is not None:
        made += ["--agent-timeout", f"{options.wall:g}"]
    if options.seed is not None:
        made += ["--instance-seed", options.seed]
    return [*made, *further]


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def _list(_: argparse.Namespace) -> int:
    from scribe_suite.providers.builtin.human.handover import is_open, root

    folders = [folder.resolve() for folder in sorted(root().glob("*")) if is_open(folder)]
    for folder in folders:
        status = _request(folder, "status")["status"]
        print("  ".join(filter(None, (str(folder), str(status["stage"]), _address(folder)))))
    if not folders:
        print("No attempt waits. Begin one: scribe-suite attempt begin DIR FAMILY/TASK")
    return 0


def _status(options: argparse.Namespace) -> int:
    status = _request(options.folder, "status")["status"]
    print(f"{status['stage']}: {_minutes(status['worked_s'])} of {_minutes(status['limit_s'])} min worked")
    print(f"a cell may take {status['cell_s']:g} s; {status['calls']} calls of tools so far")
    print(f"sessions: {', '.join(status['sessions']) or 'none'}")
    if status["first_answer_s"] is not None:
        first, last = _minutes(status["first_answer_s"]), _minutes(status["last_answer_s"])
        print(f"valid answers: the first after {first} min, the last after {last} min")
    if (address := _address(options.folder)) is not None:
        print(f"in a browser: {address}")
    return 0


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def _tools(options: argparse.Namespace) -> int:
    for tool in _request(options.folder, "tools")["tools"]:
        arguments = ", ".join(tool["inputSchema"].get("properties", {}))
        print(f"{tool['name']}({arguments})\n  {tool['description'].splitlines()[0]}")
    return 0


def _note(options: argparse.Namespace) -> int:
    text = " ".join(options.text)
    return _say(options.folder, "note", text=sys.stdin.read() if text == "-" else text)


def _ask(options: argparse.Namespace) -> int:
    return _say(options.folder, "ask", tool=options.tool, arguments=dict(map(_argument, options.arguments)))


def _submit(options: argparse.Namespace) -> int:
    return _say(options.folder, "submit", variable=options.variable, session=options.session)


def _argument(text: str) -> tuple[str, Any]:
    """Name and value of ``name=value``; code is never read as JSON.

    Raises:
        ConfigurationError: When it has no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigurationError(f"{text[:80]!r} is not of the form NAME=VALUE.")
    if value == "-":
        return name, sys.stdin.read()
    if name in _NUMBERS:
        try:
            return name, json.loads(value)
        except ValueError:
            return name, value
    return name, value


#: Arguments of tools that are numbers; all others are text.
_NUMBERS = frozenset({"cell_index", "page"})


def _plain(do: str) -> Callable[[argparse.Namespace], int]:
    """An action without arguments."""
    return lambda options: _say(options.folder, do)


_PLAIN: tuple[tuple[str, Callable[[argparse.Namespace], int], str], ...] = (
    ("status", _status, "the clock, the sessions, and when there was a valid answer"),
    ("start", _plain("start"), "start the clock; the prompt is shown from then on"),
    ("prompt", _plain("prompt"), "print the prompt"),
    ("tools", _tools, "list the notebook's tools"),
    ("pause", _plain("pause"), "stop the clock"),
    ("resume", _plain("resume"), "let the clock go on"),
    ("quit", _plain("quit"), "end the attempt; what was submitted counts"),
)


def _say(folder: Path, do: str, **fields: Any) -> int:
    """Send a request and print the reply; returns the exit code."""
    reply = _request(folder, do, **fields)
    print(reply["text"])
    for image in reply.get("images", ()):
        print(f"[image: {image}]")
    if do in ("ask", "submit"):
        print(f"[{reply['seconds']:g} s]")
    return _SAID_NO if reply.get("is_error") else 0


def _request(folder: Path, do: str, **fields: Any) -> dict[str, Any]:
    """Send a request.

    Raises:
        ConfigurationError: When no attempt answers, or it refuses.
    """
    from scribe_suite.providers.builtin.human.terminal_client import request

    reply = request(folder, do, **fields)
    if "refused" in reply:
        raise ConfigurationError(str(reply["refused"]))
    return reply


def _address(folder: Path) -> str | None:
    from scribe_suite.providers.builtin.human.handover import ADDRESS

    path = folder / ADDRESS
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None
