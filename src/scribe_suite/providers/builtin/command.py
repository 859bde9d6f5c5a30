"""The command provider: any program as an agent.

It reads the prompt from stdin and reaches the notebook through a command that speaks MCP on its stdin and stdout, or
through the socket that the command connects to. Its output is kept. It has the user's own environment, because it may
need keys; values of variables that look like secrets are removed from the kept output. It has its own empty home and
working folder, and of the user's files it sees only the folder that contains it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.base import AttemptContext, AttemptFailedError, EndReason, Provider, ProviderResult
from scribe_suite.providers.clis.process import run_cli
from scribe_suite.providers.programs import place_for_program, start_program
from scribe_suite.providers.secrets import Scrubber
from scribe_suite.untrusted_files import UntrustedFolder, write_all

SOCKET = "SCRIBE_MCP_SOCKET"
COMMAND = "SCRIBE_MCP_COMMAND"
WALL_S = "SCRIBE_WALL_S"

#: Variables that point into the user's home, or to other programs of the user's.
_OF_THE_HOME = ("XDG_", "SSH_AUTH_SOCK", "DBUS_", "GPG_AGENT_INFO")
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)


class CommandProvider(Provider):
    """Runs ``command:./my_agent``; exit code 0 means that it has finished.

    A program that ends with another code after it has seen the notebook's tools has failed: otherwise an agent could
    choose which attempts count.
    """

    name = "command"
    summary = "command:./my_agent runs any program: prompt on stdin, the notebook through $SCRIBE_MCP_COMMAND"

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Run the program.

        Raises:
            InfrastructureError: ``command_missing`` when there is no such program, ``command_failed`` when it ends
                with another exit code than 0 and has never seen the notebook's tools.
        """
        program = _find(context.model)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_HOME)},
            SOCKET: str(context.endpoint.socket_path),
            COMMAND: shlex.join(context.endpoint.pump_argv),
            WALL_S: f"{context.limits.wall_s:.0f}",
        }
        scrubber = Scrubber(secrets_of(os.environ))
        limit, begin = context.limits.wall_s, time.monotonic()

        def watch(elapsed: float, _silent: float) -> str | None:
            return f"The limit of {limit:g} s was reached." if elapsed > limit else None

        def take(line: str, _at: float) -> None:
            write_all(printed, scrubber.clean(line).encode("utf-8", "replace"))

        stderr = ""
        with (
            UntrustedFolder(context.outputs) as outputs,
            outputs.append("command.stdout.txt") as printed,
            place_for_program("scribe-command-") as place,
        ):
            try:
                with start_program(context, place, [program], [program], environment, surroundings="folder") as running:
                    ending = run_cli(running, context.prompt, take, watch, ran=context.tools_seen)
                stderr = scrubber.clean(ending.printed)
            except OSError as error:
                raise InfrastructureError(
                    "command_missing",
                    f"{program} can't be run ({error.strerror}): has it a first line that names its interpreter?",
                ) from error
            finally:
                outputs.write("command.stderr.txt", [stderr.encode("utf-8", "replace")])
        if ending.stopped is not None:
            over = time.monotonic() - begin > limit
            return ProviderResult(EndReason.TIMEOUT if over else EndReason.LIMIT, ending.stopped)
        if ending.exit_code != 0:
            took = time.monotonic() - begin
            last = stderr.strip().splitlines()[-1:] or ["it printed nothing"]
            said = f"{context.model} ended with exit code {ending.exit_code} after {took:.0f} s: {last[0][:300]}"
            if context.tools_seen():
                return ProviderResult(EndReason.FAILED, said, failure="command_broke_off")
            raise AttemptFailedError("command_failed", said, ProviderResult(EndReason.FAILED))
        return ProviderResult()

    def program(self, model: str | None) -> str | None:
        """The hash of the program's file, or None when it is not found."""
        try:
            return f"sha256 {hashlib.sha256(Path(_find(model)).read_bytes()).hexdigest()}"
        except (InfrastructureError, OSError):
            return None

    def refusal(self, model: str | None) -> str | None:
        """Why the program can't be run: it does not exist, or is not executable."""
        try:
            _find(model)
        except InfrastructureError as error:
            return str(error)
        return None


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Values of variables whose names suggest that they are secret."""
    return [value for name, value in environment.items() if _SECRET_NAME.search(name)]


def _find(named: str | None) -> str:
    """The program's path. One without a slash is looked for on PATH, others are relative to the current folder."""
    found = shutil.which(named or "")
    if found is None or not Path(found).is_file():  # a FIFO may be executable, and be waited for
        raise InfrastructureError("command_missing", _problem(named or ""))
    return str(Path(found).absolute())


def _problem(named: str) -> str:
    """Why a name is not that of a program, and what to do, in a sentence."""
    path = Path(named)
    if "/" not in named:
        beside = (
            f"write command:./{named} for the file here" if path.is_file() else "give a path as in command:./my_agent"
        )
        return f"There is no program {named} on PATH: {beside}, or install it."
    if not path.exists():
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        return f"There is no program {named}{where}: give the path of a file that is there."
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        return f"{named} is {kind} and no program: name a file that can be run."
    return f"{named} is not executable: allow it with `chmod +x {shlex.quote(named)}`."
