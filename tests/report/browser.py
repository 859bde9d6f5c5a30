"""Pages in a real headless Chromium."""

import html
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: Name a folder in this variable to keep the pictures and look at them.
SHOTS = "SCRIBE_SUITE_SCREENSHOTS"
PHONE, DESKTOP = 360, 1200

IN_CHROMIUM = [
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


def widths(folder, page):
    """What a page needs and what it has on a phone, in pixels."""
    measure = (
        "document.querySelector('iframe').onload=e=>{const d=e.target.contentDocument.documentElement;"
        "document.title=d.scrollWidth+' '+d.clientWidth}"
    )
    path = framed(folder, page, PHONE, 800, measure)
    return tuple(map(int, title(dom(path, "--allow-file-access-from-files")).split()))


def picture(folder, page, width, scheme, height=3000):
    """Take a picture of a page, light or dark; its path."""
    target = Path(os.environ.get(SHOTS) or folder) / f"{page.stem}-{width}-{scheme}.png"
    chromium(
        framed(folder, page, width, height).as_uri(),
        f"--window-size={max(width, 500)},{height}",
        f"--screenshot={target}",
        f"--blink-settings=preferredColorScheme={['dark', 'light'].index(scheme)}",
    )
    return target
