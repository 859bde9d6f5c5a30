"""The laboratory end to end: real kernels in a notebook, the desk, and a real model process.

All tests share one notebook, one attempt and one budget; each has sessions of its own.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from scribe_suite.laboratory.client.assembly import SETUP_CODE, client_file
from scribe_suite.laboratory.client.place import DESCRIPTOR
from scribe_suite.laboratory.host import Laboratory
from scribe_suite.laboratory.recipes import Recipe, Wanted
from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.notebook import server as server_module
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox import probing
from scribe_suite.sandbox.probing import probe_isolation
from tests.notebook.agent import Agent, Answer, play

from .fakes import Attempt, attempt
from .small_models import CONFIGS, plain, state_of

pytestmark = pytest.mark.slow

TOTAL = 3000
PRELOAD = ("torch", "safetensors.torch")
SET_UP = f"{SETUP_CODE}import torch, os, time\nTOKENS = [[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]]"
TOKENS = torch.tensor([[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]])
#: Sends bytes past the client; runs inside a kernel.
RAW = f"""
import json, struct
def frame(header, tensors=b""):
    text = json.dumps(header).encode()
    return struct.pack("<IQ", len(text), len(tensors)) + text + tensors
def send(data):
    view = memoryview(data)
    while view:
        view = view[os.write({DESCRIPTOR}, view):]
"""


@dataclass
class Models:
    """The real model process, and what is done to it before the next runs."""

    host: Laboratory
    before: list[Callable[[], object]] = field(default_factory=list)
    runs: int = 0

    def run(self, model: str, recipes: Sequence[Recipe], wanted: Wanted, *, given_up: Callable[[], bool]) -> bytes:
        if self.before:
            self.before.pop(0)()
        self.runs += 1
        return self.host.run(model, recipes, wanted, given_up=given_up)

    def tokenize(self, model: str, texts: Sequence[str], *, bos: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
        return self.host.tokenize(model, texts, bos=bos)

    def decode(self, model: str, tokens: np.ndarray, lengths: np.ndarray | None = None) -> list[str]:
        return self.host.decode(model, tokens, lengths)


@pytest.fixture(scope="module")
def host() -> Iterator[tuple[Laboratory, ModelShape]]:
    with Laboratory(probe_isolation("auto")) as host:
        yield host, host.load("planted", CONFIGS["LN"], state_of("LN"))


@pytest.fixture(scope="module")
def made(host: tuple[Laboratory, ModelShape], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempt]:
    made = attempt(tmp_path_factory.mktemp("outputs"), host[1], Models(host[0]), budget=TOTAL, decimals=None)
    with made.desk:
        yield made


@pytest.fixture(scope="module")
def server(made: Attempt, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    config = NotebookConfig(
        tmp_path_factory.mktemp("attempt"),
        files=dict([client_file()]),
        setup_code=SET_UP,
        cell_timeout_s=120,  # a model process that is started anew imports torch
        preload=PRELOAD,
        services={DESCRIPTOR: made.desk},
    )
    with NotebookServer(config) as server:
        yield server


def printed(server: NotebookServer, code: str) -> list[str]:
    """Lines that a cell prints in a session of its own."""
    answer = play(server, lambda agent: agent.run(code), timeout_s=120)
    assert not answer.is_error, answer.text
    assert not any(entry["type"] == "error" for entry in answer.payload["outputs"]), answer.text
    return answer.output.splitlines()


def test_an_agent_runs_reads_patches_and_is_refused(server, made):
    code = """
before = lab.budget
base = lab.run(TOKENS, read=["a1.h2@-1", "pattern.0.1"])
print(base.logits.tolist())
print(base["a1.h2@-1"].tolist(), base["pattern.0.1"].shape)
print(lab.price(TOKENS, patch=lab.zero("m1")).price)
patched = lab.run(TOKENS, patch=[lab.zero("m1")], grad_of=lab.logit(2), grad_at=["embed"])
print(patched.logits.tolist(), patched.grad["embed"].abs().sum() > 0)
print(before.spent, lab.budget.spent, patched.price)
for wrong in (lambda: lab.run(TOKENS, read="m7"), lambda: lab.run([[1]] * 3000 + [[2]] * 1000)):
    try:
        wrong()
    except lab.LabError as error:
        print(error)
"""
    before = made.desk.status().spent
    logits, read, price, patched, spent, no_site, no_budget = printed(server, code)
    model = plain("LN")
    expected, cache = model.run_with_cache(TOKENS)
    assert torch.allclose(torch.tensor(eval(logits)), expected[:, -1], atol=1e-5)
    head = cache["z", 1][:, -1, 2] @ model.W_O[1, 2]
    values, shape = read.split("] torch")
    assert torch.allclose(torch.tensor(eval(values + "]")), head, atol=1e-5)
    assert shape == ".Size([2, 6, 6])"
    assert price == "4"
    zeroed = model.run_with_hooks(TOKENS, fwd_hooks=[("blocks.1.hook_mlp_out", lambda value, **_hook: value * 0)])
    assert torch.allclose(torch.tensor(eval(patched.split("] tensor")[0] + "]")), zeroed[:, -1], atol=1e-5)
    assert patched.endswith("tensor(True)")
    assert spent == f"{before} {before + 10} 8"
    assert no_site == "m7: there is no block 7; blocks are 0 to 2."
    assert no_budget.startswith(f"This run would cost 4,000 prompts and {TOTAL - before - 10:,} prompts of the budget")


def test_two_sessions_have_one_budget_and_one_set_of_runs(server, made):
    async def scenario(agent: Agent) -> tuple[list[str], str, str]:
        first = agent.session_id
        one = (await agent.run("run = lab.run([[3, 3, 3]])\nprint(run.id, run.price, run.left)")).output
        await agent.start(experiment_name="second")
        more = (await agent.run("print(lab.budget.left, lab.run([[3, 3, 3]]).repeated)")).output
        other = await agent.run(f"print(lab.run([[4, 4, 4]], patch=lab.mean('m0', '{one.split()[0]}')).left)")
        await agent.call("shutdown_session", session_id=agent.session_id)
        agent.session_id = first
        return one.split(), more, other.output + " " + (await agent.run("print(lab.budget.left)")).output

    (_id, price, left), more, after = play(server, scenario)
    assert price == "1"
    assert more == f"{left} True"
    assert after.split() == [str(int(left) - 2)] * 2


def test_a_notebook_that_is_run_again_costs_nothing_more(server, made):
    async def scenario(agent: Agent) -> tuple[Answer, str, str]:
        await agent.start(experiment_name="again")
        first = await agent.run("run = lab.run([[7, 7, 7]], read='m0')\nprint(run.id, run['m0'].sum().item())")
        before = await agent.run("print(lab.budget.spent)")
        await agent.run("os._exit(1)")
        resumed = await agent.start("start_session_resume_notebook", notebook_path=agent.notebook_path)
        assert not resumed.is_error, resumed.text
        code = "print(run.id, run['m0'].sum().item(), run.repeated, lab.budget.spent)"
        return first, before.output, (await agent.run(code)).output

    first, before, after = play(server, scenario, session=False)
    assert after == f"{first.output} True {before}"


#: What a kernel sends past the client, and what its next call then says, if it can't be made.
HOSTILE = {
    "garbage": ("send(b'\\xff' * 5000)", "The header of the frame has"),
    "a giant header": ("send(struct.pack('<IQ', 1 << 31, 0))", "2,147,483,648 bytes; at most 1,048,576"),
    "giant tensors": ("send(struct.pack('<IQ', 2, 1 << 50) + b'{}')", "at most 67,108,864 are allowed"),
    "no object": ("send(struct.pack('<IQ', 4, 0) + b'null')", "not a JSON object"),
    "half a frame": ("send(frame({'op': 'budget', 'id': 1})[:-1])", None),
    "a flood": ("for n in range(3000): send(frame({'op': 'budget', 'id': -n - 2}))", None),
    "a flood of the impossible": ("for n in range(2000): send(frame({'op': 'run', 'id': -n - 2}))", None),
}


def test_whatever_one_kernel_sends_another_one_goes_on(server, made):
    """Floods are written by a thread, since nobody reads their answers."""

    async def scenario(agent: Agent) -> dict[str, tuple[str, str, float]]:
        good, seen = agent.session_id, {}
        for name, (code, _said) in HOSTILE.items():
            await agent.start(experiment_name="bad")
            flood = f"import threading\nthreading.Thread(target=lambda: exec({code!r}, globals()), daemon=True).start()"
            await agent.run(f"{RAW}\n{flood}\ntime.sleep(0.3)")
            begin = time.monotonic()
            fine = await agent.call("execute_code", session_id=good, code="print(lab.run(TOKENS).id)")
            took = time.monotonic() - begin
            broken = "still"
            if HOSTILE[name][1] is not None:
                code = "try:\n    lab.budget\nexcept lab.LabError as error:\n    print(error)"
                broken = (await agent.run(code)).output
            seen[name] = (fine.output, broken, took)
            await agent.call("shutdown_session", session_id=agent.session_id)
        agent.session_id = good
        return seen

    seen = play(server, scenario, timeout_s=240)
    spent = made.desk.status()
    assert re.fullmatch(r"r\d+", seen["garbage"][0])
    for name, (fine, broken, took) in seen.items():
        assert fine == seen["garbage"][0], name
        assert took < 20, name
        said = HOSTILE[name][1]
        if said is not None:
            assert said in broken, name
            assert "resume the notebook, or start a new session" in broken, name
    assert spent.infrastructure_error is None
    assert server.status().infrastructure_error is None


def test_after_a_flood_the_client_still_gets_its_own_answers(server):
    code = f"""{RAW}
for n in range(200):
    send(frame({{'op': 'budget', 'id': -n - 2}}))
print(lab.run([[8, 8, 8]]).outputs.shape, lab.budget.unit)
"""
    assert printed(server, code) == ["torch.Size([1, 7]) prompt"]


def test_a_kernel_that_dies_in_the_middle_of_a_run_has_paid_for_it(server, made):
    made.models.before.append(lambda: time.sleep(1))
    spent = made.desk.status().spent

    async def scenario(agent: Agent) -> tuple[str, str]:
        died = await agent.run("import threading\nthreading.Timer(0.5, os._exit, [1]).start()\nlab.run([[9, 9, 9]])")
        await agent.start(experiment_name="after")
        return died.error, (await agent.run("print(lab.run([[9, 9, 9]]).repeated)")).output

    died, repeated = play(server, scenario)
    assert "died" in died
    assert repeated == "True"
    assert made.desk.status().spent == spent + 1


def test_forks_and_other_processes_of_a_kernel_get_a_sentence(server):
    code = """
import subprocess
lab.budget
read, write = os.pipe()
if os.fork() == 0:
    try:
        lab.budget
    except lab.LabError as error:
        os.write(write, str(error).encode())
    os._exit(0)
os.wait()
print(os.read(read, 1000).decode())
ask = "try:\\n    lab.budget\\nexcept lab.LabError as error:\\n    print(error)"
other = "import sys; sys.path.append('.'); import lab\\n" + ask
ran = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True)
print(ran.stdout.strip() or ran.stderr)
print(lab.budget.unit)
"""
    fork, program, unit = printed(server, code)
    assert fork == "This process is a fork of the kernel, and only the kernel itself can use the laboratory."
    assert program.startswith("There is no laboratory here: only the kernel of a notebook has one")
    assert unit == "prompt"


def test_a_cell_that_is_interrupted_in_the_middle_of_a_call_leaves_a_connection_that_works(server, made):
    release = threading.Event()
    made.models.before.append(lambda: release.wait(20))
    spent = made.desk.status().spent

    async def scenario(agent: Agent) -> tuple[Answer, str]:
        running = asyncio.create_task(agent.run("lab.run([[2, 2, 2]], read='m1')"))
        while made.models.before:
            await asyncio.sleep(0.05)
        stopped = await agent.call("interrupt", session_id=agent.session_id)
        assert "was interrupted" in stopped.payload["message"], stopped.text
        interrupted = await running
        threading.Timer(0.3, release.set).start()
        code = (
            "print(lab.budget.spent)\nagain = lab.run([[2, 2, 2]], read='m1')\nprint(again.repeated, len(again['m1']))"
        )
        return interrupted, (await agent.run(code)).output

    interrupted, after = play(server, scenario)
    assert "KeyboardInterrupt" in interrupted.text
    assert "ask again, and it costs nothing more" in interrupted.text
    assert after == f"{spent + 1}\nTrue 1"


def test_a_run_that_takes_longer_than_a_cell_may_is_not_lost(host, tmp_path, monkeypatch):
    """The cell is stopped, the run goes on, and the next cell has its result without computing it again."""
    monkeypatch.setattr("scribe_suite.laboratory.results.SLOW_S", 1.0)
    models = Models(host[0], [lambda: time.sleep(6)])
    made = attempt(tmp_path, host[1], models, budget=5)
    config = NotebookConfig(
        tmp_path,
        files=dict([client_file()]),
        setup_code=SET_UP,
        cell_timeout_s=3,
        preload=PRELOAD,
        services={DESCRIPTOR: made.desk},
    )

    async def scenario(agent: Agent) -> tuple[Answer, str]:
        stopped = await agent.run("lab.run([[2, 2, 2]], read='m1')")
        await asyncio.sleep(3)
        code = "run = lab.run([[2, 2, 2]], read='m1')\nprint(run.repeated, run['m1'].shape, lab.budget.left)"
        return stopped, (await agent.run(code)).output

    with made.desk, NotebookServer(config) as server:
        stopped, after = play(server, scenario)
    assert "ask again, and it costs nothing more" in stopped.text
    assert after == "True torch.Size([1, 3, 12]) 4"
    assert models.runs == 1
    assert made.desk.status().failed == 0


def test_a_laboratory_that_dies_in_the_middle_gives_back_says_so_and_lives_on(server, made, host):
    def freeze_then_kill() -> None:
        running = host[0]._running
        assert running is not None
        assert running.process.pid is not None
        below = psutil.Process(running.process.pid).children(recursive=True)
        for process in below:
            process.suspend()
        threading.Timer(0.5, running.process.kill).start()

    async def scenario(agent: Agent) -> tuple[str, str, str]:
        await agent.run("base = lab.run([[5, 5, 5]], read='m0')\nspent = lab.budget.spent")
        made.models.before.append(freeze_then_kill)
        died = await agent.run("try:\n    lab.run([[5, 5, 6]])\nexcept lab.LabError as error:\n    print(error)")
        left = await agent.run("print(lab.budget.spent - spent)")
        code = """
run = lab.run([[5, 5, 6]], patch=lab.interchange("m0", base), read="m0")
print(torch.equal(run["m0"], base["m0"]), run.price, torch.equal(lab.run([[5, 5, 5]], read="m0")["m0"], base["m0"]))
"""
        return died.output, left.output, (await agent.run(code)).output

    said, refunded, after = play(server, scenario, timeout_s=240)
    assert said.startswith("The laboratory was ended")
    assert said.endswith("Nothing was charged, and earlier runs can be used as before.")
    assert refunded == "0"
    assert after == "True 2 True"
    assert made.lines("failed")[-1]["reason"] in said
    assert host[0].restarts == 1


def test_the_record_has_every_run_and_is_out_of_the_kernels_reach(server, made, tmp_path_factory):
    for token in (6, 7):  # each in a session of its own
        play(server, lambda agent, token=token: agent.run(f"lab.run([[6, 6, {token}]])"))
    runs = made.lines("run")
    assert [line["number"] for line in runs] == list(range(1, len(runs) + 1))
    assert sum(line["price"] for line in runs) == made.desk.status().spent == runs[-1]["spent"]
    assert len({line["session"] for line in runs}) >= 2
    code = f"print(os.path.exists({str(made.path)!r}), sorted(os.listdir('.')))"
    if server.status().isolation == "namespaces":
        assert printed(server, code) == ["False ['lab.py']"]


def test_what_help_shows_is_for_agents(server):
    text = "\n".join(printed(server, "help(lab)"))
    assert "Every run has a price" in text
    assert "FrameError" not in text


@pytest.mark.parametrize("way", ["landlock", "none"])
def test_the_client_works_in_every_tier(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch):
    if way == "landlock":
        tier, reason = probing.try_tier("landlock")
        if tier is None:
            pytest.skip(reason)
        monkeypatch.setattr(server_module, "probe_isolation", lambda _asked: tier)
    made = attempt(tmp_path, budget=5)
    config = NotebookConfig(
        tmp_path,
        isolation="auto" if way == "landlock" else "none",
        files=dict([client_file()]),
        setup_code=SETUP_CODE,
        services={DESCRIPTOR: made.desk},
    )
    with made.desk, NotebookServer(config) as server:
        assert printed(server, "print(lab.run([[1, 2, 3]], read='m0')['m0'].shape, lab.budget)") == [
            "torch.Size([1, 3, 8]) 4 of 5 prompts left"
        ]
        assert server.status().isolation == way


def test_closing_ends_everything(tmp_path: Path, host: tuple[Laboratory, ModelShape]):
    made = attempt(tmp_path, host[1], Models(host[0]), budget=5)
    config = NotebookConfig(
        tmp_path,
        files=dict([client_file()]),
        setup_code=SETUP_CODE,
        preload=PRELOAD,
        services={DESCRIPTOR: made.desk},
    )

    async def scenario(agent: Agent) -> str:
        await agent.run("lab.budget")
        made.desk.close()
        return (await agent.run("lab.budget")).payload["outputs"][0]["message"]

    with NotebookServer(config) as server:
        assert play(server, scenario).startswith("The connection to the laboratory has ended.")
