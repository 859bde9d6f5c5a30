"""The page of all attempts: its data and structure; tests/report/test_browser.py sorts and filters it."""

import base64
import hashlib
import html
import json
import re
import time

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.report.attempt_list import COLUMNS, as_data, attempt_list_context, list_data
from scribe_suite.report.pages import POLICY, render
from scribe_suite.report.views import RunView
from tests.ledger.factories import attempt, failed, write_ledger
from tests.report.synthetic import CANARY, UNSCORED, write_run
from tests.report.synthetic import attempt as usual

ALLOWED = {"script", "noscript", "label", "input", "select", "option", "button"}


def data_of(text):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture
def page(site):
    return (site / "attempts.html").read_text()


def test_every_attempt_is_in_the_data_and_has_a_page(site, page):
    data = data_of(page)
    slugs = {row[0] for row in data["rows"]}
    assert slugs == {path.stem for path in (site / "attempts").glob("*.html")}
    assert len(data["rows"]) == len(slugs) == 23
    assert all(len(row) == len(data["fields"]) for row in data["rows"])


def test_a_row_tells_what_the_ledger_tells(tmp_path):
    records = [
        usual(skill=0.123456, flags=("late",), reason="too low"),
        usual(provider="codex", outcome="no_answer", **{**UNSCORED, "reason": ""}),
        usual(provider="gemini", outcome="infrastructure:kernel_start", cost_usd=None, **UNSCORED),
    ]
    data = list_data(RunView(read_ledger(write_run(tmp_path, records=records))))
    rows = [dict(zip(data["fields"], row, strict=True)) for row in data["rows"]]
    assert [row["skill"] for row in rows] == [0.1235, 0.0, None]
    assert [data["outcomes"][row["outcome"]] for row in rows] == [
        ["unsolved", "bad"], ["no_answer", "bad"], ["infrastructure:kernel_start", "infrastructure"],
    ]  # fmt: skip
    assert (rows[0]["note"], rows[0]["cost"], rows[0]["tokens"], rows[0]["trial"]) == ("late; too low", 0.42, 55_000, 0)
    assert rows[2]["cost"] is None
    assert [data["providers"][row["provider"]] for row in rows] == ["claude", "codex", "gemini"]


def test_an_attempt_that_was_made_again_says_so(tmp_path):
    records = [failed(task="circuits/x"), attempt("circuits/x")]
    data = list_data(RunView(read_ledger(write_ledger(tmp_path / "r.jsonl", records))))
    place = data["fields"].index("note")
    assert sorted(row[place].partition(";")[0] for row in data["rows"]) == ["", "made again"]


def test_columns_that_no_attempt_has_anything_for_are_left_out(tmp_path):
    ledger = write_ledger(tmp_path / "r.jsonl", [attempt("circuits/x")])
    assert list_data(RunView(read_ledger(ledger)))["columns"] == ["task", "provider", "trial", "outcome", "skill"]


def test_the_policy_allows_the_page_its_own_script_and_nothing_else(page):
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"{POLICY}; script-src 'sha256-{digest}'" in html.unescape(page)
    assert page.count("<script") == 2
    assert "innerHTML" not in script  # what attempts tell is shown as text
    assert "http" not in script
    assert len(script) < 8_000


def test_names_and_reasons_can_not_leave_the_data(page):
    assert CANARY.partition(";")[0] in page.replace("\\u0027", "'")
    data = page.partition('<script id="data" type="application/json">')[2].partition("</script>")[0]
    assert not set(data) & set("<>&")
    assert json.loads(str(as_data({"<&>": "</script>\u2028"}))) == {"<&>": "</script>\u2028"}


def test_without_scripts_the_page_says_so_and_leads_to_the_tasks(page):
    within = re.search(r"<noscript>(.*?)</noscript>", page, re.DOTALL)[1]
    assert within.count('<li><a href="tasks/') == 3


def test_the_page_is_linked_from_every_other_and_from_each_outcome(site):
    for path in site.rglob("*.html"):
        if "raw" not in path.relative_to(site).parts and path.name != "attempts.html":
            assert "attempts.html" in path.read_text()
    assert 'href="attempts.html#outcome=infrastructure%3Akernel_start"' in (site / "index.html").read_text()


def test_headings_are_buttons_that_say_how_they_sort(page):
    heads = re.findall(r'<th scope="col" data-key="(\w+)"[^>]* aria-sort="none"><button type="button">([^<]+)<', page)
    assert dict(heads) == {key: title for key, title in COLUMNS.items() if key != "cells"}


def test_previous_and_next_walk_through_all_attempts(site):
    order = [row[0] for row in data_of((site / "attempts.html").read_text())["rows"]]
    for place, slug in enumerate(order):
        text = (site / "attempts" / f"{slug}.html").read_text()
        links = {rel: re.findall(rf'rel="{rel}" href="\.\./attempts/([^"]+)\.html"', text) for rel in ("prev", "next")}
        assert links["prev"] == order[place - 1 : place] * 2 if place else not links["prev"]
        assert links["next"] == order[place + 1 : place + 2] * 2


def test_ten_thousand_attempts_are_a_page_of_two_megabytes(tmp_path):
    records = [
        usual(
            f"circuits/task_{task}",
            f"provider_{number % 10}",
            number // 10,
            reason="skill 0.750 is below the pass mark",
        )
        for task in range(100)
        for number in range(100)
    ]
    run = RunView(read_ledger(write_run(tmp_path, records=records)))
    begin = time.process_time()
    text = render("attempts.html.j2", "", revealed=False, **attempt_list_context(run))
    assert time.process_time() - begin < 5
    assert len(data_of(text)["rows"]) == 10_000
    assert len(text) < 2_000_000
