import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.presentation.formats import (
    TEXT_FORMATS,
    as_csv,
    as_html,
    as_markdown,
    markdown_text,
    print_terminal,
)
from tests.ledger.factories import attempt, write_ledger

TITLES = (
    "Circuits Tasks", "Probes Tasks", "Providers (means over tasks)", "Solved by one of k attempts",
    "Tokens, cost and time", "Outcomes", "Differences of skill, paired", "Differences of the solved rate, paired",
    "Differences of skill by task",
)  # fmt: skip
HOSTILE = "x|`*<script>alert(1)</script>[red]@octocat\x1b[31m"


@pytest.fixture
def comparison(tmp_path):
    records = [
        attempt(task, provider, trial, 0.8123456 if provider == "a" else 0.25 * trial, tokens={"input": 1200})
        for task in ("circuits/x", "probes/y")
        for provider in ("a", "b")
        for trial in range(4)
    ]
    return compare_runs([write_ledger(tmp_path / "r.jsonl", records)])


@pytest.fixture
def hostile(tmp_path):
    records = [attempt(f"circuits/{HOSTILE}", provider, flags=(HOSTILE,)) for provider in (HOSTILE, "b")]
    return compare_runs([write_ledger(tmp_path / "r.jsonl", records)])


def printed(comparison, width=120):
    stream = io.StringIO()
    print_terminal(comparison, Console(file=stream, width=width))
    return stream.getvalue()


def test_the_original_suites_tables_come_first_in_every_format(comparison):
    for text in (printed(comparison), as_markdown(comparison), as_html(comparison)):
        found = [text.index(title) for title in TITLES]
        assert found == sorted(found)


def test_every_text_format_is_offered_by_the_command():
    from scribe_suite.analysis.arguments import COMPARE_FORMATS

    assert ("terminal", *TEXT_FORMATS) == COMPARE_FORMATS


def test_the_terminal_keeps_to_its_width_and_folds_by_metric(comparison):
    text = printed(comparison, width=45)
    assert max(map(len, text.splitlines())) <= 45
    assert text.count("Circuits Tasks") == 2


def test_markdown_tables_have_as_many_cells_in_every_line(comparison):
    text = as_markdown(comparison)
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "| x | 0.406 | 0.188 |" in text


def test_csv_has_one_unrounded_number_per_line(comparison):
    rows = list(csv.DictReader(io.StringIO(as_csv(comparison))))
    assert set(rows[0]) == {"table", "row", "side", "column", "value"}
    values = {(row["table"], row["row"], row["side"], row["column"]): row["value"] for row in rows}
    assert float(values["circuits", "x", "a", "Skill"]) == 0.8123456
    assert values["providers", "a", "", "Planned"] == "8"
    low, high = (float(values["skill_differences", "a - b", "", f"95 % interval: {end}"]) for end in ("low", "high"))
    assert low < float(values["skill_differences", "a - b", "", "Difference"]) < high


def test_html_is_one_page_without_scripts_or_requests(comparison):
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.seen = [], set()

        def handle_starttag(self, tag, attrs):
            self.seen.add(tag)
            assert not {"src", "href"} & {name for name, _ in attrs}
            if tag not in ("meta", "br"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    tags = Tags()
    tags.feed(as_html(comparison))
    assert tags.open == []
    assert "table" in tags.seen
    assert "script" not in tags.seen


def test_names_from_a_ledger_are_shown_and_nothing_more(hostile):
    page = as_html(hostile)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    markdown = as_markdown(hostile)
    assert "<script" not in markdown
    assert "@octocat" not in markdown
    assert re.search(r"(?<!\\)`", markdown) is None
    assert "\x1b" not in printed(hostile, 1000)
    assert "[red]" in printed(hostile, 1000)
    assert len(list(csv.reader(io.StringIO(as_csv(hostile))))) > 10
    assert json.loads(TEXT_FORMATS["json"](hostile))["sides"][1]["provider"] == HOSTILE


def test_markdown_shows_text_as_it_is():
    assert markdown_text("a_b\n| <i> @me me@home") == r"a\_b \| &lt;i&gt; @<!-- -->me me@home"
