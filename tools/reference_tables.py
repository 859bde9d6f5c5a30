"""Tables in the documentation that repeat what the code says: made from the code, and checked by a test.

    python -m tools.reference_tables            # write all of them into their documents
    python -m tools.reference_tables --check    # say which are stale, and change nothing

A document holds a table between two comments, ``<!-- generated: NAME -->`` and ``<!-- end: NAME -->``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scribe_suite.laboratory import prices
from scribe_suite.plugin.option import options
from scribe_suite.sandbox import escape_table, program_gaps
from scribe_suite.text import with_table
from tools import documented_tables, laboratory_tables

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class GeneratedTable:
    """One table of the documentation.

    Attributes:
        document: Its document, relative to the checkout.
        make: Makes it as Markdown, without an empty line at either end.
    """

    document: str
    make: Callable[[], str]


#: By the name in their comments.
TABLES: Mapping[str, GeneratedTable] = {
    "agent CLIs": GeneratedTable("docs/guide/agents.md", documented_tables.agent_clis),
    "agents' programs": GeneratedTable("docs/guide/agents.md", program_gaps.as_markdown),
    "causes of agents' CLIs": GeneratedTable("docs/reference/causes.md", documented_tables.cli_causes),
    "answer kinds": GeneratedTable("docs/guide/own-task.md", documented_tables.answer_kinds),
    "cheats": GeneratedTable("docs/guide/agents.md", documented_tables.cheats),
    "exit codes": GeneratedTable("docs/reference/causes.md", documented_tables.exit_codes),
    "laboratory levels": GeneratedTable("docs/reference/budgets.md", laboratory_tables.laboratory_levels),
    "laboratory limits": GeneratedTable("docs/guide/laboratory.md", laboratory_tables.laboratory_limits),
    "laboratory operations": GeneratedTable("docs/guide/laboratory.md", laboratory_tables.laboratory_operations),
    "laboratory prices": GeneratedTable("docs/guide/laboratory.md", prices.as_markdown),
    "laboratory sites": GeneratedTable("docs/guide/laboratory.md", laboratory_tables.laboratory_sites),
    "limits": GeneratedTable("docs/guide/isolation.md", documented_tables.limits),
    "live": GeneratedTable("docs/guide/watching.md", documented_tables.live_options),
    "model sources": GeneratedTable("docs/guide/real-models.md", documented_tables.model_sources),
    "options": GeneratedTable("docs/reference/options.md", options.as_markdown),
    "other causes": GeneratedTable("docs/reference/causes.md", documented_tables.other_causes),
    "outcomes": GeneratedTable("docs/reference/causes.md", documented_tables.outcomes),
    "outcomes by test": GeneratedTable("docs/quickstart.md", documented_tables.outcomes_by_test),
    "providers": GeneratedTable("docs/guide/agents.md", documented_tables.providers),
    "tasks": GeneratedTable("docs/reference/tasks.md", documented_tables.tasks),
    "tiers": GeneratedTable("docs/guide/isolation.md", documented_tables.tiers),
    "tools": GeneratedTable("docs/guide/agents.md", documented_tables.notebook_tools),
    "ways out": GeneratedTable("docs/guide/isolation.md", escape_table.as_markdown),
}


def markers(name: str) -> tuple[str, str]:
    """The comments above and below the table of this name."""
    return f"<!-- generated: {name} -->", f"<!-- end: {name} -->"


def stale(root: Path = ROOT) -> list[str]:
    """The names of tables that differ from the code."""
    return [
        name
        for name, table in TABLES.items()
        if (text := (root / table.document).read_text()) != with_table(text, markers(name), table.make())
    ]


def write(root: Path = ROOT) -> None:
    """Put every table into its document."""
    for name, table in TABLES.items():
        path = root / table.document
        path.write_text(with_table(path.read_text(), markers(name), table.make()))


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 when a table is stale")
    if not parser.parse_args().check:
        write()
        return 0
    names = stale()
    for name in names:
        print(f"{TABLES[name].document}: the table {name!r} is stale: run python -m tools.reference_tables")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
