from __future__ import annotations

import io
import os
import subprocess
import sys

from rich.console import Console

from scribe_suite.cli.doctor import print_clis, print_isolation
from scribe_suite.providers.clis.diagnosis import diagnose_clis
from scribe_suite.sandbox.escape_table import ESCAPES
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.tiers import IsolationTier


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


def test_what_agents_programs_see_use_and_reach_is_told_by_tier():
    view = printed(IsolationTier("namespaces", own_uid=True, limits=("memory", "pids")))
    assert "agents' programs (CLIs and command:) see their program, the system, a home in memory, and" in view
    assert "agents' programs can use this machine's network, loopback included" in view
    assert "agents' programs may use 4 GiB of memory, 512 processes and threads, 1 GiB of files" in view
    assert "fill the disk" in printed(IsolationTier("landlock"))
    assert "agents' programs can read the answer keys, ledgers, other attempts" in printed(IsolationTier("none"))


def test_each_agent_cli_is_said_to_be_found_logged_in_or_what_to_do(tmp_path):
    program = tmp_path / "codex"
    program.write_text("#!/bin/sh\necho codex-cli 9.9.9\n")
    program.chmod(0o755)
    console = Console(file=io.StringIO(), width=200)
    environ = {"PATH": str(tmp_path), "OPENAI_API_KEY": "sk-not-to-be-shown", "SCRIBE_GEMINI_BIN": "/nowhere/gemini"}
    print_clis(console, diagnose_clis(environ))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    claude, codex, gemini = (text[text.index(name) :] for name in ("Claude Code", "Codex CLI", "Gemini CLI"))
    assert claude.startswith("Claude Code (--provider claude): not ready")
    assert "There is no program claude on PATH" in claude[: claude.index("Codex")]
    assert codex.startswith("Codex CLI (--provider codex): ready")
    assert f"found: {program}, version codex-cli 9.9.9" in codex
    assert "login: OPENAI_API_KEY" in codex
    assert "SCRIBE_GEMINI_BIN names '/nowhere/gemini', which is not a program" in gemini
    assert "set GEMINI_API_KEY" in gemini
    assert "sk-not-to-be-shown" not in text
