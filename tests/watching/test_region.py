"""Lines below pytest's output: what a terminal shows while they are there, and that nothing of them stays."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import select
import struct
import termios

import pytest
from _pytest._io import TerminalWriter

from scribe_suite.watching.region import Region
from tests.terminals import Emulator

COLUMNS, ROWS = 40, 12


class Screen:
    """pytest's terminal writer on a pseudo-terminal, and what is seen there."""

    def __init__(self) -> None:
        self._controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.file = os.fdopen(terminal, "w", encoding="utf-8")
        self.writer = TerminalWriter(self.file)
        self._emulator = Emulator(COLUMNS, ROWS)

    def write(self, text: str) -> None:
        self.writer.write(text, flush=True)

    @property
    def emulator(self) -> Emulator:
        while select.select([self._controller], [], [], 0.02)[0]:
            self._emulator.feed(os.read(self._controller, 1 << 16))
        return self._emulator

    @property
    def lines(self) -> list[str]:
        return self.emulator.text().splitlines()

    def close(self) -> None:
        self.file.close()
        os.close(self._controller)


@pytest.fixture
def screens():
    made = []

    def make():
        made.append(Screen())
        return made[-1]

    yield make
    for screen in made:
        screen.close()


def test_lines_stand_below_an_unfinished_line_which_goes_on_after_them(screens):
    screen = screens()
    region = Region(screen.writer)
    screen.write("tests/test_a.py .")
    region.show(["2 running", "circuits/ioi"])
    assert screen.lines == ["tests/test_a.py .", "2 running", "circuits/ioi"]
    screen.write(".F")
    assert screen.lines == ["tests/test_a.py ..F", "2 running", "circuits/ioi"]
    region.show(["1 running"])
    assert screen.lines == ["tests/test_a.py ..F", "1 running"]
    region.close()
    screen.write(".\n")
    assert screen.lines == ["tests/test_a.py ..F."]
    assert screen.writer._file is screen.file


def test_lines_stay_at_the_bottom_of_a_full_screen(screens):
    screen = screens()
    region = Region(screen.writer)
    for number in range(3 * ROWS):
        screen.write(f"line {number}\n")
        region.show(["2 running", f"after {number}"])
    last = 3 * ROWS - 1
    assert screen.lines[-5:] == [f"line {last - 1}", f"line {last}", "", "2 running", f"after {last}"]
    assert len(screen.lines) == ROWS
    assert sum("running" in line for line in screen.emulator.everything().splitlines()) == 1


def test_hidden_lines_leave_the_terminal_to_a_debugger(screens):
    screen = screens()
    region = Region(screen.writer)
    screen.write("before\n")
    region.show(["2 running"])
    region.hide()
    screen.write("(Pdb) ")
    assert screen.lines == ["before", "(Pdb)"]


def test_foreign_text_is_untidy_only_until_the_next_redraw(screens):
    screen = screens()
    region = Region(screen.writer)
    screen.write("before\n")
    region.show(["2 running", "circuits/ioi"])
    os.write(screen.file.fileno(), b"node down\n")
    region.show(["1 running"])
    assert screen.lines == ["before", "node down", "", "1 running"]


@pytest.mark.parametrize("seed", range(5))
def test_what_pytest_writes_is_what_would_be_there_without_the_lines(screens, seed):
    """Among it lines that fill the terminal's width exactly, where a cursor that moves forgets the line break."""
    plain, shared, rng = screens(), screens(), random.Random(seed)
    region = Region(shared.writer)
    for _ in range(60):
        text = rng.choice(
            [".", "F", "\n", "x" * COLUMNS, "y" * (COLUMNS - 1), "gemäß → 1\n", "a line\nand half of one"]
        )
        for screen in (plain, shared):
            screen.write(text)
        region.show([f"line {number}" for number in range(rng.randint(0, ROWS - 4))])
    region.close()
    for screen in (plain, shared):
        screen.write("end")
    assert shared.emulator.everything() == plain.emulator.everything()


def test_a_writer_without_a_descriptor_is_refused():
    class Nowhere:
        def flush(self):
            pass

        def fileno(self):
            raise OSError("none")

    writer = TerminalWriter(Nowhere())
    with pytest.raises(OSError, match="none"):
        Region(writer)
    assert isinstance(writer._file, Nowhere)
