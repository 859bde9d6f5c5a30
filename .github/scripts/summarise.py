"""Writes the Markdown of a benchmark run into the job summary, and decides whether the run is a success.

Environment:
    LEDGER: The merged ledger, or empty.
    PROBLEMS: Sentences about parts that are missing, a JSON list.
    LEFT_OUT: Sentences about providers that did not run, a JSON list.
    BASELINE_OUTCOME: ``success`` when it is known whether there is a run to compare with.
    BASELINE, BASELINE_RUN: Its ledger and id; empty when there is none.
    TOLERANCE: Changes of a test's skill up to this size are none.
    FAIL_ON: ``significant``: a provider that is worse than in the last run over all its tasks, by the test of
        docs/reference/statistics.md; ``any``: a test whose skill fell by more than the tolerance; or ``nothing``.
        Runs have different instances, so some test may always fall by chance.
    GITHUB_STEP_SUMMARY: File for the summary. The whole text is also in ``merged/summary.md``.

Exit code 1 when there is no whole result, or when a regression is one to fail on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow import StepError, annotate, fail, variable

SUMMARY_LIMIT = 1_000_000
"""Bytes; GitHub drops a step's summary above 1 MiB altogether."""

WHOLE_TEXT = Path("merged/summary.md")
_CUT = "\n\n**The summary is cut off here: GitHub shows 1 MiB. All of it is in the artifact, `summary.md`.**\n"
FAIL_ON = ("significant", "any", "nothing")
_REGRESSION, _INFRASTRUCTURE = 1, 3
"""Exit codes of `scribe-suite diff`."""

_REFUSED = 2
"""Exit code of all its commands for what they refuse."""


@dataclass
class Summary:
    """The text so far, and what makes the run fail."""

    text: str = "## Benchmark\n\n"
    failures: int = 0

    def add(self, *blocks: str) -> None:
        """Add paragraphs."""
        self.text += "".join(f"{block.strip()}\n\n" for block in blocks if block.strip())

    def tell(self, kind: str, message: str) -> None:
        """Annotate the run; an error makes it fail."""
        annotate(kind, message)
        self.failures += kind == "error"


def suite(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the project's command line."""
    return subprocess.run([".venv/bin/scribe-suite", *arguments], capture_output=True, text=True, check=False)


def folded(title: str, text: str) -> str:
    """A block that opens on a click."""
    return f"<details><summary>{title}</summary>\n\n{text.strip()}\n\n</details>"


def add_problems(summary: Summary, problems: list[str], left_out: list[str]) -> None:
    """What is missing, first of all."""
    lines = [f"- **Incomplete:** `{_one_line(problem)}`" for problem in problems]
    lines += [f"- `{_one_line(sentence)}`" for sentence in left_out]
    summary.add("\n".join(lines))
    if problems:
        summary.tell("error", f"The run is incomplete: {len(problems)} problems, listed in the summary.")


def add_diff(summary: Summary, ledger: str) -> None:
    """What changed since the last run on the main branch, test by test and over all tests."""
    baseline, run = variable("BASELINE"), variable("BASELINE_RUN")
    if variable("BASELINE_OUTCOME") != "success":
        summary.add("**Not compared:** the last run on the main branch could not be fetched; this job's log says why.")
        return
    if not baseline:
        summary.add("There is no earlier run of these providers on the main branch to compare with.")
        return
    fail_on = variable("FAIL_ON")
    if fail_on not in FAIL_ON:
        raise StepError(f"FAIL_ON is {fail_on!r}: give {', '.join(FAIL_ON)}.")
    tolerance = variable("TOLERANCE")
    diff = suite("diff", baseline, ledger, "--tolerance", tolerance, "--format", "markdown")
    if diff.returncode not in (0, _REGRESSION, _INFRASTRUCTURE) or not diff.stdout:
        summary.tell("error", f"The diff with run {run} failed: {diff.stderr.strip()}")
        return
    compared = suite("compare", baseline, ledger, "--format", "json")
    if compared.returncode:
        # runs of different task versions are refused; anything else is a fault, and a gate must not stay open for it
        kind = "warning" if compared.returncode == _REFUSED else "error"
        summary.tell(kind, f"The providers are not compared with run {run}: {compared.stderr.strip()}")
    for sentence in worse_providers(json.loads(compared.stdout or "{}"), ledger):
        summary.tell("error" if fail_on == "significant" else "warning", sentence)
        summary.add(f"**{sentence}**")
    summary.add(diff.stdout)
    if diff.returncode == _REGRESSION:
        kind = "error" if fail_on == "any" else "warning"
        summary.tell(kind, f"Single tests fell by more than {tolerance} since run {run}; the summary lists them.")
    elif diff.returncode == _INFRASTRUCTURE:
        summary.tell("warning", f"Infrastructure failed attempts that it did not fail in run {run}.")
    both = suite("compare", baseline, ledger, "--format", "markdown")
    summary.add(folded("Both runs with intervals and tests", both.stdout or both.stderr))


def worse_providers(compared: dict[str, Any], ledger: str) -> list[str]:
    """A sentence for each provider that is significantly worse than in the baseline, over its tasks.

    Args:
        compared: What `scribe-suite compare --format json` says of both runs; empty when it refused.
        ledger: Path of the run in question.
    """
    if not compared:
        return []
    new = next(run["number"] for run in compared["runs"] if run["path"] == ledger)
    side = {each["label"]: each for each in compared["sides"]}
    sentences = []
    for pair in compared["pairs"]:
        left, right = side[pair["left"]], side[pair["right"]]
        if left["provider"] != right["provider"] or pair["p_corrected"] is None:
            continue
        change = pair["difference"] if left["run"] == new else -pair["difference"]
        if change < 0 and pair["p_corrected"] < compared["level"]:
            sentences.append(
                f"{left['provider']} is worse than in the last run: skill {change:+.3f} over {pair['tasks']} tasks, "
                f"p = {pair['p_corrected']:.2g}."
            )
    return sentences


def add_tables(summary: Summary, ledger: str) -> None:
    """The run's own tables."""
    tables = suite("compare", ledger, "--format", "markdown")
    if tables.returncode:
        summary.tell("error", f"The tables could not be made: {tables.stderr.strip()}")
        return
    summary.add("## Results", tables.stdout)


def write(text: str) -> None:
    """Write the summary, cut at a line where GitHub would drop it, and all of it beside the ledger."""
    WHOLE_TEXT.parent.mkdir(exist_ok=True)
    WHOLE_TEXT.write_text(text, encoding="utf-8")
    if len(text.encode()) > SUMMARY_LIMIT:
        head = text.encode()[: SUMMARY_LIMIT - len(_CUT.encode())].decode(errors="ignore")
        text = head[: head.rfind("\n")] + _CUT
    with Path(variable("GITHUB_STEP_SUMMARY")).open("a", encoding="utf-8") as file:
        file.write(text)


def main() -> int:
    """Write the summary; 1 when the run is no success."""
    summary = Summary()
    add_problems(summary, json.loads(variable("PROBLEMS")), json.loads(variable("LEFT_OUT")))
    ledger = variable("LEDGER")
    if ledger:
        add_diff(summary, ledger)
        add_tables(summary, ledger)
    write(summary.text)
    return 1 if summary.failures else 0


def _one_line(text: str) -> str:
    """Text for a code span."""
    return " ".join(text.replace("`", "'").split())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StepError as error:
        fail(error)
