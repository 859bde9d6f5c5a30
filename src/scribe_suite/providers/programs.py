"""Starts a provider's program: in its own home, with access to what it needs and the attempt's isolation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scribe_suite.providers.base import AttemptContext
from scribe_suite.sandbox.launching import Order, Program
from scribe_suite.sandbox.program_view import CERTIFICATES
from scribe_suite.sandbox.programs import FOLDERS_VARIABLE, Finder, ShownPaths, Surroundings
from scribe_suite.sandbox.runtime_folders import temporary_folder


@dataclass(frozen=True)
class Place:
    """The folders of a program; files put there before it starts belong to it afterwards.

    Attributes:
        folder: Contains the others.
        home: Its home.
        work: Its working folder, which also has its temporary files.
    """

    folder: Path
    home: Path
    work: Path


@contextmanager
def place_for_program(prefix: str) -> Iterator[Place]:
    """A new place, removed after the block.

    Args:
        prefix: The prefix of its folder's name.
    """
    with temporary_folder(prefix) as folder:
        place = Place(folder, folder / "home", folder / "work")
        for own in (place.home, place.work):
            own.mkdir(mode=0o700)
        yield place


def start_program(
    context: AttemptContext,
    place: Place,
    program: Sequence[str],
    argv: Sequence[str],
    environment: Mapping[str, str],
    surroundings: Surroundings,
) -> Program:
    """Start a program for an attempt.

    Args:
        context: The attempt.
        place: Its folders.
        program: The part of its command line that names the program and the scripts it runs.
        argv: Its whole command line.
        environment: Its whole environment except its home.
        surroundings: What it may see besides its file.

    Raises:
        InfrastructureError: With cause ``isolation_unavailable`` when it can't be shown what it needs, or
            ``agent_sandbox``.
        OSError: When it can't be started.
    """
    hidden = replace(context.hidden, sealed=(*context.hidden.sealed, context.outputs))
    shown = ShownPaths()
    if context.isolation.confined:
        finder = Finder(hidden, os.environ)
        finder.command(program, surroundings)
        finder.pump(context.endpoint.pump_argv)
        finder.folders(os.environ.get(FOLDERS_VARIABLE, ""))
        for name in CERTIFICATES:
            finder.file(Path(environment.get(name, "")))
        shown, hidden = finder.shown, finder.hidden
    own = {"HOME": str(place.home), "TMPDIR": str(place.work)}
    socket = context.endpoint.socket_path
    order = Order(
        argv=argv,
        environment={**environment, **own},
        folder=place.folder,
        work=place.work,
        shown=shown,
        hidden=hidden,
        sockets=(socket,) if socket.exists() else (),
    )
    return Program(context.isolation, order)
