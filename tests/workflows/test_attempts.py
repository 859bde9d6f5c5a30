"""The job that makes attempts: what it runs with which key, and when it fails."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.workflows.running import ATTEMPTS, KEYS, REPOSITORY, Checkout, step_of, values_of
from tools.agent_clis.binaries import PINNED

FAKE_PYTEST = f"""#!{sys.executable}
import json, os, sys
told = dict(arguments=sys.argv[1:], environment=dict(os.environ))
json.dump(told, open("told.json", "w"))
sys.exit(int(os.environ["PYTEST_CODE"]))
"""


def pretend(checkout: Checkout, code: int) -> None:
    """Put a pytest in the environment's place that tells how it was called."""
    (checkout.folder / ".venv").unlink()
    checkout.write(".venv/bin/pytest", FAKE_PYTEST, 0o755)
    (checkout.folder / ".venv/bin/python").symlink_to(sys.executable)
    checkout.extra["PYTEST_CODE"] = str(code)


@pytest.mark.parametrize(
    ("code", "job_code", "said"), [(0, 0, ""), (1, 0, "::notice::"), (5, 0, ""), (3, 3, "::error::"), (4, 4, "::error")]
)
def test_a_job_fails_when_there_is_no_result(checkout: Checkout, code: int, job_code: int, said: str) -> None:
    pretend(checkout, code)
    done = checkout.run(ATTEMPTS, **values_of())
    assert done.code == job_code
    assert said in done.log
    left = json.loads((checkout.folder / "parts/circuits-x-1of2/part.json").read_text())
    assert left == {"part": "circuits-x-1of2", "exit_code": code}


@pytest.mark.parametrize("cli", KEYS)
def test_a_cli_gets_its_key_under_its_own_name_and_is_found(checkout: Checkout, cli: str) -> None:
    pretend(checkout, 0)
    shutil.copytree(REPOSITORY / "tools/agent_clis", checkout.folder / "tools/agent_clis")
    programs = {
        "claude": "@anthropic-ai/claude-code-linux-*/claude",
        "codex": "@openai/codex-linux-*/vendor/*/bin/codex",
        "gemini": "@google/gemini-cli/bundle/gemini.js",
    }
    checkout.write(f".agents/node_modules/{PINNED[cli].program}", "#!/bin/sh\n", 0o755)
    checkout.program("node", "#!/bin/sh\n")
    done = checkout.run(ATTEMPTS, **values_of(CLI=cli, PROVIDER=f"{cli}:m", API_KEY="key-1", MAX_COST_USD="2.5"))
    assert done.code == 0, done.log
    told = json.loads((checkout.folder / "told.json").read_text())
    having = {name for name, value in told["environment"].items() if value == "key-1"}
    assert having == {KEYS[cli]}
    program = Path(told["environment"][f"SCRIBE_{cli.upper()}_BIN"].split()[-1])
    assert program.relative_to(checkout.folder / ".agents/node_modules").match(programs[cli])
    joined = " ".join(told["arguments"])
    assert joined.startswith(f"benchmarks/circuits --provider {cli}:m --shard 1/2 -n 2 --instance-seed 5 --trials 1")
    assert "--max-cost-usd 2.5" in joined
    assert "key-1" not in joined + done.log


@pytest.mark.parametrize(("value", "asked"), [("1", True), ("0", False)])
def test_namespaces_are_allowed_where_apparmor_keeps_them(checkout: Checkout, value: str, asked: bool) -> None:
    checkout.program("sysctl", f"#!/bin/sh\necho {value}\n")
    checkout.program("sudo", '#!/bin/sh\necho "$@" >asked\n')
    assert checkout.run(step_of("set-up", "Allow namespaces")).code == 0
    file = checkout.folder / "asked"
    assert file.exists() == asked
    if asked:
        assert file.read_text() == "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0\n"
