"""``python -m scribe_suite.notebook``: a standalone notebook server over stdio, for any MCP client."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from scribe_suite.errors import ConfigurationError, SuiteError
from scribe_suite.notebook.config import CELL_TIMEOUT_S, NotebookConfig
from scribe_suite.notebook.pump import pump
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox.tiers import Isolation

#: The command that starts it with this Python.
COMMAND = f"{shlex.quote(sys.executable)} -m scribe_suite.notebook"
#: Default memory of a kernel, and more than any machine has.
MEMORY_GIB, MOST_GIB = 8.0, 1 << 20
#: Most bytes of all files of `--files`: they are in memory, and again in the memory of each kernel.
MAX_FILES_BYTES = 512 << 20

DESCRIPTION = f"""\
Serve a Jupyter notebook to an AI agent: an MCP server over stdin and stdout, with the tools of Goodfire Scribe.

An MCP client starts it. Register it once, from the folder of your research, with an absolute path for --dir:

  claude mcp add notebook -- {COMMAND} --dir "$PWD/experiments"
  codex mcp add notebook -- {COMMAND} --dir "$PWD/experiments"
  gemini mcp add notebook {COMMAND} --dir "$PWD/experiments"

Then ask the agent for an experiment. Notebooks (.ipynb) and journals (what ran, never changed afterwards) are written
to DIR/notebooks while cells run; submit_answer writes DIR/notebooks/NAME.answer.json. A notebook in that folder can be
taken up again: ask the agent for start_session_resume_notebook.

Kernels are sealed: no network, none of your files but those of --files, and limits on memory and processes. They have
all packages of the Python that runs this command.
"""
EPILOG = """\
examples:
  --files data --files model.safetensors     the agent finds points.csv of data/ as points.csv
  --setup load.py                            cell 0 of every new notebook, for example to load the model
  --preload torch transformer_lens           new sessions find them imported, and start at once
  --gpu --memory 32                          for large models
  --isolation none                           for kernels that need the network, or all of your files

docs/guide/notebook.md has more: approvals, time limits of the clients, a client of your own.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scribe_suite.notebook",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--dir", type=Path, default=Path(), metavar="DIR", help="folder for notebooks/ (default: the current one)"
    )
    parser.add_argument(
        "--files",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a file, or a folder whose content is laid into the working folder\n"
        "of every new notebook; may be given several times",
    )
    parser.add_argument(
        "--setup", type=Path, metavar="FILE", help="Python file that becomes the first cell of every new notebook"
    )
    parser.add_argument(
        "--preload", nargs="+", default=[], metavar="MODULE", help="modules that every kernel finds imported"
    )
    parser.add_argument(
        "--cell-timeout",
        type=float,
        default=CELL_TIMEOUT_S,
        metavar="SECONDS",
        help=f"longest run of a cell (default: {CELL_TIMEOUT_S:g}); it is then interrupted,\nand the session lives on",
    )
    parser.add_argument(
        "--memory",
        type=float,
        default=MEMORY_GIB,
        metavar="GIB",
        help=f"memory of a kernel with all that it starts, in GiB (default: {MEMORY_GIB:g})",
    )
    parser.add_argument("--gpu", action="store_true", help="let kernels use the NVIDIA GPUs of this machine")
    parser.add_argument(
        "--isolation",
        choices=get_args(Isolation),
        default="auto",
        help="what kernels can see: 'auto' isolates as well as this machine can,\n"
        "'strict' refuses to start where that is not well enough,\n"
        "'none' lets them see and do what you can (default: auto)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stdin ends.

    Args:
        argv: Arguments, or None for those of the process.

    Returns:
        Exit code: 0, or 2 with one sentence on stderr when the server can't be started as requested.
    """
    arguments = build_parser().parse_args(argv)
    try:
        if not arguments.cell_timeout > 0:
            raise ConfigurationError(f"--cell-timeout is {arguments.cell_timeout:g}; it must be above 0 seconds.")
        if not 0 < arguments.memory < MOST_GIB:
            raise ConfigurationError(f"--memory is {arguments.memory:g}; it must be above 0 GiB and below {MOST_GIB}.")
        config = NotebookConfig(
            folder=arguments.dir.resolve(),
            files=_files(arguments.files),
            setup_code=_setup_code(arguments.setup) if arguments.setup else None,
            isolation=arguments.isolation,
            cell_timeout_s=arguments.cell_timeout,
            preload=_modules(arguments.preload),
            gpu=arguments.gpu,
            memory_limit_bytes=int(arguments.memory * (1 << 30)),
        )
        signal.signal(signal.SIGTERM, _exit)
        with NotebookServer(config) as server:
            status = server.status()
            note = f" ({'; '.join(status.isolation_reasons)})" if status.isolation_reasons else ""
            _say(f"Notebooks in {config.notebooks}, isolation {status.isolation}{note}.")
            if sys.stdin.isatty():
                _say(
                    "This is a server that an MCP client starts and talks to over stdin and stdout; it waits for "
                    "messages now. Ctrl-D ends it, --help says how to register it."
                )
            return pump(str(server.endpoint.socket_path), sys.stdin.fileno(), sys.stdout.fileno())
    except (SuiteError, OSError) as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        return 130


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201 -- stdout is for messages


def _setup_code(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"--setup {path} can't be read ({reason}); name a Python file.") from error


def _modules(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        try:
            known = importlib.util.find_spec(name.partition(".")[0]) is not None
        except ValueError:
            known = False
        if not known:
            raise ConfigurationError(f"--preload {name}: there is no such module in the Python {sys.executable}.")
    return tuple(names)


def _files(paths: Iterable[Path]) -> Mapping[str, bytes]:
    """The content of working folders, by relative path."""
    files: dict[str, bytes] = {}
    left = MAX_FILES_BYTES
    for given in paths:
        try:
            for name, path in _found(given):
                left -= path.stat().st_size
                if left < 0:
                    raise ConfigurationError(
                        f"--files {given}: that makes more than {MAX_FILES_BYTES >> 20} MiB in all, which every kernel "
                        "would hold in memory; leave something out, or use --isolation none and absolute paths."
                    )
                if name in files:
                    raise ConfigurationError(f"--files {given}: there is a {name} already; rename one of the two.")
                files[name] = path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"--files {error.filename or given} can't be read ({error.strerror}).") from error
    return files


def _found(path: Path) -> Iterator[tuple[str, Path]]:
    """The files of a user's path, by their names in a working folder."""
    if path.is_file():
        yield path.name, path
        return
    if not path.is_dir():
        raise ConfigurationError(f"--files {path}: there is no such file or folder.")
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield file.relative_to(path).as_posix(), file


def _exit(_number: int, _frame: object) -> None:
    raise SystemExit(143)  # leaves the with block, which ends the kernels


if __name__ == "__main__":
    sys.exit(main())
