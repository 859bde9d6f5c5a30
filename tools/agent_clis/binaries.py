"""The pinned programs from npm in the project folder ``.agents/``: their versions and places, and what is missing.

They are the agent CLIs, and the MCP inspector, which is a client that tests the notebook.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Cli = Literal["claude", "codex", "gemini"]
Program = Literal["claude", "codex", "gemini", "inspector"]
CLIS: tuple[Cli, ...] = get_args(Cli)
PROGRAMS: tuple[Program, ...] = get_args(Program)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".agents"
MODULES = FOLDER / "node_modules"

_ARCH = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_TRIPLE = f"{platform.machine()}-unknown-linux-musl"


@dataclass(frozen=True)
class Row:
    """One program.

    Attributes:
        package: Name in the npm registry.
        version: The version that the tests are written for.
        program: The program to run, below ``node_modules``. For Claude Code and Codex that is the executable itself:
            with npm's wrapper script, a signal would reach only the wrapper.
        needs_node: Whether `program` is JavaScript.
        options: Arguments that it always gets.
    """

    package: str
    version: str
    program: str
    needs_node: bool = False
    options: tuple[str, ...] = ()


PINNED: dict[Program, Row] = {
    "claude": Row("@anthropic-ai/claude-code", "2.1.330", f"@anthropic-ai/claude-code-linux-{_ARCH}/claude"),
    "codex": Row("@openai/codex", "0.169.0", f"@openai/codex-linux-{_ARCH}/vendor/{_TRIPLE}/bin/codex"),
    "gemini": Row("@google/gemini-cli", "0.61.0", "@google/gemini-cli/bundle/gemini.js", needs_node=True),
    "inspector": Row(
        "@modelcontextprotocol/inspector",
        "2.12.0",
        "@modelcontextprotocol/inspector/clients/launcher/build/index.js",
        needs_node=True,
        options=("--cli",),
    ),
}


class MissingError(Exception):
    """A program is missing; the message says which, and what to do."""


def argv(name: Program, modules: Path = MODULES) -> list[str]:
    """The command that runs a program, without further arguments.

    Raises:
        MissingError: When it can't be run.
    """
    row = PINNED[name]
    program = modules / row.program
    if not program.is_file():
        raise MissingError(f"{row.package}@{row.version} is not installed ({program} is missing): run 'make agents'.")
    if not row.needs_node:
        if not os.access(program, os.X_OK):
            raise MissingError(f"{program} can't be executed: run 'make agents'.")
        return [str(program), *row.options]
    node = shutil.which("node")
    if node is None:
        raise MissingError(f"{row.package} needs node 20 or newer, and there is no 'node' on PATH.")
    return [node, str(program), *row.options]


def missing(names: Iterable[Program] = PROGRAMS, modules: Path = MODULES) -> list[str]:
    """A sentence for each program that can't be run; empty when all can."""
    problems = []
    for name in names:
        try:
            argv(name, modules)
        except MissingError as error:
            problems.append(str(error))
    return problems
