"""``scribe-suite pack``: one archive for machines without internet."""

from __future__ import annotations

import argparse
from pathlib import Path

from scribe_suite.cli.parsers import Commands, add_command
from scribe_suite.errors import ConfigurationError


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "pack",
        run,
        summary="make one archive of packages, models and agents' programs, for machines without internet",
        description="Write an archive that installs itself: `python3 pack.pyz FOLDER --sha256 HASH && . "
        "FOLDER/env.sh`. Everything in it is compared with its hash before it is used. It needs the same version of "
        "Python, and the same kind of machine. docs/guide/sweeps.md says how the job of a sweep uses it.",
        examples=(
            "pip wheel -c constraints.txt -w wheels '.[sweep]'",
            "scribe-suite pack --wheels wheels --models --program claude=/opt/claude -o pack.pyz",
        ),
    )
    parser.add_argument(
        "--wheels", type=Path, required=True, metavar="DIR", help="wheels of this package and its needs"
    )
    parser.add_argument(
        "--models",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="DIR",
        help="converted models too; those of the user's cache where no folder is named",
    )
    parser.add_argument(
        "--program",
        action="append",
        default=[],
        metavar="CLI=FILE",
        help="the executable of an agent's CLI (claude, codex, gemini); repeatable",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="such as pack.pyz")


def run(options: argparse.Namespace) -> int:
    """Write the archive, and print how to install it."""
    from scribe_suite.packing.archive import Contents, make_pack
    from scribe_suite.paths import user_cache

    models = user_cache() if options.models == Path() else options.models
    digest = make_pack(
        Contents(options.wheels, models=models, programs=dict(map(_program, options.program))), options.output
    )
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.0f} MB, sha256 {digest}")
    print(f"python3 {options.output} FOLDER --sha256 {digest} && . FOLDER/env.sh")
    return 0


def _program(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals or name not in ("claude", "codex", "gemini"):
        raise ConfigurationError(f"--program {text!r} is not of the form CLI=FILE, with claude, codex or gemini.")
    return name, Path(path)
