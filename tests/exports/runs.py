"""Runs for tests of exports: a transcript as a CLI leaves it, a journal with an image, attempts that failed."""

from __future__ import annotations

import json

from tests.report.synthetic import ANSWER, PIXEL, UNSCORED, attempt, display, stream, write_attempt, write_run

#: The tests' attempts start at NOW; journals are in seconds since the epoch.
CODE = "plt.plot(effects)"


def transcript():
    """Two messages of the model and two calls, as the drivers of agent CLIs write them."""
    return {
        "cli": "claude",
        "model": "a-model",
        "messages": [
            {"at": 1.0, "role": "assistant", "text": "I look at the heads first."},
            {"at": 9.0, "role": "assistant", "text": "The answer is submitted."},
        ],
        "calls": [
            {
                "tool": "execute_code",
                "arguments": '{"session_id": "s1", "code": "plt.plot(effects)"}',
                "started": 2.0,
                "ended": 3.5,
                "output": "a plot [image 1]",
            },
            {"tool": "submit_answer", "arguments": "broken", "started": 8.0, "output": "refused", "is_error": True},
        ],
    }


def journal():
    """The same cell with its image, a set-up cell, and things that only a hostile journal has."""
    run = {"cell": "cell-1", "run": 1}
    return [
        {"event": "journal", "time": 100.0, "version": 1, "notebook": "n.ipynb"},
        {"event": "cell_started", "time": 100.5, "cell": "cell-0", "run": 1, "kind": "setup", "code": "load()"},
        {"event": "cell_finished", "time": 100.6, "cell": "cell-0", "run": 1, "status": "ok", "seconds": 0.1},
        {"event": "markdown_added", "time": 100.7, "cell": "cell-9", "content": "## A plan"},
        {"event": "cell_started", "time": 101.0, **run, "kind": "agent", "code": CODE},
        {"event": "output", "time": 101.1, **run, "output": stream("a plot\n")},
        {"event": "output", "time": 101.2, **run, "output": display(png=PIXEL, plain="<Figure>")},
        {"event": "output", "time": 101.2, **run, "output": {"output_type": "stream"}},
        {"event": "cell_finished", "time": 101.3, **run, "status": "ok", "execution_count": 1, "seconds": 0.3},
        {"event": "cell_started", "time": 102.0, "cell": "cell-2", "run": 1, "kind": "agent", "code": "1/0"},
        {"event": "cell_finished", "time": 102.1, "cell": "cell-2", "run": 1, "status": "error", "seconds": 0.1},
        {"event": "submission", "time": 103.0, "variable": "answer", "accepted": True, "message": "recorded"},
        {"event": "output", "time": "x", "cell": 7, "run": "y", "output": 3},
    ]


def experiments():
    """A record of the laboratory: two runs, one of which was asked for again, and the lines around them."""
    run = {"event": "run", "prompts": 2, "patch": [], "grad": None, "returned": "0" * 64}
    return [
        {"event": "laboratory", "time": 0.0, "version": 1, "task": "circuits/toy"},
        {**run, "time": 1.5, "run": "r1", "price": 2, "spent": 2, "read": ["a0.h1"]},
        {"event": "repeated", "time": 1.7, "run": "r1"},
        {
            **run,
            "time": 2.5,
            "run": "r2",
            "price": 4,
            "spent": 6,
            "read": [],
            "patch": [{"kind": "zero", "site": "m0"}],
        },
        {"event": "end", "time": 9.0, "spent": 6},
    ]


#: What exports tell of it.
EXPERIMENTS = [
    {"run": "r1", "seconds": 1.5, "what": "read a0.h1", "prompts": 2, "price": 2, "spent": 2},
    {"run": "r2", "seconds": 2.5, "what": "zero m0", "prompts": 2, "price": 4, "spent": 6},
]


def write_mixed_run(runs, **changes):
    """One run with an agent, the reference, the oracle, a time-out and a failure of the infrastructure."""
    agent = write_attempt(runs, "agent", answer=ANSWER, journal=journal(), transcript=transcript(), prompt="# Find it")
    (agent / "outputs" / "experiments.jsonl").write_text("".join(json.dumps(line) + "\n" for line in experiments()))
    write_attempt(runs, "reference", answer=ANSWER, journal=journal())
    write_attempt(runs, "oracle", answer={**ANSWER, "components": ["m7"]}, journal=journal(), prompt="# The key is m7")
    write_attempt(runs, "late", journal=journal())
    no_model = {"tokens": {}, "turns": None, "cost_usd": None, "model": None}
    records = [
        attempt(provider="claude:opus-9", model="a-model", folder="agent", laboratory={"experiments": 2, "spent": 6}),
        attempt(provider="reference", folder="reference", skill=1.0, outcome="solved", reason="", **no_model),
        attempt(provider="oracle", folder="oracle", skill=1.0, outcome="solved", reason="", **no_model),
        attempt(provider="claude:opus-9", trial=1, folder="late", **UNSCORED, outcome="agent_timeout"),
        attempt(provider="claude:opus-9", trial=2, **UNSCORED, outcome="infrastructure:kernel_start"),
    ]
    return write_run(runs, records=records, **changes)
