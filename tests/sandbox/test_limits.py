"""Limits of a kernel or a submitted function hold for whatever kind of memory, with control groups and without."""

from __future__ import annotations

import dataclasses
import mmap
import os
import time

import pytest

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox import probing, sandbox
from scribe_suite.sandbox.inside import usage
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.scoring import submitted_function
from scribe_suite.scoring.submitted_function import FunctionLimits, run_submitted_function
from tests.notebook.agent import Agent, Answer, play

BEST = probing.probe_isolation("auto")
pytestmark = pytest.mark.skipif(BEST.name != "namespaces", reason="; ".join(BEST.reasons))
LIMIT = 1 << 30
FILES = "files of its file systems in memory"
#: How code gets hold of two and a half times the limit; each says what it holds after every piece.
HOARDS = {
    "anonymous memory of many processes": """
for _ in range(10):
    if os.fork() == 0:
        block = bytearray(b'x') * (256 << 20); time.sleep(60)
    time.sleep(0.4); got(256)
    while os.waitpid(-1, os.WNOHANG)[0]:  # the kernel of the system may kill one of them instead of all
        got(-256)
raise OSError('it was denied')
""",
    "files in memory without a name": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for name, arguments in (('memfd_create', (b'x', 0)), ('shmget', (0, 64 << 20, 0o1600))):
    if getattr(libc, name)(*arguments) >= 0:
        got(4096)
for _ in range(3):
    fd = os.memfd_create('x')
    for _ in range(14):
        os.write(fd, bytes(64 << 20)); got(64)
""",
    "shared memory that no page table shows": """
import mmap
for _ in range(10):
    held = mmap.mmap(-1, 256 << 20)
    keep.append(held)
    for start in range(0, 256 << 20, 16 << 20):
        held[start:start + (16 << 20)] = bytes(16 << 20)
        held.madvise(mmap.MADV_DONTNEED, start, 16 << 20)
    got(256); time.sleep(0.1)
""",
    "shared memory of processes that have gone": """
import mmap
for _ in range(10):
    held = mmap.mmap(-1, 256 << 20)
    keep.append(held)
    child = os.fork()
    if child == 0:
        for start in range(0, 256 << 20, 16 << 20):
            held[start:start + (16 << 20)] = bytes(16 << 20)
        os._exit(0)
    os.waitpid(child, 0); got(256); time.sleep(0.1)
""",
    FILES: """
for folder in ('/tmp', '/dev/shm', '/work'):
    try:
        file = open(folder + '/x', 'wb', buffering=0); keep.append(file); os.unlink(folder + '/x')
        while True:
            file.write(bytes(16 << 20)); got(16); time.sleep(0.01)
    except OSError:
        pass
""",
}
BEGINNING = """
import os, time
keep, held_mb = [], 0
def got(mb):
    global held_mb
    held_mb += mb
    print(held_mb, flush=True)
"""


@pytest.fixture(params=["control group", "none"])
def tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    if request.param == "control group" and "memory" not in BEST.limits:
        pytest.skip("there are no control groups here")
    tier = BEST if request.param == "control group" else dataclasses.replace(BEST, limits=())
    monkeypatch.setattr("scribe_suite.notebook.server.probe_isolation", lambda _requested: tier)
    monkeypatch.setattr(submitted_function, "probe_isolation", lambda _requested: tier)
    return tier


@pytest.mark.core
@pytest.mark.slow
def test_a_kernel_holds_no_more_memory_than_it_may_of_whatever_kind(tier, tmp_path, monkeypatch):
    if not tier.limits:  # both ways of having namespaces in two tests instead of four
        monkeypatch.setattr(sandbox, "private_uid", lambda: None)

    async def scenario(agent: Agent) -> list[tuple[str, Answer]]:
        answers = []
        for kind, code in HOARDS.items():
            answers.append((kind, await agent.run(BEGINNING + code)))
            await agent.call("shutdown_session", session_id=agent.session_id)
            await agent.start()
        return answers

    config = NotebookConfig(
        tmp_path, memory_limit_bytes=LIMIT, tmp_limit_bytes=2 << 30, work_limit_bytes=2 << 30, cell_timeout_s=30
    )
    with NotebookServer(config) as server:
        answers = play(server, scenario, timeout_s=200)
        assert server.status().infrastructure_error is None
    for kind, answer in answers:
        held = max([int(line) for line in answer.output.split() if line.isdigit()], default=0)
        assert held <= 2 * LIMIT / (1 << 20), (kind, held)
        assert any(word in answer.text for word in ("more memory", "OSError", "SIGKILL")), (kind, answer)


@pytest.mark.core
@pytest.mark.slow
@pytest.mark.usefixtures("tier")
def test_a_submitted_function_holds_no_more_memory_than_it_may_of_whatever_kind():
    for kind, code in HOARDS.items():
        told = f"{BEGINNING}{code}".replace("print(held_mb, flush=True)", "assert held_mb < 1500, 'too much'")
        source = f"def predict(prompts):\n    exec({told!r}, {{}})\n    return [1 for prompt in prompts]\n"
        result = run_submitted_function(source, [(1,), (2,)], limits=FunctionLimits(memory_bytes=LIMIT, time_s=20))
        assert "too much" not in str(result.problem), (kind, result)
        # what is in its file systems is too little to matter
        assert (result.predictions is None) == (kind != FILES), (kind, result)


@pytest.mark.core
@pytest.mark.slow
@pytest.mark.parametrize("name", ["landlock", "none"])
@pytest.mark.parametrize("folder", ["os.getcwd()", "os.environ['TMPDIR']"])
def test_where_folders_are_on_disk_a_kernel_that_fills_them_is_ended(name, folder, tmp_path, monkeypatch):
    tier = IsolationTier("none") if name == "none" else probing.try_tier("landlock")[0]
    if tier is None:
        pytest.skip("there is no Landlock here")
    monkeypatch.setattr("scribe_suite.notebook.server.probe_isolation", lambda _requested: tier)
    code = f"""
import os, time
folder = {folder}
for number in range(1, 40):
    with open(f'{{folder}}/{{number % 4}}', 'wb') as file:
        os.posix_fallocate(file.fileno(), 0, number << 20)
        if number % 2: os.unlink(file.name); keep = [*globals().get('keep', []), os.dup(file.fileno())]
    time.sleep(0.1)
print('all')
"""
    config = NotebookConfig(tmp_path, tmp_limit_bytes=8 << 20, work_limit_bytes=8 << 20)
    with NotebookServer(config) as server:
        answer = play(server, lambda agent: agent.run(code))
        assert server.status().infrastructure_error is None
    assert "wrote more" in answer.error, answer.text


def test_usage_counts_what_is_shared_once_and_what_no_page_table_shows():
    before = usage.shared_memory([os.getpid()])
    with mmap.mmap(-1, 8 << 20) as held:
        held[:] = bytes(8 << 20)
        held.madvise(mmap.MADV_DONTNEED)
        child = os.fork()
        if child == 0:
            time.sleep(20)
            os._exit(0)
        try:
            assert usage.shared_memory([os.getpid(), child]) - before == 8 << 20
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
    assert usage.shared_memory([os.getpid()]) == before


def test_a_watch_looks_only_when_it_is_time_and_says_what_is_exceeded():
    looks = []

    def find() -> list[int]:
        looks.append(1)
        return [1, 2, 3]

    watch = usage.Watch(None, 2)
    assert watch.exceeded(find) == usage.TOO_MANY
    assert watch.exceeded(find) == ""
    assert looks == [1]
    assert 0 < watch.wait_s <= usage.Watch.SLOW_S
    assert usage.Watch(None, None).wait_s > 1000
