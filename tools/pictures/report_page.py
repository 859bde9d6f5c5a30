"""The first page of a run's report, as a PNG made by a headless browser."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from scribe_suite.report.site import write_report

#: Width and height of the browser's window.
WINDOW = (1000, 860)
#: Names of the browser on the PATH, in the order in which they are tried.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_LIMIT_S = 120


def browser() -> str | None:
    """The command of a headless browser; None where there is none."""
    return next((name for name in BROWSERS if shutil.which(name)), None)


def write_report_picture(ledger: Path, picture: Path, command: str) -> None:
    """Make a report and draw the top of its first page.

    Args:
        ledger: The run's ledger.
        picture: The PNG to write.
        command: The command that starts the browser.
    """
    with tempfile.TemporaryDirectory() as folder:
        page = write_report(ledger, Path(folder) / "report", with_keys=False, progress=lambda *_: None)
        _draw(page, picture, Path(folder) / "profile", command)


def _draw(page: Path, picture: Path, profile: Path, command: str) -> None:
    options = (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
        f"--user-data-dir={profile}", "--window-size={},{}".format(*WINDOW), f"--screenshot={picture}",
    )  # fmt: skip
    subprocess.run([command, *options, page.as_uri()], check=True, capture_output=True, timeout=_LIMIT_S)
