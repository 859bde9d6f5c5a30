"""The attempts of a session's start, made by an agent: in a cell of a real kernel, in every tier there is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox import escape_table as escapes
from scribe_suite.sandbox import probing, sandbox
from scribe_suite.sandbox.escape_table import ESCAPES, TRIAL_LIMITS
from scribe_suite.sandbox.inside import escape_attempts as attempts
from scribe_suite.sandbox.tiers import IsolationTier
from tests.notebook.agent import Agent, Answer, play

BEST = probing.probe_isolation("auto")
LANDLOCK, WHY_NOT = probing.try_tier("landlock")
SOURCE = Path(attempts.__file__).read_text().partition('if __name__ == "__main__"')[0]
MEMORY, TMP, WORK = 2 << 30, 8 << 20, 8 << 20


@pytest.fixture(params=["own user id", "user namespace", "landlock"])
def tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> IsolationTier:
    return _tier(request.param, monkeypatch)


def _tier(name: str, monkeypatch: pytest.MonkeyPatch) -> IsolationTier:
    if name == "landlock":
        if LANDLOCK is None:
            pytest.skip(WHY_NOT)
        return LANDLOCK
    if BEST.name != "namespaces":
        pytest.skip("; ".join(BEST.reasons))
    if name == "own user id":
        if not BEST.own_uid:
            pytest.skip("only root has user ids to give away")
        return BEST
    monkeypatch.setattr(sandbox, "private_uid", lambda: None)
    return IsolationTier("namespaces", limits=BEST.limits)


@pytest.fixture
def server(tier: IsolationTier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotebookServer]:
    monkeypatch.setattr("scribe_suite.notebook.server.probe_isolation", lambda _requested: tier)
    config = NotebookConfig(
        tmp_path / "attempt",
        memory_limit_bytes=MEMORY,
        tmp_limit_bytes=TMP,
        work_limit_bytes=WORK,
        cell_timeout_s=60,
        files={"data.txt": b"public"},
        hidden=(escapes.TRIAL_HIDDEN,),
    )
    with NotebookServer(config) as server:
        yield server


@pytest.mark.core
@pytest.mark.slow
def test_no_cell_gets_out(server, tier):
    allowed_to_succeed = {name for name, escape in ESCAPES.items() if not escape.prevented_in(tier.kind)}
    with escapes._things_outside() as (targets, victim):
        sizes = {"tmp_bytes": TMP, "work_bytes": WORK, "memory_bytes": 2 * MEMORY}
        targets |= {**sizes, "processes": 3 * sandbox.MAX_PROCESSES}
        if tier.name == "landlock":  # filling a real disk proves nothing new
            targets |= {"tmp_bytes": 1, "work_bytes": 1}
        code = f"""
import sys
inside = {{'__name__': 'attempts'}}
exec({SOURCE!r}, inside)
targets = {targets!r}
targets |= {{'tmp': os.environ['TMPDIR'], 'work': os.getcwd(), 'python': sys.prefix}}
targets |= {{'hidden': {escapes.hidden_files("/env")!r}}}
print(inside['json'].dumps(inside['attempt_all'](targets)))
"""
        answer = play(server, lambda agent: agent.run(f"import os\n{code}"))
        assert not answer.is_error, answer.text
        assert victim.poll() is None
    results = json.loads(answer.output)
    assert set(results) == set(ESCAPES)
    succeeded = {name: detail for name, (verdict, detail) in results.items() if verdict == "allowed"}
    succeeded.pop("signal_process", None)  # the victim lives
    succeeded.pop("deceive_harness")  # what it leaves does nothing: see below
    assert set(succeeded) <= allowed_to_succeed, succeeded
    assert server.status().infrastructure_error is None


CANARY = "canary-of-the-host"


@pytest.fixture(params=["own user id", "user namespace", "landlock", "none"])
def any_tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> IsolationTier:
    return IsolationTier("none") if request.param == "none" else _tier(request.param, monkeypatch)


@pytest.mark.core
@pytest.mark.slow
def test_what_a_kernel_leaves_in_place_of_files_of_the_harness_does_not_reach_it(any_tier, tmp_path, monkeypatch):
    """Every kind of thing, everywhere a kernel can write, under every name; then the kernel dies, and is resumed."""
    monkeypatch.setattr("scribe_suite.notebook.server.probe_isolation", lambda _requested: any_tier)
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret"
    secret.write_text(CANARY)
    (outside / "another").write_text("as it was")
    os.utime(secret, (1, 1))
    begin = time.monotonic()

    async def scenario(agent: Agent) -> list[Answer]:
        answers = []
        for kind in attempts.PLANTS:
            await agent.run("print('before')\nimport sys; print('before', file=sys.stderr)")
            code = f"""
import os
inside = {{'__name__': 'attempts'}}
exec({SOURCE!r}, inside)
folders = [os.environ['TMPDIR'], os.getcwd(), '/dev/shm']
folders += inside['writable_folders']() if {any_tier.name == "namespaces"} else []
print('planted', inside['plant']({kind!r}, {str(secret)!r}, folders) > 0 or {kind!r}, flush=True)
print('last words', end='')
os._exit(3)
"""
            answers.append(await agent.run(code))
            answers.append(await agent.start("start_session_resume_notebook", notebook_path=agent.notebook_path))
            answers.append(await agent.run("print('after'); answer = {'a': 1}"))
            answers.append(await agent.call("list_cells", session_id=agent.session_id))
            answers.append(await agent.submit())
        return answers

    with NotebookServer(NotebookConfig(tmp_path / "attempt", cell_timeout_s=20)) as server:
        answers = play(server, scenario, timeout_s=200)
        assert server.status().infrastructure_error is None
        closing = time.monotonic()
    assert time.monotonic() - closing < 20
    for died, resumed, after, listed, submitted in zip(*[iter(answers)] * 5, strict=True):
        assert "exit code 3" in died.error
        assert "last words" in died.output
        assert not resumed.is_error, resumed.text
        assert after.output == "after"
        assert submitted.payload["accepted"]
        assert not listed.is_error
    assert CANARY not in "".join(answer.text for answer in answers)
    assert CANARY not in "".join(path.read_text() for path in server._config.notebooks.iterdir())
    assert (secret.read_text(), secret.stat().st_mtime) == (CANARY, 1)
    assert sorted(path.name for path in outside.iterdir()) == ["another", "secret"]
    assert time.monotonic() - begin < 150


def test_what_was_printed_or_submitted_cannot_be_forged(server):
    """Journal, notebook and answer lie outside; what a cell can reach under their names is not them."""
    folder = server._config.notebooks

    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        await agent.run("answer = {'honest': 1}")
        submitted = await agent.submit()
        code = f"""
import os
tried = []
for path in {[str(path) for path in folder.iterdir()]!r}:
    for link in (path, '/proc/1/root' + path):
        try:
            open(link, 'a').write('forged'); tried.append(link)
        except OSError:
            pass
print(tried)
"""
        return submitted, await agent.run(code)

    submitted, forged = play(server, scenario)
    assert submitted.payload["accepted"]
    assert forged.output == "[]"
    assert "forged" not in (folder / "notebook.answer.json").read_text()
    journal = (folder / "notebook.journal.jsonl").read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in journal)


@pytest.mark.core
@pytest.mark.slow
def test_a_kernel_works_and_nothing_outlives_it(server):
    before = {process.pid for process in psutil.process_iter()}

    async def scenario(agent: Agent) -> list[Answer]:
        codes = [
            "print(open('data.txt').read())",
            "import os\nopen('mine.txt', 'w').write('mine')\nprint(sorted(os.listdir()))",
            "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()",
            "import subprocess\nprint(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout)",
            "import os\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid(); import time; time.sleep(300)",
            "os._exit(3)",
        ]
        answers = [await agent.run(code) for code in codes]
        answers.append(await agent.start("start_session_resume_notebook", notebook_path=agent.notebook_path))
        answers.append(await agent.run("print(sorted(os.listdir()))"))
        return answers

    data, written, figure, child, _forked, died, resumed, found = play(server, scenario)
    assert data.output == "public"
    assert written.output == found.output == "['data.txt', 'mine.txt']"
    assert len(figure.images) == 1
    assert child.output == "child"
    assert "exit code 3" in died.error
    assert not resumed.is_error
    server.close()
    _gone, alive = psutil.wait_procs(_strangers(before), timeout=5)
    assert alive == []


def _strangers(before: set[int]) -> list[psutil.Process]:
    """Processes that came since, the fork-servers left out, which stay for the next kernel."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in before and process.ppid() != os.getpid() and process.ppid() != 2:
                parents = [parent.pid for parent in process.parents()]
                if os.getpid() in parents or process.ppid() == 1:
                    found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_trial_is_small_enough_to_be_made_every_time():
    assert TRIAL_LIMITS.tmp_bytes <= 1 << 20
    assert TRIAL_LIMITS.processes <= 64
