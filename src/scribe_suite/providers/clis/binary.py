"""Finds the program of an agent's CLI, and asks it for its version."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scribe_suite.causes import CAUSES
from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.clis.adapter import Adapter
from scribe_suite.sandbox.runtime_folders import temporary_folder

#: Seconds in which a CLI prints its version.
VERSION_S = 60
#: How many characters of a version, and of a CLI's own error message, are kept.
MAX_VERSION, MAX_DETAIL = 100, 500


def find_binary(adapter: type[Adapter], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The command of a CLI: from its variable, which may include arguments, or from PATH.

    Args:
        adapter: The CLI.
        environ: The user's environment.

    Raises:
        InfrastructureError: With cause ``cli_missing``.
    """
    path = environ.get("PATH", os.defpath)
    named = environ.get(adapter.variable)
    if named:
        try:
            command = tuple(shlex.split(named))
        except ValueError:  # a quote that is not closed
            command = (named,)
        program = shutil.which(command[0], path=path) if command else None
        if program is None:
            raise failure(adapter, "cli_missing", f"{adapter.variable} names {named!r}, which is not a program.")
        return (str(Path(program).absolute()), *command[1:])  # it is started in another folder
    found = shutil.which(adapter.program, path=path)
    if found is None and adapter.in_environments:
        found = shutil.which(adapter.program, path=str(Path(sys.executable).parent))
    if found is None:
        raise failure(adapter, "cli_missing", f"There is no program {adapter.program} on PATH.")
    return (str(Path(found).absolute()),)


@functools.cache
def version_of(adapter: type[Adapter], binary: tuple[str, ...]) -> str | None:
    """The version that a CLI prints, or None; it runs with an empty home.

    Args:
        adapter: The CLI.
        binary: Its command.
    """
    with temporary_folder("scribe-cli-") as folder:
        home = str(folder)
        environment = {"HOME": home, "PATH": os.environ.get("PATH", ""), adapter.config_variable: home}
        try:
            printed = subprocess.run(
                [*binary, "--version"], capture_output=True, text=True, timeout=VERSION_S, env=environment, check=False
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return None
    lines = printed.strip().splitlines()
    return lines[-1][:MAX_VERSION] if lines else None


def failure(adapter: type[Adapter], cause: str, detail: str) -> InfrastructureError:
    """The failure of a CLI, with its own message and advice.

    Args:
        adapter: The CLI.
        cause: A cause from the table of `causes` that does not count.
        detail: What is known about it; may be empty.
    """
    advice = CAUSES[cause].advice.format(cli=adapter.title, login=adapter.login, variable=adapter.variable)
    sentence = " ".join(detail.split())[:MAX_DETAIL].rstrip(".")
    return InfrastructureError(cause, f"{sentence}. {advice}" if sentence else advice)
