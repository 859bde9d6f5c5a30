"""Runs of the suite's tasks in Inspect, each in a process of its own, with models that follow a script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.conftest import REPOSITORY, Suite, suite

__all__ = ["suite"]

#: Evaluates a task with mockllm, which does what a list of tool calls says, and prints what its log has.
PROGRAM = """
import json, re, sys
from inspect_ai import eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model

plan = json.loads(sys.argv[1])

def outputs(messages, tools, choice, config):
    results = [message for message in messages if message.role == "tool"]
    if len(results) < len(plan["calls"]):
        tool, arguments = plan["calls"][len(results)]
        if results:
            arguments = {"session_id": re.search(r"session_id:\\s*(\\S+)", results[0].text)[1], **arguments}
        output = ModelOutput.for_tool_call("mockllm", tool, arguments)
    elif plan["breaks"]:
        raise RuntimeError("the service is gone")
    else:
        output = ModelOutput.from_content("mockllm", "I am done.")
    output.usage = ModelUsage(input_tokens=100, output_tokens=30, total_tokens=130)
    return output

model = get_model("mockllm/model", custom_outputs=outputs)
(log,) = eval(plan["task"], task_args=plan["args"], model=model, display="none", log_dir="logs", **plan["options"])
print("LOG " + json.dumps({
    "file": log.location,
    "task": log.eval.task,
    "seed": log.eval.metadata["seed"] if log.eval.metadata else None,
    "status": log.status,
    "error": log.error.message if log.error else None,
    "means": {one.name: one.metrics["mean"].value for one in log.results.scores} if log.results else {},
    "samples": [{
        "id": sample.id,
        "metadata": sample.metadata,
        "error": sample.error.message if sample.error else None,
        "score": json.loads(sample.scores["scribe_score"].model_dump_json()) if sample.scores else None,
        "prompt": sample.messages[0].text if sample.messages else "",
        "tools": [tool.name for event in sample.events if event.event == "model" for tool in event.tools],
    } for sample in log.samples or []],
}))
"""


class Inspect:
    """Inspect, in a suite."""

    def __init__(self, folder: Path, overlay: str) -> None:
        self.folder, self._overlay = folder, overlay

    def eval(
        self,
        calls: list[tuple[str, dict[str, Any]]],
        task: str = "scribe_suite/circuits",
        breaks: bool = False,
        options: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """What the log of an evaluation has, with a model that makes these calls of tools."""
        plan = {"task": task, "args": arguments, "calls": calls, "breaks": breaks, "options": options or {}}
        done = self.run(sys.executable, "-c", PROGRAM, json.dumps(plan))
        line = next((line for line in done.stdout.splitlines() if line.startswith("LOG ")), None)
        assert line is not None, done.stdout[-2000:] + done.stderr[-4000:]
        log: dict[str, Any] = json.loads(line.removeprefix("LOG "))
        return log

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program there."""
        import os

        environment = {**os.environ, "PYTHONPATH": self._overlay}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=500, check=False
        )


def overlay(*folders: Path) -> str:
    """PYTHONPATH for processes that need Inspect, where it lies in an environment of its own."""
    import inspect_ai

    return ":".join(map(str, (*folders, REPOSITORY / "src", REPOSITORY, Path(inspect_ai.__file__).parents[1])))


@pytest.fixture
def inspect(suite: Suite) -> Inspect:
    """Inspect in the toy suite."""
    return Inspect(suite.folder, overlay(suite.folder / "agents"))
