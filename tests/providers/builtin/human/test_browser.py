"""A person's whole attempt, in a real Chromium with a real JupyterLab."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.providers.builtin.human.handover import FOLDER_VARIABLE
from scribe_suite.providers.transcript import Transcript
from tests.report.browser import IN_CHROMIUM, SHOTS

from .chromium import opened
from .test_jupyterlab import NEEDS_LAB
from .test_terminal import SOLVE, waiting

pytestmark = [*NEEDS_LAB, *IN_CHROMIUM]

PLOT = "import matplotlib.pyplot as plt\nprint('seen', len(values))\nplt.plot([1, 3, 2])\nplt.show()"
SHIFT, ENTER = 8, 13


async def run_cell(page, lab, code):
    """Type code into the last cell and run it with Shift+Enter."""
    last = "[...document.querySelectorAll('.jp-CodeCell .cm-content')].at(-1)"
    await page.until(f"!!({last})", lab)
    await page.ask(f"{last}.focus()", lab)
    await page.type(code)
    await page.press("Enter", ENTER, SHIFT)


async def until_ready(page, lab):
    """Wait until JupyterLab has its kernel; before it looks for one, it calls itself idle, too."""
    await page.until("fetch('/api/sessions').then(got => got.json()).then(got => got.some(one => one.kernel))", lab)
    idle = 0
    while idle < 20:
        await asyncio.sleep(0.1)
        state = await page.ask("document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status", lab)
        idle = idle + 1 if state == "idle" else 0


async def work(address, shots):
    async with opened(address) as page:
        await page.until("document.getElementById('reason')?.textContent.startsWith('Start the clock')")
        assert await page.ask("document.getElementById('prompt').textContent") == ""
        assert await page.ask("document.querySelector('iframe')") is None
        await page.click("#start")
        frame = await page.until("document.querySelector('iframe')?.src")
        lab = "/".join(frame.split("/")[:3])
        assert "above ten" in await page.until("document.getElementById('prompt').textContent")
        await until_ready(page, lab)
        await run_cell(page, lab, PLOT)
        await page.until("document.querySelector('.jp-OutputArea-output img')?.naturalWidth > 100", lab)
        assert "seen 8" in await page.ask("document.querySelector('.jp-OutputArea').innerText", lab)
        await page.picture(shots / "human-working.png")
        await page.ask("document.getElementById('text').value = 'Plotting helps.'")
        await page.click("#note")
        await page.until("document.getElementById('said').textContent === 'The note is kept.'")
        await page.click("#pause")
        await page.until("document.querySelector('iframe').hidden && !document.getElementById('cover').hidden")
        assert await page.ask("document.getElementById('prompt').textContent") == ""
        await page.picture(shots / "human-paused.png")
        await asyncio.sleep(1.5)
        await page.click("#resume")
        await page.until("!document.querySelector('iframe').hidden")
        await page.click("#submit")
        await page.until("document.getElementById('said').textContent.includes('no variable')")
        await run_cell(page, lab, SOLVE)
        await page.until(
            "[...document.querySelectorAll('.jp-InputPrompt')].some(one => one.textContent === '[3]:')", lab
        )
        await page.click("#submit")
        await page.until("document.getElementById('said').textContent.includes('accepted: true')")
        await page.click("[data-command='docmanager:save'], [title^='Save']", lab)
        await page.until("!document.querySelector('.jp-mod-dirty')", lab)
        await page.click("#quit")
        await page.until("document.getElementById('reason').textContent.startsWith('The attempt is over')")


def test_open_run_a_cell_see_a_plot_rest_submit_and_be_scored(suite, tmp_path):
    desk = tmp_path / "desk"
    command = [sys.executable, "-m", "pytest", "benchmarks", "-p", "no:cacheprovider", "--provider", "human"]
    with (tmp_path / "run.log").open("w") as log:
        run = subprocess.Popen(
            command, cwd=suite.folder, env={**os.environ, FOLDER_VARIABLE: str(desk)}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        waiting(desk)
        address = (desk / "address").read_text().strip()
        asyncio.run(work(address, Path(os.environ.get(SHOTS) or tmp_path)))
        assert run.wait(60) == 0, (tmp_path / "run.log").read_text()
    finally:
        run.terminate()

    (path,) = suite.folder.glob("runs/*.jsonl")
    (line,) = read_ledger(path).attempts
    assert (line.provider, line.outcome, line.skill) == ("human", "solved", 1.0)
    assert (line.cells, line.actions) == (2, {"start_new_session": 1, "execute_code": 2, "submit_answer": 2})
    assert 0 < line.first_answer_s == line.last_answer_s < line.times.agent_s
    assert line.times.paused_s > 1.5
    assert line.agent_version.startswith("4.")
    kept = suite.folder / "runs" / line.folder
    journal = (kept / "notebooks" / "jupyterlab.journal.jsonl").read_text()
    codes = [event["code"] for event in map(json.loads, journal.splitlines()) if event["event"] == "cell_started"]
    assert codes[1:] == [PLOT, SOLVE]
    transcript = Transcript.model_validate_json((kept / "outputs" / "transcript.json").read_text())
    assert [call.tool for call in transcript.calls] == [
        "start_new_session", "execute_code", "submit_answer", "execute_code", "submit_answer",
    ]  # fmt: skip
    assert "Plotting helps." in [message.text for message in transcript.messages]
    saved = json.loads((kept / "outputs" / "jupyterlab.ipynb").read_text())
    assert any(SOLVE in "".join(cell["source"]) for cell in saved["cells"])
    token = address.partition("token=")[2]
    assert all(token not in each.read_text("utf-8", "replace") for each in (kept / "outputs").iterdir())
