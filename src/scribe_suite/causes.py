"""Every cause of failure, as one table: meaning, whether it is retried, whether it counts, what to do.

Outcomes (`infrastructure:<cause>`), the behaviour after a failure of an agent's CLI, and the tables of
``docs/reference/causes.md`` are made from it. An `InfrastructureError` with another cause can't be created; a
third-party provider that tries to is recorded with `PROVIDER_ERROR`. Ledgers keep the causes of their time, so they
remain readable when the table changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Part(StrEnum):
    """The part of the system in which a cause arises."""

    CLI = "agents' CLIs"
    PROVIDER = "providers"
    NOTEBOOK = "notebook"
    SANDBOX = "sandbox"
    TASK = "tasks and scoring"
    RUN = "run"


@dataclass(frozen=True)
class Cause:
    """One cause of a failure.

    Attributes:
        name: Stable identifier; it is part of the outcome in ledgers.
        part: Where it arises.
        meaning: What happened, as a sentence.
        advice: What the user can do, as a sentence; ``{cli}``, ``{login}`` and ``{variable}`` are filled in for
            `Part.CLI`.
        retried: Whether the attempt is restarted, as long as no tool has been called.
        counts: Whether it counts against the agent; otherwise it is an infrastructure failure without a score.
    """

    name: str
    part: Part
    meaning: str
    advice: str
    retried: bool = False
    counts: bool = False


#: Replaces causes that are not in the table, raised by third-party providers or tasks.
PROVIDER_ERROR = "provider_error"
#: The cause of exceptions without one.
EXCEPTION = "exception"

_TABLE = (
    Cause("not_logged_in", Part.CLI, "Neither a key nor a login was found.", "Log in: {login}."),
    Cause(
        "auth_rejected",
        Part.CLI,
        "The service answered 401 or 403.",
        "The service refused the login: check the key and what it may use, or {login}.",
    ),
    Cause(
        "rate_limited",
        Part.CLI,
        "The service answered 429.",
        "The service limits your requests: use fewer workers or --max-concurrent.",
        retried=True,
    ),
    Cause(
        "server_error",
        Part.CLI,
        "The service answered 5xx, was overloaded, or broke off with an error.",
        "The service failed: try again later.",
        retried=True,
    ),
    Cause(
        "network",
        Part.CLI,
        "There was no connection, or it broke.",
        "The service could not be reached: check network and proxy.",
        retried=True,
    ),
    Cause(
        "no_response",
        Part.CLI,
        "A request got no response.",
        "{cli} got no response: the service or a proxy hangs.",
        retried=True,
    ),
    Cause(
        "stalled",
        Part.CLI,
        "A response stopped in the middle.",
        "The response to {cli} stopped in the middle: try again later.",
        retried=True,
    ),
    Cause(
        "mcp_not_connected",
        Part.CLI,
        "The CLI did not reach the notebook.",
        "{cli} could not reach the notebook; look at its stderr in outputs/.",
        retried=True,
    ),
    Cause(
        "tools_missing",
        Part.CLI,
        "The CLI reached the notebook and did not offer its tools to the model.",
        "{cli} was not offered the notebook's tools: its version may differ.",
    ),
    Cause("cli_missing", Part.CLI, "There is no such program.", "Install {cli}, or name its program in {variable}."),
    Cause(
        "cli_crashed",
        Part.CLI,
        "The CLI failed or broke off before the model had said anything.",
        "{cli} failed or broke off: look at its events and stderr in outputs/.",
        retried=True,
    ),
    Cause(
        "unknown_event",
        Part.CLI,
        "The CLI ended without a known event.",
        "{cli} printed an unknown event: its version may differ; see its raw events.",
    ),
    Cause(
        "request_refused",
        Part.CLI,
        "The service answered 400 or 404 before the model had said anything, or it no longer has the model.",
        "The service refused the request: check the model's name.",
    ),
    Cause("no_tool_call", Part.CLI, "The agent called no tool.", "Nothing: it counts against the agent.", counts=True),
    Cause(
        "limit_reached",
        Part.CLI,
        "The CLI stopped at its own limit of turns or cost.",
        "Raise the limit, or let it count against the agent.",
        counts=True,
    ),
    Cause(
        "context_overflow",
        Part.CLI,
        "The conversation became longer than the model accepts.",
        "Nothing: it counts against the agent, which decides how much it reads.",
        counts=True,
    ),
    Cause(
        "unusable_output",
        Part.CLI,
        "A message of the model was too long, cut off or malformed.",
        "Nothing: it counts against the agent.",
        counts=True,
    ),
    Cause(
        "declined",
        Part.CLI,
        "The model declined to continue, or its service did because of what the model or the task said.",
        "Nothing: it counts against the agent.",
        counts=True,
    ),
    Cause(
        "conversation_refused",
        Part.CLI,
        "The service refused a conversation whose earlier requests it had accepted.",
        "It counts against the agent, since only its messages are new; read the reason.",
        counts=True,
    ),
    Cause(
        "cli_broke_off",
        Part.CLI,
        "The CLI failed or broke off after the model had begun, and not because of its service.",
        "It counts against the agent, which may have caused it: look at its events and stderr in outputs/.",
        counts=True,
    ),
    Cause(
        PROVIDER_ERROR,
        Part.PROVIDER,
        "A provider that is not part of this package failed, with a cause of its own.",
        "Read its message, and ask the author of the provider.",
    ),
    Cause(
        "bad_transcript",
        Part.PROVIDER,
        "The provider returned an invalid `ProviderResult`.",
        "Correct the provider; the message names the field.",
    ),
    Cause(
        "command_missing",
        Part.PROVIDER,
        "The program of `command:` is not there or can't be run.",
        "Give its path, make it executable, and name its interpreter in its first line.",
    ),
    Cause(
        "command_failed",
        Part.PROVIDER,
        "The program of `command:` ended with an exit code other than 0 and never saw the notebook's tools.",
        "Look at `command.stderr.txt` in outputs/.",
    ),
    Cause(
        "command_broke_off",
        Part.PROVIDER,
        "The program of `command:` ended with an exit code other than 0 after it had seen the notebook's tools.",
        "It counts against the agent, which may have caused it: look at `command.stderr.txt` in outputs/.",
        counts=True,
    ),
    Cause(
        "reference_failed",
        Part.PROVIDER,
        "A cell of a reference solution failed.",
        "Run the task's solution by itself; if it fails there too, it is a bug in this package.",
    ),
    Cause(
        "replay",
        Part.PROVIDER,
        "There is no recorded attempt to replay, or it was made on another instance.",
        "Name a run whose ledger and folders are here, and use its seed.",
    ),
    Cause(
        "cheat_succeeded",
        Part.PROVIDER,
        "The provider `cheat` got something that was hidden.",
        "Read `cheats.json` in outputs/ and report it: the isolation leaks.",
    ),
    Cause(
        "cheat_broken",
        Part.PROVIDER,
        "The provider `cheat` could not try one of its cheats.",
        "Read `cheats.json` in outputs/: without it the attempt shows nothing.",
    ),
    Cause(
        "slots",
        Part.PROVIDER,
        "The locks for `--max-concurrent` can't be acquired.",
        "Put `--results-dir` on a local disk.",
    ),
    Cause(
        "mcp_connection",
        Part.PROVIDER,
        "A built-in provider could not talk to the notebook.",
        "Look for an earlier failure of the notebook in the output of the run.",
    ),
    Cause(
        "handover",
        Part.PROVIDER,
        "An attempt could not be handed over to a person in its folder.",
        "Name a short folder of your own in `SCRIBE_SUITE_ATTEMPT_DIR`, one for each attempt.",
    ),
    Cause(
        "nobody_came",
        Part.PROVIDER,
        "Nobody started the clock of an attempt that waited for a person.",
        "`scribe-suite attempt list` shows the attempts that wait.",
    ),
    Cause(
        "jupyterlab",
        Part.PROVIDER,
        "The JupyterLab of an attempt by a person could not start, or ended.",
        "Look at `jupyterlab.log` in outputs/; `human:terminal` needs none.",
    ),
    Cause(
        "session_start",
        Part.PROVIDER,
        "The notebook started no session for a built-in provider.",
        "The message has the notebook's own reason.",
    ),
    Cause(
        "notebook_server",
        Part.NOTEBOOK,
        "The notebook server could not start, or ended early.",
        "Check space and permissions of the results and temporary folders.",
    ),
    Cause(
        "notebook_close",
        Part.NOTEBOOK,
        "The notebook server did not close in time; its kernels were killed.",
        "Use fewer workers when the machine is overloaded.",
    ),
    Cause(
        "notebook_internal",
        Part.NOTEBOOK,
        "A tool of the notebook raised an exception.",
        "It is a bug in this package: report it with the traceback.",
    ),
    Cause("notebook_write", Part.NOTEBOOK, "A notebook can't be written.", "Free space on the disk of the results."),
    Cause(
        "journal_write",
        Part.NOTEBOOK,
        "A journal can't be written.",
        "Free space on the disk of the results, and let no two runs share a folder.",
    ),
    Cause(
        "journal_corrupt",
        Part.NOTEBOOK,
        "A journal has a line that is not an event, or is not a regular file.",
        "Nothing can be recovered after that line; look at the file.",
    ),
    Cause(
        "submit_callback",
        Part.NOTEBOOK,
        "Accepting an answer raised an exception.",
        "It is a bug in this package or in the task: report it with the traceback.",
    ),
    Cause(
        "kernel_start",
        Part.NOTEBOOK,
        "A kernel did not start.",
        "Use fewer workers when memory or time is short; the message has the kernel's last output.",
    ),
    Cause(
        "kernel_end",
        Part.NOTEBOOK,
        "Something other than its code ended a kernel.",
        "Find out what killed processes on the machine.",
    ),
    Cause(
        "setup_cell",
        Part.NOTEBOOK,
        "The cell that loads the model failed or ran out of time.",
        "Use fewer workers if it ran out of time; otherwise it is a bug in the task.",
    ),
    Cause(
        "fork_server",
        Part.SANDBOX,
        "The process from which kernels are started ended or could not start.",
        "Find out what killed processes on the machine; most often memory was short.",
    ),
    Cause(
        "isolation_unavailable",
        Part.SANDBOX,
        "The requested isolation is not available.",
        "Run `scribe-suite doctor`, or use `--isolation auto` or `none`.",
    ),
    Cause(
        "agent_sandbox",
        Part.SANDBOX,
        "The sandbox of an agent's program could not be created, or was killed from outside.",
        "Run `scribe-suite doctor`; the message has the reason.",
    ),
    Cause(
        "laboratory",
        Part.SANDBOX,
        "The process that runs models for agents could not start, or could not load the model.",
        "Use fewer workers when memory is short; the message has the reason.",
    ),
    Cause(
        "sandbox",
        Part.SANDBOX,
        "A submitted function can't be run, because there is no sandbox for it.",
        "Allow unprivileged user namespaces, or leave the task out.",
    ),
    Cause(
        "model_missing",
        Part.TASK,
        "The real model that the task is about is not ready.",
        "Run the command that the message names.",
    ),
    Cause(
        "truth_missing",
        Part.TASK,
        "The measured truth of the task is missing.",
        "Run the command that the message names.",
    ),
    Cause(
        "frozen_model",
        Part.TASK,
        "A planted model is missing, damaged or not certified.",
        "Check out its file again, or plant it again with `scribe-suite plant`.",
    ),
    Cause(
        "configuration",
        Part.TASK,
        "The request can't be carried out.",
        "The message says what to change.",
    ),
    Cause(
        "scoring_exception",
        Part.TASK,
        "A scorer raised an exception.",
        "It is a bug in the task: report it with the traceback.",
    ),
    Cause(
        "results_folder",
        Part.RUN,
        "The attempt's folder can't be made.",
        "Check space and permissions of `--results-dir`.",
    ),
    Cause("worker_crashed", Part.RUN, "The worker that made the attempt died.", "See its output above the summary."),
    Cause("lost", Part.RUN, "The worker that made the attempt reported nothing.", "See its output above the summary."),
    Cause(
        "sweep_budget",
        Part.RUN,
        "What the attempt may take did not fit into the rest of its sweep's budget, so that it did not begin.",
        "Resume the sweep with more: `scribe-suite sweep resume`.",
    ),
    Cause("not_finished", Part.RUN, "The attempt had not ended when it was recorded.", "Resume the run."),
    Cause(EXCEPTION, Part.RUN, "An exception did not name a cause.", "Read its message and traceback."),
)

#: The table, by name.
CAUSES: Mapping[str, Cause] = MappingProxyType({cause.name: cause for cause in _TABLE})


def infrastructure_cause(name: object) -> Cause:
    """The row of a cause that is not the agent's fault.

    Raises:
        ValueError: When it is in no row, or counts against the agent.
    """
    cause = CAUSES.get(name) if isinstance(name, str) else None
    if cause is None:
        raise ValueError(
            f"{name!r} is not a cause of failure: use {PROVIDER_ERROR!r}, or add a row to scribe_suite.causes."
        )
    if cause.counts:
        raise ValueError(f"The cause {name!r} counts against the agent, so it is not an infrastructure failure.")
    return cause
