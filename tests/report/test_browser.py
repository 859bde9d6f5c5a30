"""The report in a real browser: nothing of an agent runs, pages fit a phone, and pictures of them for a person."""

import html
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.report.synthetic import CANARY

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHOTS = "SCRIBE_SUITE_SCREENSHOTS"
HOSTILE = "attempts/circuits-toy-claude-b-t0.html"
USUAL = "attempts/circuits-toy-claude-opus-9-t0.html"
PHONE, DESKTOP = 360, 1200

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="No Chromium is installed: apt-get install chromium."),
]


def chromium(url, *options):
    """Open a page, let its scripts run for three virtual seconds, and return what Chromium prints."""
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--virtual-time-budget=3000", f"--user-data-dir={profile}",
             *options, url],
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout  # fmt: skip


def dom(path, *options):
    return chromium(path.as_uri(), "--dump-dom", *options)


def title(text):
    return html.unescape(re.search(r"<title>(.*?)</title>", text, re.DOTALL)[1])


def framed(folder, page, width, height, script=""):
    """A page that shows another one in a frame: a window of Chromium itself is never narrower than 500 pixels."""
    path = folder / f"frame-{width}-{page.stem}.html"
    path.write_text(
        f"<!DOCTYPE html><style>*{{margin:0;border:0}}</style><title>?</title>"
        f'<iframe src="{page.as_uri()}" width="{width}" height="{height}"></iframe><script>{script}</script>'
    )
    return path


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
    measure = (
        "document.querySelector('iframe').onload=e=>{const d=e.target.contentDocument.documentElement;"
        "document.title=d.scrollWidth+' '+d.clientWidth}"
    )
    path = framed(tmp_path, site / name, PHONE, 800, measure)
    needed, given = map(int, title(dom(path, "--allow-file-access-from-files")).split())
    assert given == PHONE
    assert needed <= given


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["index.html", "tasks/circuits-toy.html", USUAL])
def test_pictures_are_taken(site, tmp_path, name, width, scheme):
    folder = Path(os.environ.get(SHOTS) or tmp_path)  # name a folder to keep and look at them
    height = 3000
    target = folder / f"{Path(name).stem}-{width}-{scheme}.png"
    chromium(
        framed(tmp_path, site / name, width, height).as_uri(),
        f"--window-size={max(width, 500)},{height}",
        f"--screenshot={target}",
        f"--blink-settings=preferredColorScheme={['dark', 'light'].index(scheme)}",
    )
    assert target.stat().st_size > 20_000
