"""Draw the pictures of the README, in docs/pictures/.

Usage:
    python -m tools.pictures            # draw them again, from the recorded run
    python -m tools.pictures --run      # make the run again first (minutes), and record it
    python -m tools.pictures --check    # say whether the picture of the table is stale, and change nothing
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.pictures.report_page import BROWSERS, browser, write_report_picture
from tools.pictures.table import table_svg

ROOT = Path(__file__).parents[2]
#: The run that is drawn.
RECORD = Path(__file__).with_name("run.jsonl")
TABLE = ROOT / "docs" / "pictures" / "table.svg"
REPORT = ROOT / "docs" / "pictures" / "report.png"
#: What is run: five small tasks with built-in providers.
COMMAND = (
    "pytest", "benchmarks", "-n", "2", "--provider", "reference,random",
    "-k", "mlp_only or suppressor or antonym or unigram or cities",
)  # fmt: skip
#: The tables that are drawn; a run prints more.
KEYS = ("circuits", "providers")
#: Exit code of pytest when tests failed, as those of `random` do.
_TESTS_FAILED = 1


def drawn_table() -> str:
    """The picture of the table, as the code draws it now."""
    return table_svg(RECORD, shlex.join(COMMAND), KEYS)


def record_run() -> None:
    """Make the run and keep its ledger.

    Raises:
        RuntimeError: If pytest could not make the run.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", *COMMAND, "--results-dir", folder], cwd=ROOT, check=False, timeout=3600
        )
        ledgers = list(Path(folder).glob("*.jsonl"))
        if done.returncode != _TESTS_FAILED or len(ledgers) != 1:
            raise RuntimeError(f"the run failed: pytest exited with {done.returncode}")
        shutil.copyfile(ledgers[0], RECORD)


def main() -> int:
    """Draw or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true", help="make the run again first, and record it")
    parser.add_argument("--check", action="store_true", help="exit with 1 when the picture of the table is stale")
    options = parser.parse_args()
    if options.check:
        stale = TABLE.read_text() != drawn_table()
        if stale:
            print(f"{TABLE.relative_to(ROOT)} is stale: run python -m tools.pictures")
        return int(stale)
    if options.run:
        record_run()
    TABLE.write_text(drawn_table())
    if command := browser():
        write_report_picture(RECORD, REPORT, command)
    else:
        print(f"The picture of the report is as it was: none of {', '.join(BROWSERS)} is here.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
