"""The provider behind every agent CLI: login, home, limits, events, retries, and what became of it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers import prices
from scribe_suite.providers.base import AttemptContext, EndReason, Limits, Provider, Transcript
from scribe_suite.providers.clis.adapter import Adapter, Job
from scribe_suite.providers.clis.process import Ending, run_cli
from scribe_suite.providers.conversation import Conversation
from scribe_suite.providers.failures import FAILURES, diagnose
from scribe_suite.providers.secrets import Scrubber, values_in_file

#: Variables of the user's that every CLI is given.
COMMON = ("PATH", "LANG", "LC_ALL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
          "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")  # fmt: skip
#: Seconds of silence, beyond the longest cell, after which a CLI counts as hanging.
SILENCE_S = 420.0
#: Seconds before each new try of an attempt that failed before its first tool call.
BACKOFF_S = (5.0, 20.0)
_SILENT = "silence"


@dataclass
class _Try:
    """One start of a CLI."""

    conversation: Conversation
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

    def attempt(self, context: AttemptContext) -> Transcript:
        """Run the CLI on the prompt.

        Raises:
            InfrastructureError: With a cause of `failures.FAILURES` that does not count, and what to do.
        """
        binary = find_binary(self.adapter)
        version = version_of(binary)
        deadline = time.monotonic() + context.limits.wall_s
        for pause in (*BACKOFF_S, None):
            left = deadline - time.monotonic()
            tried = self._try(replace(context, limits=replace(context.limits, wall_s=left)), binary, version)
            failure = FAILURES.get(tried.cause or "")
            again = failure is not None and failure.retried and not tried.conversation.calls
            if not again or pause is None or deadline - time.monotonic() < 2 * pause:
                break
            time.sleep(pause)
        return self._transcript(tried)

    def _try(self, context: AttemptContext, binary: tuple[str, ...], version: str | None) -> _Try:
        adapter = self.adapter()
        conversation = Conversation(cli=self.name, cli_version=version)
        with tempfile.TemporaryDirectory(prefix="scribe-cli-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            home, work = folder / "home", folder / "work"
            for place in (home, work):
                place.mkdir(mode=0o700)
            secrets = _copy_login(adapter, home)
            scrubber = Scrubber(secrets)
            job = Job(
                context.prompt, context.model, context.endpoint, context.limits, home, work, binary, dict(os.environ)
            )
            launch = adapter.launch(job)
            environment = {
                **{name: os.environ[name] for name in COMMON if name in os.environ},
                **{name: os.environ[name] for name in (*adapter.keys, *adapter.settings) if os.environ.get(name)},
                "HOME": str(home),
                "TMPDIR": str(work),
                "TERM": "xterm-256color",
                **launch.environment,
            }
            raw: list[str] = []

            def take(line: str, at: float) -> None:
                raw.append(json.dumps({"at": round(at, 3), "line": scrubber.clean(line.rstrip("\n"))}))
                event = _as_object(scrubber.clean(line))
                if event is not None:
                    adapter.read(event, at, conversation)

            limits = context.limits

            def watch(elapsed: float, silent: float) -> str | None:
                return _over_limit(limits, conversation, elapsed, silent)

            stderr = folder / "stderr"
            try:
                ending = run_cli(launch.argv, environment, work, launch.stdin, stderr, take, watch)
            except OSError as error:
                raise _failed(self.adapter, "cli_missing", str(error)) from error
            finally:
                _keep(context.outputs, self.name, raw, scrubber, stderr)
            adapter.finish(job, conversation)
        if conversation.cost_usd is None or conversation.cost_usd == 0:
            conversation.cost_usd = prices.cost_of(conversation.model, conversation.tokens) or conversation.cost_usd
        printed = (context.outputs / f"{self.name}.stderr.txt").read_text(errors="replace")
        (context.outputs / "transcript.json").write_text(conversation.model_dump_json(indent=1) + "\n")
        tried = _Try(conversation, ending, printed, raw=raw)
        if ending.stopped is None:
            tried.cause = diagnose(conversation, ending.exit_code, printed)
        elif ending.stopped == _SILENT:
            tried.cause = "stalled" if conversation.messages or conversation.calls else "no_response"
        return tried

    def _transcript(self, tried: _Try) -> Transcript:
        told = tried.conversation
        failure = FAILURES.get(tried.cause or "")
        if failure is not None and not failure.counts:
            raise _failed(self.adapter, str(tried.cause), told.error or tried.stderr.strip()[-500:])
        reason, detail = EndReason.FINISHED, ""
        if tried.ending.stopped is not None:
            reason = EndReason.TIMEOUT if "wall clock" in tried.ending.stopped else EndReason.LIMIT
            detail = tried.ending.stopped
        elif tried.cause == "limit_reached":
            reason, detail = EndReason.LIMIT, f"{self.adapter.title} stopped at a limit of its own."
        elif failure is not None:
            detail = failure.advice
        return Transcript(
            reason,
            detail,
            model=told.model,
            turns=told.requests or None,
            tool_calls=told.notebook_calls,
            tokens=told.tokens.by_kind() if told.tokens is not None else {},
            cost_usd=told.cost_usd,
        )


def find_binary(adapter: type[Adapter]) -> tuple[str, ...]:
    """The command of a CLI: from its variable, which may hold arguments, or from PATH.

    Raises:
        InfrastructureError: With cause ``cli_missing``.
    """
    named = os.environ.get(adapter.variable)
    if named:
        command = tuple(shlex.split(named))
        if shutil.which(command[0]) is None:
            raise _failed(adapter, "cli_missing", f"{adapter.variable} names {command[0]}, which is no program.")
        return command
    found = shutil.which(adapter.program)
    if found is None:
        raise _failed(adapter, "cli_missing", f"There is no program {adapter.program} on PATH.")
    return (found,)


def version_of(binary: tuple[str, ...]) -> str | None:
    """What a CLI prints as its version, or None."""
    with tempfile.TemporaryDirectory(prefix="scribe-cli-", ignore_cleanup_errors=True) as home:
        environment = {"HOME": home, "PATH": os.environ.get("PATH", ""), "CODEX_HOME": home, "GEMINI_CLI_HOME": home}
        try:
            printed = subprocess.run(
                [*binary, "--version"], capture_output=True, text=True, timeout=60, env=environment, check=False
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return None
    lines = printed.strip().splitlines()
    return lines[-1][:100] if lines else None


def _copy_login(adapter: Adapter, home: Path) -> list[str]:
    """Copy the credential files a CLI needs, when no variable logs it in; the secrets it is given.

    Raises:
        InfrastructureError: With cause ``not_logged_in`` when there is nothing.
    """
    secrets = [value for name in adapter.keys if (value := os.environ.get(name))]
    if secrets:
        return secrets
    user = Path(os.environ.get("HOME", "/nonexistent"))
    for source, target in adapter.credentials.items():
        if (user / source).is_file():
            (home / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(user / source, home / target)
            (home / target).chmod(0o600)
            secrets += values_in_file(user / source)
    if not any((home / target).exists() for target in adapter.credentials.values()):
        raise _failed(type(adapter), "not_logged_in", f"No login of {adapter.title} was found.")
    return secrets


def _over_limit(limits: Limits, conversation: Conversation, elapsed: float, silent: float) -> str | None:
    """What limit has been reached, as a sentence, or None."""
    if elapsed > limits.wall_s:
        return f"The wall clock limit of {limits.wall_s:g} s was reached."
    if silent > limits.cell_s + SILENCE_S:
        return _SILENT
    turns = max(conversation.requests, len(conversation.calls))
    if limits.turns is not None and turns > limits.turns:
        return f"The limit of {limits.turns} turns was reached."
    tokens = conversation.tokens
    if limits.tokens is not None and tokens is not None and sum(tokens.by_kind().values()) > limits.tokens:
        return f"The limit of {limits.tokens} tokens was reached."
    if limits.cost_usd is not None and (prices.cost_of(conversation.model, tokens) or 0.0) > limits.cost_usd:
        return f"The limit of {limits.cost_usd:g} US dollars was reached."
    return None


def _failed(adapter: type[Adapter], cause: str, detail: str) -> InfrastructureError:
    advice = FAILURES[cause].advice.format(cli=adapter.title, login=adapter.login, variable=adapter.variable)
    told = " ".join(detail.split())[:500].rstrip(".")
    return InfrastructureError(cause, f"{told}. {advice}" if told else advice)


def _as_object(line: str) -> Mapping[str, object] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _keep(outputs: Path, name: str, raw: list[str], scrubber: Scrubber, stderr: Path) -> None:
    """Add the raw events, with their times, and what was printed besides to the attempt's outputs."""
    with (outputs / f"{name}.events.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for line in raw)
    printed = stderr.read_text(errors="replace") if stderr.exists() else ""
    with (outputs / f"{name}.stderr.txt").open("a") as file:
        file.write(scrubber.clean(printed))
