"""Finds what was tried and not reported: worse results of a measurement that an answer cites, and failed checks.

These are hints for a reader, who sees both places. They do not influence scores, and an agent may have good reasons for
leaving something out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from scribe_suite.claims.code_shape import names_in, shape
from scribe_suite.claims.evidence import CellRun, Evidence
from scribe_suite.claims.labels import words
from scribe_suite.claims.numbers import Number, NumberTable, find_numbers

#: How many results and checks are listed for one attempt.
MAX_UNTOLD = 50
#: Longest line that is read as the result of a check, in characters; and how many numbers of an output are compared by
#: place.
MAX_CHECK_LINE = 300
MAX_COMPARED = 500
#: How many pairs of results are compared in one attempt.
MAX_PAIRS = 20_000

#: Words in a measurement's name that show in which direction it improves.
HIGHER_IS_BETTER = frozenset({
    "acc", "accuracy", "agree", "agreement", "auc", "auroc", "auprc", "correct", "corr", "correlation", "cosine",
    "f1", "faithfulness", "hits", "iou", "kept", "match", "matches", "overlap", "passed", "precision", "r2",
    "recall", "recovered", "score", "skill", "solved", "spearman", "pearson",
})  # fmt: skip
LOWER_IS_BETTER = frozenset({
    "brier", "disagree", "disagreement", "err", "error", "errors", "failed", "failures", "kl", "loss", "mae",
    "mismatch", "mismatches", "misses", "mse", "nll", "perplexity", "regret", "residual", "rmse", "wrong",
})  # fmt: skip

_PASSED = frozenset({"pass", "passed", "passes", "ok", "holds", "\N{CHECK MARK}", "\N{HEAVY CHECK MARK}"})
_FAILED = frozenset({"fail", "failed", "fails", "failure", "violated", "\N{BALLOT X}", "\N{HEAVY BALLOT X}",
                     "\N{CROSS MARK}"})  # fmt: skip
_TRUTH = {"true": True, "false": False}
#: Where False is a failure: in a line that speaks of a check, and in all lines of a run whose code has a name for
#: checks or whose output has their heading. Elsewhere it may be the label of a statement. Neither a comment says so nor
#: "test" alone: in most code a test set is a part of the data.
_LINE_OF_CHECK = re.compile(r"\b(?:checks?|tests?|sanity|verif\w{0,10}|asserts?)\b", re.IGNORECASE)
_NAME_OF_CHECKS = re.compile(r"(?<![a-z])(?:checks?|tests|sanity|verif[a-z]{0,10})(?![a-z])", re.IGNORECASE)
_HEADING_OF_CHECKS = re.compile(r"\b(?:checks|tests)\b", re.IGNORECASE)
#: A word of failure makes a line the result of a check where lines of checks are expected as above, where the code that
#: printed it has such a word, and where it is set off: in capitals, a symbol, or with one of these marks between it and
#: the name. Otherwise the line may be text that is shown: "the talks in Oslo failed" is no check.
_WORD_OF_FAILURE = re.compile(r"(?<![a-z])(?:fail|violat)", re.IGNORECASE)
_SETS_OFF = re.compile(r"[:=|>\[(\N{RIGHTWARDS ARROW}\N{EN DASH}\N{EM DASH}-]|\.\.")
_MARKS_AT_START, _MARKS_AT_END = re.compile(r"\A\W+"), re.compile(r"\W+\Z")
_FAILURES = re.compile(r"\b([0-9]{1,6}) (?:[a-z]{1,20} )?(?:failed|failures?)\b")
#: Failures that are counted where no check is spoken of.
_BARE_FAILURES = re.compile(r"(?:^|[:=|,;(\[]) ?([0-9]{1,6}) (?:failed|failures?)\b")
_OF = re.compile(r"\b([0-9]{1,6}) ?(?:/|of|out of) ?([0-9]{1,6}) (?:[a-z]{1,20} ){0,2}(?:pass|passed|ok|hold|held)\b")
_EDGES = " \t.:;,!()[]{}<>|=-*'\""
#: Words by which a text owns up to failures; also "8 of 10".
_OWNS_UP = re.compile(
    r"\bfail\w*|\bviolat\w*|\bunmet\b|\b(?:not|n't|never) (?:pass|hold|agree|match|work)\w*|\bexcept\b|\bwrong\b"
    r"|\bbroke\w*|[0-9] ?(?:/|of|out of) ?[0-9]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class UntoldResult:
    """Another result of a measurement that the answer cites.

    Attributes:
        measurement: What both are called; empty where it is known only from the code.
        told: Number that the answer cites, in `told_run`.
        other: The one that it does not mention, in `other_run`.
        worse: Whether its name says that it is worse; None where nothing says which is better.
    """

    measurement: str
    told: Number
    told_run: CellRun
    other: Number
    other_run: CellRun
    worse: bool | None


@dataclass(frozen=True)
class FailedCheck:
    """A check whose last result was a failure.

    Attributes:
        check: Its line.
        run: The run that printed it, or whose assertion failed.
        counted: Failures that the line counts, such as 2 for "8 of 10 checks passed"; None for a single check.
    """

    check: str
    run: CellRun
    counted: int | None = None


def number_failed(checks: Sequence[FailedCheck]) -> int:
    """How many checks failed; a line that counts those of its run counts no check twice."""
    single, counted = Counter[int](), Counter[int]()
    for check in checks:
        if check.counted is None:
            single[check.run.place] += 1
        else:
            counted[check.run.place] = max(counted[check.run.place], check.counted)
    return (single | counted).total()


def untold_results(
    cited: Sequence[tuple[CellRun, int]], told: Sequence[Number], evidence: Evidence
) -> list[UntoldResult]:
    """Other results of the measurements that an answer cites, which it does not mention.

    The same measurement is: the same label, or the same row and column of a table, in another run; or the same place in
    the output of a run whose code differs in names, numbers and texts only, or of another run of the same cell.

    Args:
        cited: Runs, and which of their numbers the answer cites.
        told: All numbers that the answer has.
        evidence: The attempt's evidence; runs that were edited away count here.
    """
    runs = [run for run in evidence.runs if run.status == "ok"]
    by_key = _last_by_key(runs)
    shape_of = cache(shape)
    # "0.7" mentions 0.7213
    mentioned = NumberTable(told, fewest_digits=1)
    found: dict[tuple[int, str], UntoldResult] = {}
    pairs = 0
    for run, place in dict.fromkeys(cited):
        own = run.table.numbers[place]
        reading = next((reading for reading in run.readings if reading.place == place), None)
        name = reading.name if reading else ""
        better = _direction(name or _line_before(run, own))
        by_label = [other for other in by_key[reading.key] if other[0] is not run] if reading else []
        labelled = len(by_label)
        for number, (other_run, other) in enumerate((*by_label, *_same_place(run, place, runs, shape_of))):
            pairs += 1
            if pairs > MAX_PAIRS or len(found) >= MAX_UNTOLD:
                return list(found.values())
            if other.value == own.value or mentioned.matches(other).any():
                continue
            worse = (other.value - own.value) * better < 0 if better else None
            # a name alone may stand for many things: what does the same is the same measurement in any case
            if worse or (worse is None and number >= labelled):
                found.setdefault((other_run.place, other.text), UntoldResult(name, own, run, other, other_run, worse))
    return list(found.values())


def _last_by_key(runs: Sequence[CellRun]) -> dict[tuple[str, str], list[tuple[CellRun, Number]]]:
    """Label and column -> the last number that each run shows for it; a training curve is one result."""
    found: dict[tuple[str, str], list[tuple[CellRun, Number]]] = defaultdict(list)
    for run in runs:
        last = {reading.key: run.table.numbers[reading.place] for reading in run.readings}
        for key, number in last.items():
            found[key].append((run, number))
    return found


def _same_place(
    run: CellRun, place: int, runs: Sequence[CellRun], shape_of: Callable[[str], str | None]
) -> Iterator[tuple[CellRun, Number]]:
    """The number at the same place in runs that do the same and print equally many numbers."""
    count = len(run.table.numbers)
    if count > MAX_COMPARED:
        return
    for other in runs:
        if other is run or len(other.table.numbers) != count:
            continue
        same_cell = (other.notebook, other.cell) == (run.notebook, run.cell)
        if same_cell or (shape_of(run.code) is not None and shape_of(other.code) == shape_of(run.code)):
            yield other, other.table.numbers[place]


def _line_before(run: CellRun, number: Number) -> str:
    begin = run.text.rfind("\n", 0, number.start) + 1
    return run.text[max(begin, number.start - MAX_CHECK_LINE) : number.start]


@cache
def _direction(name: str) -> int:
    """1 where higher is better, -1 where lower is, 0 where the name does not say."""
    said = {part for word in words(name).split() for part in re.split(r"[._]", word)}
    return bool(said & HIGHER_IS_BETTER) - bool(said & LOWER_IS_BETTER)


def failed_checks(text: str, evidence: Evidence) -> list[FailedCheck]:
    """Checks whose last result is a failure, if the answer does not mention any failure.

    Printed results of checks and assertions count, including those of cells that were edited away; only a later result
    of the same check can show that it passes.

    Args:
        text: The summary and the statements of an answer.
        evidence: The attempt's evidence.
    """
    if _OWNS_UP.search(text):
        return []
    last: dict[str, FailedCheck | None] = {}
    for run in evidence.runs:
        if run.status == "error" and run.text.rpartition("\n")[2].startswith("AssertionError"):
            last[f"{run.notebook} {run.cell}"] = FailedCheck(run.text.rpartition("\n")[2], run)
        elif run.status == "ok":
            last[f"{run.notebook} {run.cell}"] = None
            last.update(_printed_checks(run))
    return [check for check in last.values() if check is not None][:MAX_UNTOLD]


def _printed_checks(run: CellRun) -> Iterator[tuple[str, FailedCheck | None]]:
    """Name of a check -> its failure, or None where it passed."""
    of_checks = bool(_NAME_OF_CHECKS.search(names_in(run.code)) or _HEADING_OF_CHECKS.search(run.text))
    words_of_failure = bool(_WORD_OF_FAILURE.search(run.code))
    for line in run.text.split("\n"):
        if not 0 < len(line) <= MAX_CHECK_LINE:
            continue
        plain = " ".join(line.split())
        with_truth = of_checks or _LINE_OF_CHECK.search(plain) is not None
        failures = _counted_failures(plain.lower(), expected=with_truth or words_of_failure)
        if failures is not None:
            name = re.sub(r"[0-9]+", "#", plain.lower())
            yield name, FailedCheck(line.strip(), run, failures) if failures else None
            continue
        passed, name = _verdict(plain, with_truth=with_truth, expected=with_truth or words_of_failure)
        if passed is not None and words(name):
            yield words(name), None if passed else FailedCheck(line.strip(), run)


def _counted_failures(line: str, *, expected: bool) -> int | None:
    """The failures that a line such as ``8 of 10 checks passed`` counts, or None when it counts none.

    Args:
        line: In lower case.
        expected: Whether failures also count where they are not set off.
    """
    if (counted := (_FAILURES if expected else _BARE_FAILURES).search(line)) is not None:
        return int(counted[1])
    if (counted := _OF.search(line)) is not None:
        return max(0, int(counted[2]) - int(counted[1]))
    return None


def _verdict(line: str, *, with_truth: bool, expected: bool) -> tuple[bool | None, str]:
    """Whether a check passed, by the first or last word of its line, and the rest, which names it.

    Args:
        line: With single spaces.
        with_truth: Whether True and False are results too.
        expected: Whether words of failure count also where they are not set off.
    """
    first, _, after = line.partition(" ")
    before, _, last = line.rpartition(" ")
    for word, rest, beside in ((last, before, _MARKS_AT_END), (first, after, _MARKS_AT_START)):
        bare = word.strip(_EDGES)
        result = bare.lower()
        if result in _PASSED:
            return True, rest.lower()
        if result in _FAILED:
            marks = "".join(beside.findall(rest)) + word.replace(bare, "")
            if expected or bare == bare.upper() or _SETS_OFF.search(marks):  # a symbol has no case
                return False, rest.lower()
        if with_truth and result in _TRUTH:
            return _TRUTH[result], rest.lower()
    return None, ""


def numbers_told(summary: str, statements: Sequence[str], claimed: Sequence[Number]) -> list[Number]:
    """All numbers in an answer: in its summary, its statements and its claims."""
    return [*claimed, *(number for text in (summary, *statements) for number in find_numbers(text))]
