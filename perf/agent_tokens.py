"""Measures the tokens that an agent CLI sends its model: a scripted model plays solutions, and the server counts.

    python perf/agent_tokens.py                                  # three tasks, all CLIs that 'make agents' installed
    python perf/agent_tokens.py --tasks circuits/ioi --clis codex

Tokens are bytes of JSON divided by four, a rough estimate for every tokenizer; those of the notebook's replies are the
characters that the model reads, divided by four. A real agent thinks, explores and inspects results, and uses a few
times more tokens; the first request is the same for both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table

from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import parse_percent, solution_text
from tools.agent_clis.binaries import CLIS, Cli, argv
from tools.model_server import LoggedRequest, ModelServer, solve
from tools.model_server.plays import WIRES

_APIS: dict[Cli, Literal["anthropic", "openai", "gemini"]] = {
    "claude": "anthropic",
    "codex": "openai",
    "gemini": "gemini",
}
_URLS: dict[Cli, str] = {"claude": "ANTHROPIC_BASE_URL", "codex": "OPENAI_BASE_URL", "gemini": "GOOGLE_GEMINI_BASE_URL"}
_KEYS: dict[Cli, str] = {"claude": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
_TASKS = ("circuits/mlp_only", "neurons/unigram", "probes/greater_than")
_BYTES_PER_TOKEN = 4
_TIMEOUT_S = 600


def requests_of(cli: Cli, task_id: str) -> list[LoggedRequest]:
    """The requests of the CLI to the model in one attempt.

    Raises:
        RuntimeError: If the attempt was not solved; its figures would be meaningless.
    """
    root, task = suite_root(), default_registry()[task_id]
    scenario = solve(parse_percent(solution_text(root, task)))
    with ModelServer() as models, tempfile.TemporaryDirectory(prefix="scribe-perf-") as results:
        environment = {
            **os.environ,
            _URLS[cli]: models.base_url(_APIS[cli], scenario),
            _KEYS[cli]: "no-key",
            f"SCRIBE_{cli.upper()}_BIN": " ".join(argv(cli)),
        }
        command = [sys.executable, "-m", "pytest", f"benchmarks/{task.family}", "-k", f"[{task.name}-"]
        command += ["--provider", cli, "--results-dir", results, "-p", "no:cacheprovider"]
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{cli} did not solve {task_id}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return [request for request in models.requests if request.outcome == "reply"]


def tokens(request: LoggedRequest) -> int:
    """Rough size of a request."""
    return len(json.dumps(dict(request.body))) // _BYTES_PER_TOKEN


def reply_tokens(cli: Cli, request: LoggedRequest) -> int:
    """Rough size of all tool results in a request, as the model reads them."""
    conversation = WIRES[_APIS[cli]].read(dict(request.body), "")
    return sum(len(result.text) for result in conversation.results) // _BYTES_PER_TOKEN


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=_TASKS, metavar="TASK")
    parser.add_argument("--clis", nargs="+", default=CLIS, choices=CLIS)
    options = parser.parse_args(arguments)
    table = Table("Task", "CLI", "Requests", "First request", "Last request", "Replies in it", "All requests")
    console = Console()
    for task in options.tasks:
        for cli in options.clis:
            console.print(f"{task} with {cli} ...")
            requests = requests_of(cli, task)
            sizes = [tokens(request) for request in requests]
            figures = (sizes[0], sizes[-1], reply_tokens(cli, requests[-1]), sum(sizes))
            table.add_row(task, cli, str(len(sizes)), *(f"{figure:,}" for figure in figures))
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
