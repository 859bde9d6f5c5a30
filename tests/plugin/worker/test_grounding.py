"""Claims from submission to ledger, comparison and report; agents are programs with real kernels."""

import json
import shutil
from datetime import UTC, datetime

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.ledger.attempt_folder import AttemptFolder
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.ledger.records import Grounding
from scribe_suite.plugin.worker import grounding as module
from scribe_suite.providers.replays import Replay
from scribe_suite.report.old_ledgers import WithGrounding
from scribe_suite.report.site import write_report
from scribe_suite.tasks.answer_kinds import ComponentAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from tests.claims.journals import journal
from tests.ledger.factories import record

AGENT = '''
from scribe_suite.providers.base import Provider
from scribe_suite.providers.builtin.client_loop import drive

CELLS = """
largest = max(values.values()); total = sum(values.values()) + 0.5
print(f"total: {total:.2f}")
# %%
print("share:", 0.123 + largest)
1 / 0
# %%
claims = [
    {"statement": "total", "value": total, "cell": 2, "probability": 0.9},
    {"statement": "total", "value": -77.25, "cell": 2},
    {"statement": "<script>alert(1)</script>", "value": 0.5, "cell": 3},
    {"statement": "it converged", "verdict": True, "cell": 99},
]
chosen = [name for name, value in values.items() if value > 10]
answer = {"components": chosen, "confidence": 1.0, "summary": f"total {total:.2f}, kappa 0.44", "claims": claims}
"""


class Claims(Provider):
    name = "claims"
    def attempt(self, context):
        async def work(notebook):
            session = await notebook.start_session("work")
            for code in CELLS.split("# %%"):
                await notebook.call("execute_code", session_id=session, code=code)
            done = await notebook.call("submit_answer", session_id=session, variable="answer")
            return done.text if done.is_error else ""
        return drive(context, work)
'''


@pytest.fixture
def claiming(suite):
    suite.write("agents/claiming_agents.py", AGENT)
    name = "claiming_agents-1.0.dist-info"
    suite.write(f"agents/{name}/entry_points.txt", "[scribe_suite.providers]\nclaims = claiming_agents:Claims\n")
    suite.write(f"agents/{name}/METADATA", "Metadata-Version: 2.1\nName: claiming_agents\nVersion: 1.0\n")
    return suite


@pytest.mark.slow
def test_claims_are_counted_compared_replayed_and_linked(claiming, tmp_path):
    first = claiming.run("--provider", "claims")
    (made,) = first.ledger.attempts
    assert made.outcome == "solved", first.output
    assert made.grounding == Grounding(claims=4, supported=1, numbers=2, traced=1, contradicted=1)
    assert "Claims, and numbers in summaries" in first.output
    (ledger,) = claiming.folder.glob("runs/*.jsonl")

    write_report(ledger, tmp_path / "site", with_keys=False, progress=lambda *_: None)
    (page,) = (tmp_path / "site" / "attempts").glob("*.html")
    text = page.read_text()
    assert '<a class="number supported" href="#work-cell-1">' in text
    assert 'id="work-cell-1"' in text
    assert "the cell raised" in text
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text

    again = claiming.run("--provider", f"replay:{ledger.stem}")
    (replayed,) = set(claiming.folder.glob("runs/*.jsonl")) - {ledger}
    (made,) = read_ledger(replayed).attempts
    assert (made.reproduced, made.grounding.replayed, made.grounding.reproduced) == (True, 2, 2), again.output

    old = ledger.with_name("old.jsonl")
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    old.write_text("".join(json.dumps({k: v for k, v in e.items() if k != "grounding"}) + "\n" for e in lines))
    (side,) = compare_runs([old]).sides
    assert side.grounding is None
    (side,) = compare_runs([old], complete=WithGrounding).sides
    assert (side.grounding.claims, side.grounding.provenance) == (4, 2 / 6)


class State:
    """What the checks know of a running attempt; its folder has a journal and it may replay an earlier one."""

    nodeid = "a"
    replay = recorded = None

    def __init__(self, results, journal):
        self.folder = AttemptFolder.create(results, "toy", "claims", datetime.now(UTC))
        self.flags = ()
        lines = "".join(json.dumps(event) + "\n" for event in journal.events)
        (self.folder.notebooks / "n.journal.jsonl").write_text(lines)

    @property
    def draft(self):
        return self

    def add_flags(self, *flags):
        self.flags += flags


def answer(summary, **said):
    fields = {"components": ["m0"], "confidence": 1.0, "summary": summary, **said}
    return AnswerSchema(ComponentAnswer, {"components": ["m0"]}, {}).parse(json.dumps(fields))


def test_an_answer_is_checked_against_the_attempt_s_own_journals(tmp_path):
    state = State(tmp_path, journal(("f()", "0.9512")))
    claim = {"statement": "x", "value": 0.9512, "cell": 1}
    counts = module.check_claims(state, answer("0.44", claims=[claim]))
    assert counts == Grounding(claims=1, supported=1, numbers=1)


def test_a_replay_counts_what_the_attempt_said_that_it_replays(tmp_path):
    first = State(tmp_path, journal(("f()", "0.9512 0.31")))
    again = State(tmp_path, journal(("f()", "0.9512 0.32")))
    again.recorded = tmp_path, record(folder=first.folder.path.name)
    again.replay = Replay((), {"summary": "0.9512 and 0.31"})
    counts = module.check_claims(again, answer("something else"))
    assert counts == Grounding(numbers=2, traced=1, contradicted=1, replayed=2, reproduced=1)


@pytest.mark.parametrize("content", ["garbage\n{}\n", None])
def test_what_can_not_be_read_costs_the_counts_and_not_the_score(tmp_path, content):
    state = State(tmp_path, journal(("f()", "0.9512")))
    path = state.folder.notebooks / "n.journal.jsonl"
    if content is None:
        shutil.rmtree(state.folder.notebooks)
    else:
        path.write_text(content)
    assert module.check_claims(state, answer("0.44")) is None
    assert state.flags == (module.NOT_CHECKED,)
