"""The provider behind every agent CLI: login, home, limits, events, retries, and what became of it."""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from scribe_suite.causes import CAUSES
from scribe_suite.errors import InfrastructureError
from scribe_suite.providers import prices
from scribe_suite.providers.base import (
    Activity,
    AttemptContext,
    AttemptFailedError,
    EndReason,
    Limits,
    Provider,
    ProviderResult,
)
from scribe_suite.providers.clis.adapter import Adapter, Job
from scribe_suite.providers.clis.events import parse_event
from scribe_suite.providers.clis.login import find_login, give_login, secrets_of
from scribe_suite.providers.clis.process import Ending, run_cli
from scribe_suite.providers.failures import by_status, by_words, diagnose, without_stacks
from scribe_suite.providers.programs import place_for_program, start_program
from scribe_suite.providers.secrets import Scrubber
from scribe_suite.providers.transcript import Transcript
from scribe_suite.sandbox.runtime_folders import temporary_folder
from scribe_suite.untrusted_files import UntrustedFolder, write_all

#: Variables of the user's that every CLI is given.
COMMON = ("PATH", "LANG", "LC_ALL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
          "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")  # fmt: skip
#: Seconds of silence, beyond the longest cell, after which a CLI counts as hanging.
SILENCE_S = 420.0
#: Seconds of silence that are a thought in any case, however short the time of an attempt is.
THOUGHT_S = 20.0
#: Seconds between two looks at what a CLI tells of its tokens in its files only.
LOOK_S = 2.0
#: Seconds before each new try of an attempt that failed before its first tool call.
BACKOFF_S = (5.0, 20.0)
#: Seconds for which no attempt of the provider is started after its service has said that there are too many requests.
RATE_PAUSE_S = 60.0
#: What is kept of every try beside its transcript: the raw events with their times, and what was printed to stderr.
_LOGS = ("events.jsonl", "stderr.txt")
#: What reading something comes to that has another form than it should.
_ODD = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)
_SILENT = "silence"
_WALL = "The wall clock limit"


@dataclass
class _Try:
    """One start of a CLI."""

    transcript: Transcript
    ending: Ending
    stderr: str
    cause: str | None = None
    raw: list[str] = field(default_factory=list)


class CliProvider(Provider):
    """An agent CLI with the notebook as its only tool.

    Class attributes:
        adapter: What is particular to it.
    """

    adapter: ClassVar[type[Adapter]]

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Run the CLI on the prompt.

        Raises:
            InfrastructureError: With a cause of `causes.CAUSES` that does not count, and what to do.
        """
        binary = find_binary(self.adapter, os.environ)
        version = version_of(binary)
        deadline = time.monotonic() + context.limits.wall_s
        for pause in (*BACKOFF_S, None):
            left = deadline - time.monotonic()
            tried = self._try(replace(context, limits=replace(context.limits, wall_s=left)), binary, version)
            if tried.cause == "rate_limited" and context.slots is not None:
                context.slots.pause(RATE_PAUSE_S)
            failure = CAUSES.get(tried.cause or "")
            again = failure is not None and failure.retried and not tried.transcript.calls
            if not again or pause is None:
                break
            pause = max(pause, context.slots.pause_left() if context.slots is not None else 0.0)
            if deadline - time.monotonic() < 2 * pause:
                break
            time.sleep(pause)
        return self._result(tried, context.limits)

    def program(self, model: str | None) -> str | None:  # noqa: ARG002
        """The CLI's version, or None when it is not found or does not say it."""
        try:
            return version_of(find_binary(self.adapter, os.environ))
        except InfrastructureError:
            return None

    def _try(self, context: AttemptContext, binary: tuple[str, ...], version: str | None) -> _Try:
        adapter = self.adapter()
        transcript = Transcript(cli=self.name, cli_version=version)
        with ExitStack() as stack:
            place = stack.enter_context(place_for_program("scribe-cli-"))
            # opened before it runs: whatever has one of these names later is not what is read or written
            kept, outputs = (stack.enter_context(UntrustedFolder(path)) for path in (place.home, context.outputs))
            login = find_login(self.adapter, os.environ)
            if not login:
                raise _failed(self.adapter, "not_logged_in", f"No login of {adapter.title} was found.")
            give_login(login, place.home)
            scrubber = Scrubber(secrets_of(login, kept, os.environ))
            job = Job(
                prompt=context.prompt,
                model=context.model,
                endpoint=context.endpoint,
                limits=context.limits,
                home=place.home,
                kept=kept,
                work=place.work,
                binary=binary,
                environ=dict(os.environ),
            )
            launch = adapter.launch(job)
            environment = {
                **{name: os.environ[name] for name in COMMON if name in os.environ},
                **{name: os.environ[name] for name in (*adapter.keys, *adapter.settings) if os.environ.get(name)},
                "TERM": "xterm-256color",
                **launch.environment,
            }
            raw: list[str] = []

            def take(line: str, at: float) -> None:
                raw.append(json.dumps({"at": round(at, 3), "line": scrubber.clean(line.rstrip("\n"))}))
                event = parse_event(scrubber.clean(line))
                if event is None:
                    return
                try:
                    adapter.read(event, at, transcript)
                except _ODD:
                    transcript.unknown_events += 1  # a version we do not know; what we do know is still read

            limits = context.limits
            looked = 0.0

            def watch(elapsed: float, silent: float) -> str | None:
                nonlocal looked
                _tell(context.activity, transcript)
                if (limits.tokens or limits.cost_usd) and elapsed > looked + LOOK_S:
                    looked = elapsed
                    _finish(adapter, job, transcript)
                return _over_limit(limits, transcript, elapsed, silent)

            logs = [stack.enter_context(outputs.append(f"{self.name}.{end}")) for end in _LOGS]
            told = ""
            try:
                program = stack.enter_context(
                    start_program(context, place, binary, launch.argv, environment, surroundings="file")
                )
                # what it has there is its own copy, where its files are
                kept = stack.enter_context(program.folder.folder(place.home.name))
                job = replace(job, kept=kept)
                ending = run_cli(program, launch.stdin, take, watch)
                told = ending.printed
            except OSError as error:
                raise _failed(self.adapter, "cli_missing", str(error)) from error
            finally:
                # anew: a CLI may have renewed its tokens
                scrubber = Scrubber(secrets_of(login, kept, os.environ))
                printed = scrubber.clean(told)
                texts = ("".join(f"{scrubber.clean(line)}\n" for line in raw), printed)
                for log, text in zip(logs, texts, strict=True):
                    write_all(log, text.encode("utf-8", "replace"))
            _finish(adapter, job, transcript)
            return self._judged(context, _Try(transcript, ending, printed, raw=raw), outputs, scrubber)

    def _judged(self, context: AttemptContext, tried: _Try, outputs: UntrustedFolder, scrubber: Scrubber) -> _Try:
        """Say what became of a try, and keep its transcript."""
        transcript, ending, printed = tried.transcript, tried.ending, tried.stderr
        if transcript.cost_usd is None or transcript.cost_usd == 0:
            transcript.cost_usd = prices.cost_of(transcript.model, transcript.tokens) or transcript.cost_usd
        if ending.stopped is None:
            tried.cause = diagnose(transcript, ending.exit_code, printed)
        elif ending.stopped == _SILENT:
            tried.cause = "stalled" if transcript.answered else "no_response"
        elif ending.stopped.startswith(_WALL) and transcript.retrying is not None:
            tried.cause = by_status(transcript.retrying)  # it was still asking again
        elif ending.stopped.startswith(_WALL) and not transcript.answered:
            # in all its time it got not one answer; it may have said why
            tried.cause = by_words(printed) or "no_response"
        failure = CAUSES.get(tried.cause or "")
        if not context.tools_listed() and (failure is None or failure.counts):
            # whatever the CLI says, and however it ended: an agent that never saw the notebook's tools has not failed
            tried.cause = "mcp_not_connected"
        transcript.end_reason = tried.cause or _stop_reason(ending.stopped)
        text = transcript.model_dump_json(indent=1, warnings=False)
        outputs.write("transcript.json", [scrubber.clean(text).encode("utf-8", "replace") + b"\n"])
        return tried

    def _result(self, tried: _Try, limits: Limits) -> ProviderResult:
        told = tried.transcript
        failure = CAUSES.get(tried.cause or "")
        if failure is not None and not failure.counts:
            # what one says that has been interrupted is about the interrupt
            detail = "" if tried.ending.stopped else told.error or _last_words(tried.stderr)
            error = _failed(self.adapter, str(tried.cause), detail)
            raise AttemptFailedError(error.cause, str(error), _spent(told))
        reason, detail = EndReason.FINISHED, ""
        if tried.ending.stopped is not None:
            reason = _stop_reason(tried.ending.stopped)
            timeout = reason is EndReason.TIMEOUT
            detail = f"{_WALL} of {limits.wall_s:g} s was reached." if timeout else tried.ending.stopped
        elif tried.cause == "limit_reached":
            reason, detail = EndReason.LIMIT, f"{self.adapter.title} stopped at a limit of its own."
        elif failure is not None:
            detail = failure.advice
        return replace(_spent(told), end_reason=reason, detail=detail)


def _stop_reason(stopped: str | None) -> EndReason:
    """Why it ended, when nothing failed: by itself, or by what the watch said."""
    if stopped is None:
        return EndReason.FINISHED
    return EndReason.TIMEOUT if stopped.startswith(_WALL) else EndReason.LIMIT


def _spent(told: Transcript) -> ProviderResult:
    return ProviderResult(
        EndReason.FAILED,
        model=told.model,
        turns=told.requests or None,
        tool_calls=told.notebook_calls,
        tokens=told.tokens.by_kind() if told.tokens is not None else {},
        cost_usd=told.cost_usd,
        version=told.cli_version,
    )


def find_binary(adapter: type[Adapter], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The command of a CLI: from its variable, which may hold arguments, or from PATH.

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
            raise _failed(adapter, "cli_missing", f"{adapter.variable} names {named!r}, which is no program.")
        return (str(Path(program).absolute()), *command[1:])  # it is started in another folder
    found = shutil.which(adapter.program, path=path)
    if found is None:
        raise _failed(adapter, "cli_missing", f"There is no program {adapter.program} on PATH.")
    return (str(Path(found).absolute()),)


@functools.cache
def version_of(binary: tuple[str, ...]) -> str | None:
    """What a CLI prints as its version, or None."""
    with temporary_folder("scribe-cli-") as folder:
        home = str(folder)
        environment = {"HOME": home, "PATH": os.environ.get("PATH", ""), "CODEX_HOME": home, "GEMINI_CLI_HOME": home}
        try:
            printed = subprocess.run(
                [*binary, "--version"], capture_output=True, text=True, timeout=60, env=environment, check=False
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return None
    lines = printed.strip().splitlines()
    return lines[-1][:100] if lines else None


def _turns(transcript: Transcript) -> int:
    """Turns of the model; some CLIs tell of requests only when they end."""
    return max(transcript.requests, len(transcript.calls))


def _tell(activity: Activity, transcript: Transcript) -> None:
    """Let whoever watches the run know how far it is."""
    activity.turn = _turns(transcript)
    last = transcript.calls[-1] if transcript.calls else None
    activity.own_tool = last.tool if last is not None and last.built_in else None


def _over_limit(limits: Limits, transcript: Transcript, elapsed: float, silent: float) -> str | None:
    """What limit has been reached, as a sentence, or None."""
    answering = any(call.ended is None for call in transcript.calls)
    if elapsed > limits.wall_s:
        # nobody thinks for half of the time without a word: the service has let it down
        return _SILENT if silent > max(THOUGHT_S, elapsed / 2) and not answering else _WALL
    if silent > limits.cell_s + SILENCE_S:
        return _SILENT
    if limits.turns is not None and _turns(transcript) > limits.turns:
        return f"The limit of {limits.turns} turns was reached."
    tokens = transcript.tokens
    if limits.tokens is not None and tokens is not None and sum(tokens.by_kind().values()) > limits.tokens:
        return f"The limit of {limits.tokens} tokens was reached."
    if limits.cost_usd is not None and (prices.cost_of(transcript.model, tokens) or 0.0) > limits.cost_usd:
        return f"The limit of {limits.cost_usd:g} US dollars was reached."
    return None


def _failed(adapter: type[Adapter], cause: str, detail: str) -> InfrastructureError:
    advice = CAUSES[cause].advice.format(cli=adapter.title, login=adapter.login, variable=adapter.variable)
    told = " ".join(detail.split())[:500].rstrip(".")
    return InfrastructureError(cause, f"{told}. {advice}" if told else advice)


def _last_words(stderr: str) -> str:
    """The end of what a CLI printed, without the lines of a stack."""
    return without_stacks(stderr).strip()[-500:]


def _finish(adapter: Adapter, job: Job, transcript: Transcript) -> None:
    """Look at what a CLI has written; what it wrote in another way than it should tells nothing."""
    with suppress(*_ODD):
        adapter.finish(job, transcript)
