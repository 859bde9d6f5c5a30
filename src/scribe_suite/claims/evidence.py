"""What the journals of an attempt show: every run of every cell, with its code, its output, and how it ended.

Journals are untrusted: invalid events are skipped, and only the beginning of a long output is read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Bool, Float, Int

from scribe_suite.claims.code_shape import chosen_numbers
from scribe_suite.claims.experiments import read_experiments
from scribe_suite.claims.labels import Reading, find_readings
from scribe_suite.claims.numbers import NumberTable, find_numbers, typed_values
from scribe_suite.notebook.document import Cell, add_output
from scribe_suite.notebook.journal import JOURNAL_SUFFIX, Event, read_journal
from scribe_suite.text import strip_terminal
from scribe_suite.untrusted_files import UntrustedFolder

#: The largest journal that is checked, in bytes.
MAX_JOURNAL_BYTES = 100_000_000
#: How many characters are read of one run's output and code, and of all runs together.
MAX_OUTPUT, MAX_OUTPUT_OF_ALL = 200_000, 2_000_000
MAX_CODE, MAX_CODE_OF_ALL = 100_000, 1_000_000
#: How many runs of cells are read.
MAX_RUNS = 5_000

_TEXT_TYPES = ("text/plain", "text/markdown", "text/latex", "text/html")


class TypedNumbers:
    """The numbers in the code of an attempt.

    Args:
        codes: The code of each run, in order.
    """

    def __init__(self, codes: Iterable[str]) -> None:
        first: dict[float, int] = {}
        for place, code in enumerate(codes):
            for size in typed_values(code):
                first.setdefault(size, place)
        self._sizes: Float[np.ndarray, " m"] = np.array(sorted(first), np.float64)
        self._places: Int[np.ndarray, " m"] = np.array([first[size] for size in self._sizes.tolist()], np.int64)

    def known(self, values: Float[np.ndarray, " n"], place: int) -> Bool[np.ndarray, " n"]:
        """Which values, of either sign, are in the code of the run at a place or of an earlier run."""
        if not len(self._sizes):
            return np.zeros(len(values), bool)
        sizes = np.abs(values)
        found = np.minimum(np.searchsorted(self._sizes, sizes), len(self._sizes) - 1)
        here: Bool[np.ndarray, " n"] = (self._sizes[found] == sizes) & (self._places[found] <= place)
        return here


@dataclass(frozen=True, eq=False)
class CellRun:
    """One run of one cell.

    Attributes:
        notebook: The notebook's name, without its suffix.
        cell: The journal's name of the cell, such as ``cell-3``.
        number: Which run of this cell it is, from 1.
        place: Its place among all runs, from 0.
        code: What was run.
        status: How it ended, as in `document.CellStatus`.
        execution_count: The kernel's number of it, or None.
        text: Its output.
        edited_away: Whether the cell was run again later with other code.
        typed: The numbers in the code of all runs.
    """

    notebook: str
    cell: str
    number: int
    place: int
    code: str
    status: str
    execution_count: int | None
    text: str
    edited_away: bool
    typed: TypedNumbers

    @property
    def is_evidence(self) -> bool:
        """Whether its output may support a claim: it ended well, and its code was not edited away."""
        return self.status == "ok" and not self.edited_away

    @cached_property
    def table(self) -> NumberTable:
        """The numbers in its output."""
        return NumberTable(find_numbers(self.text))

    @cached_property
    def measured(self) -> Bool[np.ndarray, " n"]:
        """Which of its numbers are neither in its code nor in that of an earlier run.

        The others may only be repetitions, such as an answer that is printed, or a setting.
        """
        return ~self.typed.known(self.table.values, self.place)

    @cached_property
    def readings(self) -> list[Reading]:
        """Those of its numbers that have a label."""
        return find_readings(self.text, self.table.numbers)

    @property
    def label(self) -> str:
        """The name that readers see."""
        again = f", run {self.number}" if self.number > 1 else ""
        count = f"In [{self.execution_count}]" if self.execution_count is not None else self.cell
        return f"{count} of {self.notebook}{again}"


@dataclass(frozen=True)
class Evidence:
    """All runs of an attempt.

    Attributes:
        runs: In the order in which they were started.
        is_whole: False where there was more than was read.
        experiments: Ids of the laboratory runs, or None where they are not known.
    """

    runs: tuple[CellRun, ...] = ()
    is_whole: bool = True
    experiments: frozenset[str] | None = None

    @cached_property
    def valid(self) -> tuple[CellRun, ...]:
        """The runs that may support a claim."""
        return tuple(run for run in self.runs if run.is_evidence)

    @cached_property
    def chosen(self) -> NumberTable:
        """The numbers in the code of these runs, outside of strings."""
        return NumberTable(find_numbers(" ".join(chosen_numbers(run.code) for run in self.valid)))

    def named(self, cell: int | str) -> list[CellRun]:
        """The runs that a claim may refer to: those with this ``execution_count``, in the notebook that it names.

        Args:
            cell: A count, as a number or a text, or ``"notebook.ipynb:7"``.
        """
        name, _, number = str(cell).rpartition(":")
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            return []
        notebook = PurePosixPath(name).name.removesuffix(".ipynb")
        return [run for run in self.runs if run.execution_count == int(number) and notebook in ("", run.notebook)]


@dataclass
class _Draft:
    """A run while its events are read."""

    notebook: str
    cell: str
    number: int
    began: float
    code: str
    status: str = "running"
    count: int | None = None
    shown: Cell = field(default_factory=lambda: Cell("", ""))


def read_evidence(notebooks: UntrustedFolder | None, outputs: UntrustedFolder | None = None) -> Evidence:
    """Read the journals in an attempt's ``notebooks`` folder, and the experiments in its ``outputs``.

    Args:
        notebooks: Open, or None when there is none.
        outputs: The same.

    Raises:
        InfrastructureError: With cause ``journal_corrupt`` when one is damaged.
        OSError: When one can't be read.
    """
    drafts: list[_Draft] = []
    whole = True
    for name in notebooks.files(f"*{JOURNAL_SUFFIX}") if notebooks is not None else ():
        assert notebooks is not None
        if notebooks.stat(name).st_size > MAX_JOURNAL_BYTES:
            whole = False
            continue
        drafts += _drafts(name.removesuffix(JOURNAL_SUFFIX), read_journal(notebooks.path / name, notebooks))
    return replace(evidence_of(drafts, whole), experiments=read_experiments(outputs))


def evidence_of_events(journals: Mapping[str, Iterable[Event]]) -> Evidence:
    """What journals show, from their events.

    Args:
        journals: Notebook -> events.
    """
    return evidence_of([draft for name, events in journals.items() for draft in _drafts(name, events)])


def evidence_of(drafts: Sequence[_Draft], whole: bool = True) -> Evidence:
    """The runs in order, each with what is known only at the end: what was edited, and what was typed before."""
    ordered = sorted(drafts, key=lambda draft: draft.began)
    if len(ordered) > MAX_RUNS:
        ordered, whole = ordered[-MAX_RUNS:], False
    last = {(draft.notebook, draft.cell): draft.code for draft in ordered}
    codes = _cut_together([draft.code for draft in ordered], MAX_CODE, MAX_CODE_OF_ALL)
    texts = _cut_together([_text(draft.shown) for draft in ordered], MAX_OUTPUT, MAX_OUTPUT_OF_ALL)
    typed = TypedNumbers(codes)
    runs = tuple(
        CellRun(
            notebook=draft.notebook,
            cell=draft.cell,
            number=draft.number,
            place=place,
            code=codes[place],
            status=draft.status,
            execution_count=draft.count,
            text=strip_terminal(texts[place]),
            edited_away=last[draft.notebook, draft.cell] != draft.code,
            typed=typed,
        )
        for place, draft in enumerate(ordered)
    )
    shown = sum(map(len, texts)) + sum(map(len, codes))
    everything = sum(len(_text(draft.shown)) + len(draft.code) for draft in ordered)
    return Evidence(runs, whole and shown == everything)


def _cut_together(texts: Sequence[str], longest: int, all_together: int) -> list[str]:
    """The beginnings of texts, shortened to `all_together` characters in total; the last texts lose theirs first."""
    cut = []
    for text in texts:
        kept = text[: min(longest, all_together)]
        all_together -= len(kept)
        cut.append(kept)
    return cut


def _drafts(notebook: str, events: Iterable[Event]) -> Iterator[_Draft]:
    """The runs of one journal, in its order."""
    drafts: dict[tuple[str, int], _Draft] = {}
    for event in events:
        with contextlib.suppress(KeyError, TypeError, AttributeError, ValueError, IndexError):
            _apply(notebook, event, drafts)
    yield from drafts.values()


def _apply(notebook: str, event: Event, drafts: dict[tuple[str, int], _Draft]) -> None:
    kind = event["event"]
    if kind not in ("cell_started", "output", "cell_finished"):
        return
    key = event["cell"], event["run"]
    if kind == "cell_started":
        code, began = event["code"], event["time"]
        if (
            isinstance(key[0], str)
            and isinstance(key[1], int)
            and isinstance(code, str)
            and isinstance(began, int | float)
        ):
            drafts[key] = _Draft(notebook, *key, float(began), code)
    elif kind == "output":
        add_output(drafts[key].shown, event["output"])
    else:
        count = event["execution_count"]
        drafts[key].status = str(event["status"])
        drafts[key].count = count if isinstance(count, int) and not isinstance(count, bool) else None


def _text(cell: Cell) -> str:
    """A run's output, terminal codes included."""
    return "\n".join(map(_output_text, cell.outputs))


def _output_text(output: Mapping[str, object]) -> str:
    if output.get("output_type") == "stream":
        text = output.get("text")
        return "".join(map(str, text)) if isinstance(text, list) else str(text)
    if output.get("output_type") == "error":
        return f"{output.get('ename')}: {output.get('evalue')}"
    data = output.get("data")
    if not isinstance(data, dict):
        return ""
    return next((str(data[mime]) for mime in _TEXT_TYPES if mime in data), "")
