import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.presentation.formats import (
    TEXT_FORMATS,
    as_csv,
    as_html,
    as_markdown,
    markdown_text,
    print_notes,
    print_tables,
    print_terminal,
)
from scribe_suite.analysis.presentation.tables import tables_of
from scribe_suite.analysis.summary import coverage, notes
from tests.ledger.factories import attempt, failed, write_ledger

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


def test_the_terminal_keeps_to_its_width_and_every_part_says_which_it_is(comparison):
    text = printed(comparison, width=40)
    assert max(map(len, text.splitlines())) <= 40
    parts = re.findall(r"Providers \(means over tasks\),\s+part (\d) of (\d)", text)
    assert len(parts) > 1
    assert parts == [(str(number), str(len(parts))) for number in range(1, len(parts) + 1)]
    assert "part" not in printed(comparison, width=150)


@pytest.fixture
def many(tmp_path):
    """Twelve providers with long names at tasks of two kinds."""
    names = [f"command:./agents/number_{n}/agent.py" for n in range(11)] + ["null"]
    kinds = {"circuits/x": {"iou": 0.5, "f1": 0.25}, "circuits/y": {"f1": 0.5, "score": 0.75}}
    records = [
        failed("no_answer", task=task, provider=name)
        if name == "null"
        else attempt(task, name, skill=n / 12, metrics=metrics)
        for task, metrics in kinds.items()
        for n, name in enumerate(names)
    ]
    return compare_runs([write_ledger(tmp_path / "r.jsonl", records)])


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_twelve_providers_fit_every_width(many, width):
    text = printed(many, width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_where_the_columns_of_a_metric_do_not_fit_a_line_each_provider_has_a_row(many):
    (table,) = [table for table in tables_of(many) if table.title == "Circuits Tasks: IoU"]
    stream = io.StringIO()
    print_tables([table], Console(file=stream, width=80))
    rows = stream.getvalue().splitlines()
    assert re.fullmatch(r" +Task +Provider +IoU *", rows[2])
    assert re.fullmatch(r" +x +command:./agents/number_0/agent.py +0.500 *", rows[4])
    assert re.fullmatch(r" {9}command:./agents/number_10/agent.py +0.500 *", rows[6])
    assert len(rows) == 4 + 11 + 1
    assert "null" not in stream.getvalue()  # it has no number here


def test_one_provider_is_named_once_where_its_columns_do_not_fit(tmp_path):
    metrics = dict.fromkeys(("accuracy", "auroc", "control_accuracy", "selectivity"), 0.5)
    one = compare_runs([write_ledger(tmp_path / "r.jsonl", [attempt("probes/y", "claude:opus-4-1", metrics=metrics)])])
    text = printed(one, 80)
    assert text.startswith("Probes Tasks: claude:opus-4-1\n")
    assert re.search(r"Task +Accuracy +AUROC +Control +Selectivity +Skill", text)


def test_the_table_of_a_family_has_what_its_tasks_share_and_others_follow(many):
    tables = [table for table in tables_of(many) if table.key == "circuits"]
    shown = [(table.title, table.rows, list(dict.fromkeys(c.title for c in table.columns))) for table in tables]
    assert shown == [
        ("Circuits Tasks", ("x", "y"), ["F1", "Skill"]),
        ("Circuits Tasks: IoU", ("x",), ["IoU"]),
        ("Circuits Tasks: Score", ("y",), ["Score"]),
    ]


def test_a_task_without_a_valid_answer_does_not_change_what_tasks_share(tmp_path):
    records = [attempt("circuits/x", "a"), failed("no_answer", task="circuits/y", provider="a")]
    first, *others = tables_of(compare_runs([write_ledger(tmp_path / "r.jsonl", records)]))
    assert (first.rows, [column.title for column in first.columns]) == (("x", "y"), ["IoU", "F1", "Skill"])
    assert "circuits" not in [table.key for table in others]


def test_columns_without_a_number_are_left_out_for_people_and_not_for_programs(tmp_path):
    one = compare_runs([write_ledger(tmp_path / "r.jsonl", [attempt("circuits/x", "a")])])
    for text in (printed(one), as_markdown(one), as_html(one)):
        assert "95 % interval of the rate" in text
        assert "Cost, USD" not in text
    assert json.loads(TEXT_FORMATS["json"](one))["sides"][0]["cost_usd"] is None
    nothing = compare_runs([write_ledger(tmp_path / "s.jsonl", [failed(task="circuits/x", provider="a")])])
    assert "Circuits Tasks" not in printed(nothing)


def test_notes_are_folded_between_words_and_say_where_one_goes_on():
    stream = io.StringIO()
    print_notes(["a sentence of some words", "b\x1b[31m", "x" * 30], Console(file=stream, width=12))
    assert stream.getvalue().splitlines() == ["a sentence", "  of some", "  words", "b[31m", "x" * 30]


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


def test_the_sample_of_the_readme_is_what_the_code_prints(tmp_path):
    """Its numbers are those of a real run; here they are given, and the tables around them must be the same."""
    sample = (Path(__file__).parents[3] / "README.md").read_text().partition("```text\n")[2].partition("```")[0]
    metrics = {"success": 1.0, "f1": 1.0, "precision": 1.0, "recall": 1.0, "rve": 0.91}
    guessed = dict.fromkeys(metrics, 0.0) | {"rve": -0.0001}
    others = ("circuits/mlp_only", "circuits/suppressor", "probes/cities")
    records = [
        attempt("neurons/unigram", "reference", metrics=metrics),
        attempt("neurons/unigram", "random", skill=0.0, metrics=guessed),
        *(attempt(task, "reference") for task in others),
        *(attempt(task, "random", skill=skill) for task, skill in zip(others, (-1.0, -0.381, -0.035), strict=True)),
        *(
            failed("no_answer", task=task, provider="null", reason="The agent finished without calling submit_answer.")
            for task in (*others, "neurons/unigram")
        ),
    ]
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    print_tables(tables_of(compare_runs([write_ledger(tmp_path / "r.jsonl", records)])), console)
    print_notes(notes(records), console)
    console.print(str(coverage(records, len(records))))
    printed_lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert [line for line in sample.splitlines() if line not in printed_lines] == []
