"""The provider behind every agent CLI: login, home, start, retries, and outcome."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import ClassVar

from scribe_suite.causes import CAUSES, Cause
from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.base import AttemptContext, AttemptFailedError, EndReason, Limits, Provider, ProviderResult
from scribe_suite.providers.clis.adapter import Adapter, Job, Launch
from scribe_suite.providers.clis.binary import failure, find_binary, version_of
from scribe_suite.providers.clis.listening import Listener
from scribe_suite.providers.clis.login import Login, find_login, give_login
from scribe_suite.providers.clis.meter import SILENT, WALL, stop_reason
from scribe_suite.providers.clis.process import Ending, run_cli
from scribe_suite.providers.failures import by_status, by_words, diagnose, without_stacks
from scribe_suite.providers.programs import Place, place_for_program, start_program
from scribe_suite.providers.slots import Slots
from scribe_suite.providers.transcript import Transcript
from scribe_suite.untrusted_files import UntrustedFolder, write_all

#: Variables of the user's that every CLI gets.
COMMON = ("PATH", "LANG", "LC_ALL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
          "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")  # fmt: skip
#: Seconds before each restart of an attempt that failed before its first tool call.
BACKOFF_S = (5.0, 20.0)
#: Seconds for which no attempt of the provider is started after its service has reported too many requests.
RATE_PAUSE_S = 60.0
#: Files that are kept for every start besides its transcript: the raw events with their times, and stderr.
_LOGS = ("events.jsonl", "stderr.txt")
#: How many characters from the end of a CLI's output are shown.
_LAST_WORDS = 500


@dataclass(frozen=True)
class Start:
    """The result of one start of a CLI.

    Attributes:
        transcript: Its messages and actions.
        ending: How its process ended.
        stderr: Its stderr, without secrets.
        cause: What failed, or counts against the agent; None when it worked properly or a limit stopped it.
    """

    transcript: Transcript
    ending: Ending
    stderr: str
    cause: Cause | None

    @property
    def again(self) -> bool:
        """Whether to start it again."""
        return self.cause is not None and self.cause.retried and not self.transcript.calls


class CliProvider(Provider):
    """An agent CLI with the notebook as its only tool.

    Class attributes:
        adapter: Its adapter.
    """

    adapter: ClassVar[type[Adapter]]

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Run the CLI on the prompt.

        Raises:
            InfrastructureError: With a cause from `causes.CAUSES` that does not count, and advice.
        """
        binary = find_binary(self.adapter, os.environ)
        version = version_of(self.adapter, binary)
        deadline = time.monotonic() + context.limits.wall_s
        for backoff_s in (*BACKOFF_S, None):
            left = deadline - time.monotonic()
            start = self._start(replace(context, limits=replace(context.limits, wall_s=left)), binary, version)
            pause_s = _pause_s(start, backoff_s, context.slots)
            if pause_s is None or deadline - time.monotonic() < 2 * pause_s:
                break
            time.sleep(pause_s)
        return self._result(start, context.limits)

    def program(self, model: str | None) -> str | None:  # noqa: ARG002
        """The CLI's version, or None when it is not found or does not report it."""
        try:
            return version_of(self.adapter, find_binary(self.adapter, os.environ))
        except InfrastructureError:
            return None

    def _start(self, context: AttemptContext, binary: tuple[str, ...], version: str | None) -> Start:
        """Start the CLI once, follow it to its end, and keep its output."""
        transcript = Transcript(cli=self.name, cli_version=version)
        with ExitStack() as stack:
            place = stack.enter_context(place_for_program("scribe-cli-"))
            # opened before it runs: files that get one of these names later are neither read nor written
            home, outputs = (stack.enter_context(UntrustedFolder(path)) for path in (place.home, context.outputs))
            login = self._logged_in(place, context.model)
            job = _job(context, place, home, binary)
            listener = Listener(self.adapter(), job, login, transcript, context.activity)
            ending, stderr = self._follow(stack, context, place, listener, outputs)
            listener.look_at_files()
            listener.meter.settle(transcript)
            cause = _cause(transcript, ending, stderr, tools_seen=context.tools_seen())
            transcript.end_reason = cause.name if cause is not None else stop_reason(ending.stopped)
            text = listener.clean(transcript.model_dump_json(indent=1, warnings=False))
            outputs.write("transcript.json", [text.encode("utf-8", "replace") + b"\n"])
        return Start(transcript, ending, stderr, cause)

    def _logged_in(self, place: Place, model: str | None) -> Login:
        """The user's login, copied to the CLI's home."""
        login = find_login(self.adapter, os.environ, model)
        if not login and self.adapter.access(model, os.environ).needs_login:
            raise failure(self.adapter, "not_logged_in", f"No login of {self.adapter.title} was found.")
        give_login(login, place.home)
        return login

    def _follow(
        self, stack: ExitStack, context: AttemptContext, place: Place, listener: Listener, outputs: UntrustedFolder
    ) -> tuple[Ending, str]:
        """Run the CLI to its end, and keep its logs whatever happens.

        Args:
            stack: Closes what is opened here, after the CLI's remaining files have been read.
            context: The attempt.
            place: Its folders.
            listener: Follows it.
            outputs: Folder of the logs.

        Returns:
            How it ended, and its output, without secrets.
        """
        launch = listener.adapter.launch(listener.job)
        logs = [stack.enter_context(outputs.append(f"{self.name}.{end}")) for end in _LOGS]
        environment, printed = _environment(self.adapter, context.model, launch), ""
        try:
            program = stack.enter_context(
                start_program(context, place, listener.job.binary, launch.argv, environment, surroundings="file")
            )
            # its copy of the login is there, among its files
            listener.look_into(stack.enter_context(program.folder.folder(place.home.name)))
            ending = run_cli(program, launch.stdin, listener.take, listener.watch, ran=context.tools_seen)
            printed = ending.printed
        except OSError as error:
            raise failure(self.adapter, "cli_missing", str(error)) from error
        finally:
            listener.learn_secrets()
            printed = listener.clean(printed)
            for log, text in zip(logs, (listener.events(), printed), strict=True):
                write_all(log, text.encode("utf-8", "replace"))
        return ending, printed

    def _result(self, start: Start, limits: Limits) -> ProviderResult:
        """The result of the last start.

        Raises:
            AttemptFailedError: When something failed that is not the agent's fault.
        """
        cause, stopped, spent = start.cause, start.ending.stopped, _spent(start.transcript)
        if cause is not None and not cause.counts:
            # the messages of an interrupted CLI are about the interrupt
            detail = "" if stopped else start.transcript.error or _last_words(start.stderr)
            raise AttemptFailedError(cause.name, str(failure(self.adapter, cause.name, detail)), spent)
        if stopped is not None:
            reason = stop_reason(stopped)
            timeout = reason is EndReason.TIMEOUT
            return replace(
                spent,
                end_reason=reason,
                detail=f"{WALL} of {limits.wall_s:g} s was reached." if timeout else stopped,
            )
        if start.transcript.limit:
            return replace(
                spent, end_reason=EndReason.LIMIT, detail=f"{self.adapter.title} stopped at a limit of its own."
            )
        if cause is None or cause.name == "no_tool_call":
            return replace(spent, end_reason=EndReason.FINISHED, detail="" if cause is None else cause.meaning)
        said = start.transcript.error or _last_words(start.stderr)
        reason = EndReason.LIMIT if cause.name == "context_overflow" else EndReason.FAILED
        return replace(spent, end_reason=reason, detail=f"{cause.meaning} {said}".strip(), failure=cause.name)


def _pause_s(start: Start, backoff_s: float | None, slots: Slots | None) -> float | None:
    """Seconds until the next start, or None for no restart; all workers wait after too many requests."""
    if slots is not None and start.cause is not None and start.cause.name == "rate_limited":
        slots.pause(RATE_PAUSE_S)
    if backoff_s is None or not start.again:
        return None
    return max(backoff_s, slots.pause_left() if slots is not None else 0.0)


def _job(context: AttemptContext, place: Place, home: UntrustedFolder, binary: tuple[str, ...]) -> Job:
    return Job(
        prompt=context.prompt,
        model=context.model,
        endpoint=context.endpoint,
        limits=context.limits,
        home=place.home,
        kept=home,
        work=place.work,
        binary=binary,
        environ=dict(os.environ),
    )


def _environment(adapter: type[Adapter], model: str | None, launch: Launch) -> dict[str, str]:
    """A CLI's whole environment except its home: our own list, nothing else is inherited."""
    access = adapter.access(model, os.environ)
    return {
        **{name: os.environ[name] for name in COMMON if name in os.environ},
        **{name: os.environ[name] for name in (*access.keys, *access.settings) if os.environ.get(name)},
        "TERM": "xterm-256color",
        **launch.environment,
    }


def _cause(transcript: Transcript, ending: Ending, stderr: str, *, tools_seen: bool) -> Cause | None:
    """What failed or counts against the agent, if anything; None also when one of our limits stopped it."""
    name = _cause_by_end(transcript, ending, stderr)
    cause = None if name is None else CAUSES[name]
    if not tools_seen and (cause is None or cause.counts):
        # whatever the CLI reports and however it ended, an agent that never saw the notebook's tools has not failed
        return CAUSES["mcp_not_connected"]
    return cause


def _cause_by_end(transcript: Transcript, ending: Ending, stderr: str) -> str | None:
    if ending.stopped is None:
        return diagnose(transcript, ending.exit_code, stderr)
    if ending.stopped == SILENT:
        return "stalled" if transcript.answered else "no_response"
    if not ending.stopped.startswith(WALL):
        return None
    if transcript.retrying is not None:
        return by_status(transcript.retrying)  # it was still asking again
    if not transcript.answered:
        return by_words(stderr) or "no_response"  # in all its time it got not one answer; it may have said why
    return None


def _spent(transcript: Transcript) -> ProviderResult:
    return ProviderResult(
        EndReason.FAILED,
        model=transcript.model,
        turns=transcript.requests or None,
        tool_calls=transcript.notebook_calls,
        tokens=transcript.tokens.by_kind() if transcript.tokens is not None else {},
        cost_usd=transcript.cost_usd,
        version=transcript.cli_version,
    )


def _last_words(stderr: str) -> str:
    """The end of a CLI's output, without stack traces."""
    return without_stacks(stderr).strip()[-_LAST_WORDS:]
