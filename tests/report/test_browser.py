"""The report in a real browser: nothing of an agent runs, pages fit a phone, and pictures of them for a person."""

import json
import re

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.report.attempt_list import attempt_list_context
from scribe_suite.report.notebooks import render_notebook
from scribe_suite.report.pages import NOTHING, render
from scribe_suite.report.views import RunView
from tests.report.browser import DESKTOP, IN_CHROMIUM, PHONE, dom, framed, picture, title, widths
from tests.report.synthetic import CANARY, attempt, code_cell, notebook, stream, write_run

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


#: What a reader does on the page of all attempts, and what the page shows then.
DOES = """
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument;
  const rows = () => [...page.querySelectorAll("#attempts tbody tr")].map(row => row.textContent);
  const cells = key => {
    const place = [...page.querySelectorAll("th[data-key]")].findIndex(head => head.dataset.key === key);
    return [...page.querySelectorAll("#attempts tbody tr")].map(row => row.children[place].textContent);
  };
  const click = key => page.querySelector(`th[data-key=${key}] button`).click();
  const choose = (name, value) => {
    const one = page.querySelector(`[data-filter=${name}]`);
    one.value = value;
    one.dispatchEvent(new Event("change"));
  };
  const type = text => {
    const one = page.getElementById("search");
    one.value = text;
    one.dispatchEvent(new Event("input"));
  };
  const count = () => page.getElementById("count").textContent;
  const told = {};
  ACTIONS
  document.title = JSON.stringify(told);
};
"""


def told_by(folder, page, actions):
    """What actions in a page put into ``told``."""
    path = framed(folder, page, DESKTOP, 800, DOES.replace("ACTIONS", actions))
    return json.loads(title(dom(path, "--allow-file-access-from-files")))


def test_attempts_are_sorted_by_any_column_and_nothing_comes_last(site, tmp_path):
    told = told_by(
        tmp_path,
        site / "attempts.html",
        """told.given = rows(); click("skill"); told.down = cells("skill"); click("skill"); told.up = cells("skill");
        told.aria = page.querySelector("th[data-key=skill]").getAttribute("aria-sort"); click("skill");
        told.again = rows(); click("provider"); told.providers = cells("provider"); click("cost");
        told.cost = cells("cost");
        click("trial"); told.trials = cells("trial"); told.hash = frame.contentWindow.location.hash;""",
    )
    numbers = [float(text) for text in told["down"] if text != NOTHING]
    assert numbers == sorted(numbers, reverse=True)
    assert told["up"] == [*told["down"][-2::-1], NOTHING]
    assert told["aria"] == "ascending"
    assert told["again"] == told["given"]
    assert told["providers"] == sorted(told["providers"])
    assert told["cost"][0] == "$0.88"
    assert told["cost"][-1] == NOTHING
    assert told["trials"] == sorted(told["trials"])
    assert told["hash"] == "#sort=trial"


def test_attempts_are_filtered_and_searched_and_the_address_keeps_it(site, tmp_path):
    told = told_by(
        tmp_path,
        site / "attempts.html",
        """told.all = count(); choose("provider", "codex"); told.codex = [count(), ...new Set(cells("provider"))];
        choose("family", "probes"); told.probes = cells("task"); page.getElementById("reset").click();
        told.reset = count();
        type("TOY t1 solved"); told.found = rows().length; told.hash = frame.contentWindow.location.hash;
        type("<script>"); told.hostile = cells("provider"); type("nowhere to be found");
        told.none = [count(), rows().length];
        frame.contentWindow.location.hash = "outcome=no_answer"; setTimeout(() => { told.recalled = cells("outcome");
        document.title = JSON.stringify(told); }, 100);""",
    )
    assert told["all"] == told["reset"] == "23 attempts"
    assert told["codex"] == ["6 of 23 attempts", "codex"]
    assert told["probes"] == ["probes/cities"] * 2
    assert told["found"] == 3
    assert told["hash"] == "#search=TOY+t1+solved"
    assert told["hostile"] == ["claude:<b>", "gemini"]
    assert told["none"] == ["0 of 23 attempts", 0]
    assert told["recalled"] == ["no_answer"]


def test_nothing_of_a_hostile_attempt_runs_on_the_page_of_all(site):
    text = dom(site / "attempts.html")
    assert "data-owned" not in text
    assert title(text) == "All attempts \N{EN DASH} run r1"
    assert text.count("<tr>") == 24


def test_ten_thousand_attempts_are_shown_in_steps(tmp_path):
    records = [
        attempt(f"circuits/task_{number // 100}", f"p{number % 10}", number % 100 // 10, skill=number / 10_000)
        for number in range(10_000)
    ]
    run = RunView(read_ledger(write_run(tmp_path, records=records)))
    page = tmp_path / "attempts.html"
    page.write_text(render("attempts.html.j2", "", revealed=False, **attempt_list_context(run)))
    told = told_by(
        tmp_path,
        page,
        """told.first = [count(), rows().length, page.getElementById("more").textContent]; click("skill");
        told.best = cells("skill")[0]; page.getElementById("more").click(); told.more = rows().length;
        type("task_42 p7"); told.found = [count(), page.getElementById("more").hidden];""",
    )
    assert told["first"] == ["10,000 attempts", 200, "Show 200 more"]
    assert told["best"] == "1.000"
    assert told["more"] == 400
    assert told["found"] == ["10 of 10,000 attempts", True]


def test_what_is_folded_is_shown_once_when_it_is_opened(tmp_path, site):
    page = tmp_path / "page.html"
    style = (site / "index.html").read_text().partition("<style>")[2].partition("</style>")[0]
    cell = code_cell(1, "\n".join(f"x{n} = 1" for n in range(70)), [stream("y\n" * 90)])
    page.write_text(f"<!DOCTYPE html><style>{style}</style>{render_notebook(notebook(cell))}")
    told = told_by(
        tmp_path,
        page,
        """const seen = () => [...page.querySelectorAll(".preview")].map(one => one.getClientRects().length);
        told.closed = seen(); page.querySelector("details").open = true; told.open = seen();""",
    )
    assert told["closed"] == [1, 1]
    assert told["open"] == [0, 1]


def test_one_of_the_two_drawings_of_a_plot_is_shown(site, tmp_path):
    for width, kind in ((PHONE, "narrow"), (DESKTOP, "wide")):
        script = (
            "document.querySelector('iframe').onload=e=>{document.title="
            "[...e.target.contentDocument.querySelectorAll('#main svg')].filter(one=>one.getClientRects().length)"
            ".map(one=>one.getAttribute('class')).join()}"
        )
        path = framed(tmp_path, site / "tasks" / "circuits-toy.html", width, 800, script)
        assert title(dom(path, "--allow-file-access-from-files")) == f"plot {kind}"


@pytest.mark.parametrize("name", ["index.html", "attempts.html", "tasks/circuits-toy.html", USUAL, HOSTILE])
def test_no_page_is_wider_than_a_phone(site, tmp_path, name):
    needed, given = widths(tmp_path, site / name)
    assert given == PHONE
    assert needed <= given


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["index.html", "attempts.html", "tasks/circuits-toy.html", USUAL])
def test_pictures_are_taken(site, tmp_path, name, width, scheme):
    assert picture(tmp_path, site / name, width, scheme).stat().st_size > 20_000
