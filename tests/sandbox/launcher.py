"""Starts code as an agent's program, with small limits."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scribe_suite.sandbox import launching
from scribe_suite.sandbox.launching import Order, Program, ProgramLimits
from scribe_suite.sandbox.programs import Finder, HiddenPaths
from scribe_suite.sandbox.tiers import IsolationTier

SMALL = ProgramLimits(memory_bytes=512 << 20, processes=64, folder_bytes=16 << 20, tmp_bytes=8 << 20, shm_bytes=8 << 20)
HELPERS = """
import ctypes, json, mmap, os, signal, socket, subprocess, sys, time
told = json.loads(sys.argv[1])
def attempt(name):
    try:
        found = globals()[name]()
    except BaseException as error:
        return ["denied", repr(error)[:200]]
    return ["allowed" if found else "denied", repr(found)[:200]]
"""


@dataclass
class Ran:
    code: int | None
    out: str
    err: str
    process: Any


class Launcher:
    """Starts code as an agent's program."""

    def __init__(self, tier: IsolationTier, own: Path, beside: Path) -> None:
        self.tier, self.own, self.beside = tier, own, beside
        self.hidden = HiddenPaths(sealed=(beside / "sealed",))
        self.sockets: tuple[Path, ...] = ()
        beside.joinpath("sealed").mkdir(parents=True)

    def start(self, code: str, told: object = None, limits: ProgramLimits = SMALL) -> Program:
        program = self.beside / "program" / "agent"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!{sys.executable}\n{HELPERS}{code}\n")
        program.parent.joinpath("sibling").write_text("sibling")
        program.chmod(0o755)
        finder = Finder(self.hidden, os.environ)
        finder.command([str(program)], "folder")
        finder.pump([sys.executable, "-S", "-E", str(Path(launching.__file__).parents[1] / "notebook" / "pump.py")])
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.own / "home"), "TMPDIR": str(self.own / "work")}
        order = Order(
            [str(program), json.dumps(told)], environment, self.own, self.own / "work", finder.shown, finder.hidden,
            self.sockets, limits,
        )  # fmt: skip
        return Program(self.tier, order)

    def run(self, code: str, told: object = None, limits: ProgramLimits = SMALL, timeout_s: float = 60.0) -> Ran:
        with self.start(code, told, limits) as program:
            return self.finish(program, timeout_s)

    def finish(self, program: Program, timeout_s: float = 60.0) -> Ran:
        assert program.process is not None
        code = program.process.wait(timeout_s)
        program.end()
        return Ran(code, os.read(program.stdout, 1 << 20).decode(), os.read(program.stderr, 1 << 20).decode(),
                   program.process)  # fmt: skip
