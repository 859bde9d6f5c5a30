"""The report in a real browser: nothing of an agent runs, pages fit a phone, and pictures of them for a person."""

import re

import pytest

from tests.report.browser import DESKTOP, IN_CHROMIUM, PHONE, dom, picture, title, widths
from tests.report.synthetic import CANARY

HOSTILE = "attempts/circuits-toy-claude-b-t0.html"
USUAL = "attempts/circuits-toy-claude-opus-9-t0.html"

pytestmark = IN_CHROMIUM


def test_the_canary_runs_where_nothing_stops_it(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(f'<!DOCTYPE html><title>untouched</title><img src=x onerror="{CANARY}">')
    assert title(dom(page)) == "owned"


def test_nothing_of_a_hostile_attempt_runs(site):
    text = dom(site / HOSTILE)
    assert title(text).startswith("circuits/toy claude:<b> t0")
    assert "data-owned" not in text


def test_nothing_of_a_hostile_attempt_runs_without_the_policy_either(site, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", (site / HOSTILE).read_text()))
    text = dom(page)
    assert title(text).startswith("circuits/toy claude:<b> t0")
    assert "data-owned" not in text


def test_the_policy_alone_stops_what_were_to_slip_through(site, tmp_path):
    page = tmp_path / "page.html"
    text = (site / HOSTILE).read_text()
    page.write_text(text.replace("</main>", f'<script>{CANARY}</script><img src=x onerror="{CANARY}"></main>'))
    assert "data-owned" not in dom(page)


@pytest.mark.parametrize("name", ["index.html", "tasks/circuits-toy.html", USUAL, HOSTILE])
def test_no_page_is_wider_than_a_phone(site, tmp_path, name):
    needed, given = widths(tmp_path, site / name)
    assert given == PHONE
    assert needed <= given


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["index.html", "tasks/circuits-toy.html", USUAL])
def test_pictures_are_taken(site, tmp_path, name, width, scheme):
    assert picture(tmp_path, site / name, width, scheme).stat().st_size > 20_000
