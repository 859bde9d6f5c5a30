"""Install the pinned agent CLIs and the MCP inspector into ``.agents/``: ``python -m tools.agent_clis.install``.

They come from the npm registry; the CLIs take 0.9 GB, the inspector 0.1. Nothing is done if the stamp says that they
are installed. Node 20 is enough: npm warns that Claude Code and the inspector want a newer one, but for Claude Code
this concerns only its wrapper script, not the executable that is run, and the inspector's part with ``--cli`` does not
need it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile

from tools.agent_clis.binaries import FOLDER, PINNED, PROGRAMS, Program, argv, missing

STAMP = FOLDER / ".installed"
_VERSION_TIMEOUT_S = 60


class InstallError(Exception):
    """Why the programs could not be installed; the message says what to do."""


def wanted() -> dict[str, str]:
    """The packages and their versions."""
    return {row.package: row.version for row in PINNED.values()}


def is_installed() -> bool:
    """Whether the stamp matches these versions and everything can be run."""
    try:
        stamped = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    return bool(stamped == wanted()) and not missing()


def install() -> None:
    """Install the programs and write the stamp.

    Raises:
        InstallError: When npm is missing or fails, or a CLI does not report the expected version.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise InstallError("npm is needed to install the agent CLIs: install Node.js 20 or newer, which brings it.")
    FOLDER.mkdir(exist_ok=True)
    STAMP.unlink(missing_ok=True)
    (FOLDER / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted()}, indent=2) + "\n")
    # their scripts only create links and native extras that are not used here
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error"]
    if subprocess.run(command, cwd=FOLDER, check=False).returncode:
        raise InstallError("npm could not install the agent CLIs; what it says is above.")
    for name in PROGRAMS:
        _check(name)
    STAMP.write_text(json.dumps(wanted()) + "\n")


def _check(name: Program) -> None:
    if problems := missing([name]):
        raise InstallError(problems[0])
    with tempfile.TemporaryDirectory() as home:  # they make configuration folders even to say their version
        said = subprocess.run(
            [*argv(name), "--version"],
            env={"HOME": home, "PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    if PINNED[name].version not in said.stdout:
        raise InstallError(
            f"{name} --version says {(said.stdout + said.stderr).strip()!r}, not {PINNED[name].version}."
        )


def main() -> int:
    """Install what is missing; the exit status is 1 when that fails."""
    if is_installed():
        return 0
    sys.stderr.write("Installing the agent CLIs into .agents/ (once; 1 GB)\n")
    try:
        install()
    except InstallError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
