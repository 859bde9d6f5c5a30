"""The HTML of a comparison in a real browser: it fits a phone, names in it run nothing, and it can be looked at."""

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.presentation.page import as_html
from tests.ledger.factories import attempt, write_ledger
from tests.report.browser import DESKTOP, IN_CHROMIUM, PHONE, dom, picture, title, widths
from tests.report.synthetic import CANARY, HOSTILE_HTML

pytestmark = IN_CHROMIUM

PROVIDERS = ("claude:opus-9", "codex:a-long-name-of-a-model", "gemini")


def page_of(folder, tasks, providers=PROVIDERS, **changes):
    records = [
        attempt(task, provider, trial, number / 10, cost_usd=1.5, tokens={"input": 123_456_789}, **changes)
        for number, task in enumerate(tasks)
        for provider in providers
        for trial in range(3)
    ]
    page = folder / "comparison.html"
    page.write_text(as_html(compare_runs([write_ledger(folder / "r.jsonl", records)])))
    return page


@pytest.fixture
def page(tmp_path):
    names = (
        "circuits/attention_pattern",
        "circuits/ioi",
        "probes/greater_than_pca",
        *(f"neurons/n{n}" for n in range(5)),
    )
    return page_of(tmp_path, names)


def test_the_page_is_not_wider_than_a_phone(page, tmp_path):
    needed, given = widths(tmp_path, page)
    assert given == PHONE
    assert needed <= given


def test_names_of_tasks_providers_and_flags_run_nothing(tmp_path):
    hostile = (f"</title></style><script>{CANARY}</script>", *HOSTILE_HTML)
    page = page_of(
        tmp_path, [f"circuits/{text}" for text in hostile], providers=(hostile[0], hostile[3]), flags=(hostile[0],)
    )
    text = dom(page)
    assert title(text) == "Scribe Task Suite: Comparison"
    assert "data-owned" not in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_pictures_are_taken(page, tmp_path, width, scheme):
    assert picture(tmp_path, page, width, scheme).stat().st_size > 20_000
