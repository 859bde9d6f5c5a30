from __future__ import annotations

import io
import os
import subprocess
import sys

from rich.console import Console

from scribe_suite.doctor import print_isolation
from scribe_suite.notebook.escapes import ESCAPES
from scribe_suite.notebook.probing import probe_isolation
from scribe_suite.notebook.tiers import IsolationTier


def printed(tier: IsolationTier, reason: str = "") -> str:
    console = Console(file=io.StringIO(), width=200)
    print_isolation(console, tier, reason)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_command_tells_the_tier_of_this_machine_and_its_exit_code_whether_it_is_the_best():
    run = subprocess.run(
        [sys.executable, "-m", "scribe_suite.cli", "doctor"], capture_output=True, text=True, timeout=120
    )
    tier = probe_isolation("auto")
    assert f"Isolation  {tier.name}:" in run.stdout
    assert f"user id {os.geteuid()}" in run.stdout
    assert run.returncode == (0 if tier.strict else 1)
    assert run.stderr == ""


def test_gaps_and_reasons_are_told_with_what_would_help():
    text = printed(IsolationTier("landlock", ("namespaces: [Errno 1] not permitted",), gaps=("look_at_file",)), "ro")
    assert "not better because namespaces: [Errno 1] not permitted" in text
    assert f"code in a kernel can {ESCAPES['look_at_file'].what}" in text
    assert f"{len(ESCAPES) - 1} of {len(ESCAPES)} ways out" in text
    assert "What would help" in text


def test_no_isolation_says_what_that_means():
    text = printed(IsolationTier("none", ("it was asked for",), gaps=tuple(ESCAPES)))
    assert "agents could read the answer keys" in text
    assert "ways out were tried" not in text
