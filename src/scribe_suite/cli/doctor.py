"""``scribe-suite doctor``: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scribe_suite import __version__
from scribe_suite.cli.parsers import Commands, add_command

if TYPE_CHECKING:
    from rich.console import Console

    from scribe_suite.providers.clis.diagnosis import CliDiagnosis
    from scribe_suite.sandbox.tiers import IsolationTier


def register(commands: Commands) -> None:
    """Add the command."""
    add_command(
        commands,
        "doctor",
        run,
        summary="report how kernels are isolated on this machine, and how to improve it",
        description="Test how well kernels can be isolated on this machine; report what is not prevented, why, and "
        "what would help. Exit code 0 for the best tier, 1 for any other.",
        examples=("scribe-suite doctor",),
    )


def run(_: argparse.Namespace) -> int:
    """Print the diagnosis.

    Returns:
        Exit code: 0 when kernels are isolated with namespaces, else 1. Agent CLIs don't change it: few users need all
        of them.
    """
    from scribe_suite.cli.consoles import console_for_logs
    from scribe_suite.providers.clis.diagnosis import diagnose_clis
    from scribe_suite.sandbox import cgroups
    from scribe_suite.sandbox.probing import probe_isolation

    console = console_for_logs()
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    console.print(f"scribe-suite {__version__} on {system}, user id {_user_id()}", markup=False)
    tier = probe_isolation("auto")
    print_isolation(console, tier, cgroups.probe()[1])
    print_clis(console, diagnose_clis())
    return 0 if tier.strict else 1


def print_isolation(console: Console, tier: IsolationTier, limits_reason: str) -> None:
    """Print what isolates kernels here, what it does not prevent, and how to get more."""
    from scribe_suite.sandbox import fork_client
    from scribe_suite.sandbox.advice import advise
    from scribe_suite.sandbox.escape_table import ESCAPES
    from scribe_suite.sandbox.program_gaps import GAPS, agent_gaps, limits_of

    kind = tier.kind
    console.print(f"\n[bold]Isolation[/bold]  [{kind.colour}]{kind.name}[/{kind.colour}]: {kind.meaning}")
    for reason in tier.reasons:
        _point(console, f"not better because {reason}")
    if tier.confined:
        prevented = len(ESCAPES) - len(tier.gaps)
        user = "a user id" if tier.own_uid else "a user namespace" if tier.own_root else "your user id"
        _point(console, f"kernels run with {user}{' of their own' if tier.own_root or tier.own_uid else ''}")
        _point(console, f"{prevented} of {len(ESCAPES)} ways out were tried just now and failed")
    if tier.gaps:
        _point(console, "code in a kernel can " + ", ".join(ESCAPES[gap].what for gap in tier.gaps))
    _point(console, f"control groups limit: {', '.join(tier.limits) or 'nothing'}")
    _point(console, f"agents' programs (CLIs and command:) see {kind.programs_see}")
    _point(console, "agents' programs can " + ", ".join(GAPS[gap].what for gap in agent_gaps(tier)))
    if fork_client.supported():
        _point(console, f"agents' programs may use {limits_of(tier)}")
    start = "forked from a server with everything imported" if fork_client.supported() else "started one by one"
    _point(console, f"kernels are {start}")
    for number, text in enumerate(advise(tier, limits_reason=limits_reason)):
        if number == 0:
            console.print("\n[bold]What would help[/bold]")
        _point(console, text)


def print_clis(console: Console, clis: Sequence[CliDiagnosis]) -> None:
    """Print what is known about each agent CLI, and what to do about missing parts."""
    console.print("\n[bold]Agent CLIs[/bold]")
    for cli in clis:
        state = "[green]ready[/green]" if cli.ready else "[yellow]not ready[/yellow]"
        console.print(f"  {cli.title} (--provider {cli.provider}): {state}")
        if cli.command is not None:
            _point(console, f"found: {cli.command}, version {cli.version or 'unknown'}", indent=4)
        if cli.login is not None:
            # only the service can say whether it is accepted
            _point(console, f"login: {cli.login}; whether the service accepts it was not tried", indent=4)
        for advice in cli.advice:
            _point(console, advice, indent=4)


def _point(console: Console, text: str, indent: int = 2) -> None:
    from rich.markup import escape
    from rich.padding import Padding

    console.print(Padding(f"- {escape(text)}", (0, 0, 0, indent)))


def _user_id() -> str:
    return str(os.geteuid()) if hasattr(os, "geteuid") else "unknown"
