"""``python -m scribe_suite.notebook``: a notebook server of your own, over stdio, for any MCP client."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from scribe_suite.errors import ConfigurationError, SuiteError
from scribe_suite.notebook.config import CELL_TIMEOUT_S, NotebookConfig
from scribe_suite.notebook.pump import pump
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox.tiers import Isolation

DESCRIPTION = """\
Serve a Jupyter notebook to an AI agent: an MCP server over stdin and stdout, with the tools of Goodfire Scribe.

Register it with your agent, for example:
  claude mcp add notebook -- python -m scribe_suite.notebook --dir my-experiments
  codex mcp add notebook -- python -m scribe_suite.notebook --dir my-experiments

Notebooks (.ipynb) and journals (what ran, never changed afterwards) are written to DIR/notebooks while cells run.
A notebook in that folder can be taken up again with start_session_resume_notebook.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scribe_suite.notebook", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--dir", type=Path, default=Path(), help="folder for notebooks/ (default: the current one)")
    parser.add_argument(
        "--isolation",
        choices=get_args(Isolation),
        default="auto",
        help="what kernels can see: 'auto' isolates as well as this machine can,\n"
        "'strict' refuses to start where that is not well enough,\n"
        "'none' lets them see and do what you can (default: auto)",
    )
    parser.add_argument(
        "--cell-timeout",
        type=float,
        default=CELL_TIMEOUT_S,
        metavar="SECONDS",
        help=f"longest run of a cell (default: {CELL_TIMEOUT_S:g})",
    )
    parser.add_argument(
        "--setup", type=Path, metavar="FILE", help="Python file that becomes the first cell of every new notebook"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stdin ends.

    Args:
        argv: Arguments, or None for those of the process.

    Returns:
        Exit code: 0, or 2 with one sentence on stderr when the server can't be started as asked.
    """
    arguments = build_parser().parse_args(argv)
    try:
        if not arguments.cell_timeout > 0:
            raise ConfigurationError(f"--cell-timeout is {arguments.cell_timeout:g}; it must be above 0 seconds.")
        config = NotebookConfig(
            folder=arguments.dir.resolve(),
            setup_code=_setup_code(arguments.setup) if arguments.setup else None,
            isolation=arguments.isolation,
            cell_timeout_s=arguments.cell_timeout,
        )
        signal.signal(signal.SIGTERM, _exit)
        with NotebookServer(config) as server:
            status = server.status()
            note = f" ({'; '.join(status.isolation_reasons)})" if status.isolation_reasons else ""
            print(f"Notebooks in {config.notebooks}, isolation {status.isolation}{note}.", file=sys.stderr)  # noqa: T201
            return pump(str(server.endpoint.socket_path), sys.stdin.fileno(), sys.stdout.fileno())
    except (SuiteError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130


def _setup_code(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"--setup {path} can't be read ({reason}); name a Python file.") from error


def _exit(_number: int, _frame: object) -> None:
    raise SystemExit(143)  # leaves the with block, which ends the kernels


if __name__ == "__main__":
    sys.exit(main())
