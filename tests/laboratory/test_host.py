"""The model process and its host: it answers, and whatever ends it, the next call finds another one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load, save

from scribe_suite.errors import InfrastructureError
from scribe_suite.laboratory import host
from scribe_suite.laboratory.host import Laboratory, LaboratoryFailedError, LaboratoryLimits, RunRefusedError
from scribe_suite.laboratory.recipes import Gradient, Recipe, Wanted
from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.sandbox import fork_client
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.tiers import IsolationTier
from tests.laboratory.small_models import CONFIGS, base, patched, plain, state_of, tokens

pytestmark = pytest.mark.slow
TIER = probe_isolation("auto")
WANTED = Wanted(read=["m1@-1"], grad=Gradient([1] * 5, ["a0.h1"]))


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with Laboratory(TIER) as laboratory:
        for kind in ("LN", "no norm"):
            laboratory.load(kind, CONFIGS[kind], state_of(kind))
        yield laboratory


def answers(laboratory: Laboratory, kind: str = "LN") -> None:
    """The laboratory gives what the model says."""
    found = load(laboratory.run(kind, [patched()], Wanted()))
    torch.testing.assert_close(found["outputs"], plain(kind)(torch.tensor(tokens()))[:, -1])


def processes() -> set[int]:
    """Everything that this process has started and that still runs."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def innermost(laboratory: Laboratory) -> int:
    """PID of the process that has the models."""
    process = psutil.Process(laboratory._running.process.pid)
    below = process.children(recursive=True)
    return max(below or [process], key=lambda one: one.create_time()).pid


def in_thread(action: Callable[[], object]) -> tuple[threading.Thread, list[BaseException | object]]:
    results: list[BaseException | object] = []

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


@pytest.mark.core
def test_it_computes_what_the_operations_do(laboratory):
    patch = {"kind": "interchange", "site": "a1.h0", "run": "base"}
    one, other = (laboratory.run("LN", [base(), patched(patch)], WANTED) for _ in range(2))
    assert one == other
    found = load(one)
    assert set(found) == {"outputs", "m1@-1", "grad/a0.h1"}
    assert not torch.allclose(found["outputs"], plain("LN")(torch.tensor(tokens()))[:, -1], atol=1e-4)
    answers(laboratory)
    answers(laboratory, "no norm")


def test_the_shape_is_told(laboratory):
    shape = laboratory.load("LN", CONFIGS["LN"], state_of("LN"))
    assert shape == ModelShape(
        n_layers=3, n_heads=4, n_key_value_heads=4, d_model=12, d_head=5, d_mlp=16, d_vocab=11, d_vocab_out=7, n_ctx=6
    )


def test_what_is_refused_costs_no_process(laboratory):
    before = innermost(laboratory)
    for recipes, wanted, reason in (
        ([Recipe("r", tokens() + 99)], Wanted(), "from 0 to 10"),
        ([Recipe("r", tokens().astype("float64"))], Wanted(), "int64"),
        ([patched()], Wanted(read=["m7"]), "no block 7"),
        ([patched()], Wanted(temperature=float("nan")), "JSON does not have"),
        ([patched({"kind": "zero", "site": object()})], Wanted(), "JSON does not have"),
        ([patched({"kind": "zero", "site": "x" * (1 << 20)})], Wanted(), "too large"),
    ):
        with pytest.raises(RunRefusedError, match=reason):
            laboratory.run("LN", recipes, wanted)
    with pytest.raises(RunRefusedError, match="no model 'other'"):
        laboratory.run("other", [patched()], Wanted())
    with pytest.raises(RunRefusedError, match="token ids, not texts"):
        laboratory.tokenize("LN", ["a text"])
    assert innermost(laboratory) == before
    answers(laboratory)


def test_a_model_that_can_t_be_loaded_leaves_the_others(laboratory):
    for config, state in ((CONFIGS["no norm"], state_of("LN")), (CONFIGS["LN"], b"no tensors"), ({}, state_of("LN"))):
        with pytest.raises(InfrastructureError, match="the model x can't be loaded") as caught:
            laboratory.load("x", config, state)
        assert caught.value.cause == "laboratory"
        with pytest.raises(RunRefusedError, match="no model 'x'"):
            laboratory.run("x", [patched()], Wanted())
    with pytest.raises(InfrastructureError):
        laboratory.load("LN", CONFIGS["no norm"], state_of("LN"))
    answers(laboratory)


def test_a_model_is_forgotten(laboratory):
    laboratory.load("x", CONFIGS["LN"], state_of("LN"))
    answers(laboratory)
    laboratory.unload("x")
    laboratory.unload("x")
    with pytest.raises(RunRefusedError, match="no model 'x'"):
        laboratory.run("x", [patched()], Wanted())


@pytest.mark.core
def test_one_that_was_killed_between_calls_is_replaced(laboratory):
    restarts, before = laboratory.restarts, innermost(laboratory)
    servers = list(fork_client._servers.values())
    os.kill(before, signal.SIGKILL)
    _wait_until(lambda: laboratory._running.process.poll() is not None)
    answers(laboratory, "no norm")
    answers(laboratory)
    assert list(fork_client._servers.values()) == servers, "it is forked, so nothing is imported again"
    assert laboratory.restarts == restarts + 1
    assert innermost(laboratory) != before


@pytest.mark.core
def test_one_that_is_killed_in_the_middle_is_told_and_replaced(laboratory):
    before = innermost(laboratory)
    os.kill(before, signal.SIGSTOP)
    thread, results = in_thread(lambda: laboratory.run("LN", [patched()], Wanted()))
    time.sleep(0.3)
    assert results == []
    os.kill(before, signal.SIGKILL)
    thread.join(20)
    assert isinstance(results[0], LaboratoryFailedError)
    assert "signal 9; it is being restarted" in str(results[0])
    assert not results[0].timeout
    answers(laboratory)


def test_one_that_takes_too_long_is_ended_and_replaced():
    with Laboratory(TIER, limits=LaboratoryLimits(stall_s=1.0)) as laboratory:
        laboratory.load("LN", CONFIGS["LN"], state_of("LN"))
        before = innermost(laboratory)
        os.kill(before, signal.SIGSTOP)
        begin = time.monotonic()
        with pytest.raises(LaboratoryFailedError, match="no progress for 1 s") as caught:
            laboratory.run("LN", [patched()], Wanted())
        assert caught.value.timeout
        assert 1 <= time.monotonic() - begin < 15
        assert not psutil.pid_exists(before)
        answers(laboratory)
        assert laboratory.restarts == 1


#: In place of the process: answers a run after as many words that it works as the request has prompts.
WORKS = """
import os, socket, sys, time
sys.path.insert(0, os.getcwd())
from laboratory import frames
channel = socket.socket(fileno=int(sys.argv[1]))
frames.send(channel, dict(ready=True))
while (frame := frames.receive(channel, most=1 << 30)) is not None:
    if frame.header["op"] == "run":
        for _ in range(int(frame.header["recipes"][0]["name"])):
            time.sleep(0.4)
            frames.send(channel, dict(working=True))
        if frame.header["wanted"]["seed"]:
            time.sleep(60)
    frames.send(channel, dict(sizes=dict(n_layers=1, n_heads=1, n_key_value_heads=1, d_model=1, d_head=1, d_mlp=0,
                                         d_vocab=1, d_vocab_out=1, n_ctx=1)))
"""


@pytest.fixture
def working(monkeypatch: pytest.MonkeyPatch) -> Iterator[Laboratory]:
    monkeypatch.setattr(host, "_START", WORKS.replace("{", "{{").replace("}", "}}"))
    with Laboratory(TIER, preload=(), limits=LaboratoryLimits(stall_s=3.0)) as laboratory:
        laboratory.load("m", {}, b"")
        yield laboratory


def test_one_that_says_that_it_works_may_take_as_long_as_it_needs(working):
    assert working.run("m", [Recipe("10", tokens())], Wanted()) == b""
    assert working.restarts == 0
    with pytest.raises(LaboratoryFailedError, match="no progress for 3 s") as caught:
        working.run("m", [Recipe("3", tokens())], Wanted(seed="stall"))
    assert caught.value.timeout
    assert working.run("m", [Recipe("1", tokens())], Wanted()) == b""
    assert working.restarts == 1


def test_a_run_that_nobody_wants_any_more_is_ended(working):
    given_up = threading.Event()
    before = innermost(working)
    thread, results = in_thread(lambda: working.run("m", [Recipe("90", tokens())], Wanted(), given_up=given_up.is_set))
    time.sleep(1)
    waiting, none = in_thread(lambda: working.run("m", [Recipe("90", tokens())], Wanted(), given_up=given_up.is_set))
    assert results == none == []
    given_up.set()
    for one, found in ((thread, results), (waiting, none)):
        one.join(20)
        assert isinstance(found[0], LaboratoryFailedError)
        assert "Nothing waits for this run" in str(found[0])
    assert not psutil.pid_exists(before)
    assert working.run("m", [Recipe("1", tokens())], Wanted()) == b""


def test_a_run_s_blocks_are_signs_of_life(monkeypatch):
    """The real process, with every block said; no answer is mixed up with them."""
    source = (host._HERE / "inside" / "server.py").read_text()
    files = {
        **host.process_files(),
        "laboratory/inside/server.py": source.replace("PULSE_S = 1.0", "PULSE_S = 0.0").encode(),
    }
    monkeypatch.setattr(host, "process_files", lambda: files)
    received = []
    plain_receive = host.frames.receive

    def receive(*arguments: object, **more: object) -> object:
        received.append(plain_receive(*arguments, **more))
        return received[-1]

    with Laboratory(TIER) as laboratory:
        laboratory.load("LN", CONFIGS["LN"], state_of("LN"))
        monkeypatch.setattr(host.frames, "receive", receive)
        laboratory.run("LN", [base(), patched({"kind": "interchange", "site": "a1.h0", "run": "base"})], WANTED)
        answers(laboratory)
    said = [frame.header == host.WORKING for frame in received]
    # three blocks of the base, three and their three gradients but for what lies below the site, and three
    assert said[-1] is False
    assert said.count(False) == 2
    assert 9 <= said.count(True) <= 12


def test_an_interrupt_in_the_middle_mixes_no_answers(laboratory, monkeypatch):
    restarts = laboratory.restarts

    def interrupted(*_arguments: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(host.frames, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        laboratory.run("LN", [Recipe("other", tokens(9))], Wanted())
    monkeypatch.undo()
    answers(laboratory)
    assert laboratory.restarts == restarts + 1


def test_too_much_memory_is_told_and_the_next_call_works():
    config = {**CONFIGS["LN"], "d_vocab_out": 12_000}
    state = load(state_of("LN"))
    state["unembed.W_U"], state["unembed.b_U"] = torch.ones(12, 12_000), torch.ones(12_000)
    with Laboratory(TIER, limits=LaboratoryLimits(memory_bytes=800 << 20)) as laboratory:
        laboratory.load("wide", config, save(state))
        many = Recipe("many", np.zeros((4096, 6), "int64"))
        with pytest.raises((RunRefusedError, LaboratoryFailedError), match=r"memory|signal|too much"):
            laboratory.run("wide", [many], Wanted(labels=None, returns="log_probs"))
        found = load(laboratory.run("wide", [patched()], Wanted(labels=[0, 1])))
        assert found["outputs"].shape == (5, 2)


def test_two_threads_have_their_own_answers(laboratory):
    def ask(kind: str, seed: int) -> bool:
        run = Recipe("r", tokens(seed, n_prompts=40))
        truth = plain(kind)(torch.tensor(tokens(seed, n_prompts=40)))[:, -1]
        return all(
            torch.allclose(load(laboratory.run(kind, [run], Wanted()))["outputs"], truth, atol=1e-5) for _ in range(10)
        )

    threads = [in_thread(lambda kind=kind, seed=seed: ask(kind, seed)) for kind in ("LN", "no norm") for seed in (4, 5)]
    for thread, results in threads:
        thread.join(60)
        assert results == [True]


def test_closing_ends_a_call_and_everything_that_was_started():
    before = processes()
    laboratory = Laboratory(TIER)
    laboratory.load("LN", CONFIGS["LN"], state_of("LN"))
    started = innermost(laboratory)
    os.kill(started, signal.SIGSTOP)
    thread, results = in_thread(lambda: laboratory.run("LN", [patched()], Wanted()))
    time.sleep(0.3)
    begin = time.monotonic()
    laboratory.close()
    laboratory.close()
    thread.join(10)
    assert time.monotonic() - begin < 10
    assert isinstance(results[0], LaboratoryFailedError)
    assert "closed" in str(results[0])
    assert not psutil.pid_exists(started)
    assert processes() <= before | {child for child in processes() if "fork-server" in _command(child)}
    with pytest.raises(LaboratoryFailedError, match="closed"):
        laboratory.run("LN", [patched()], Wanted())
    with pytest.raises(LaboratoryFailedError, match="closed"):
        laboratory.load("x", CONFIGS["LN"], state_of("LN"))


@pytest.mark.usefixtures("laboratory")  # by then what starts processes has imported everything
@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit(3)", "it ended"),
        ("print('no module', flush=True); import nothing_of_that_name", "nothing_of_that_name"),
        ("import time; time.sleep(60)", "not ready within"),
        ("import os; os.write(3, b'nonsense' * 9); os.read(3, 9)", "something else"),
        ("import os; os.write(3, b'\\x02\\0\\0\\0' + bytes(8) + b'{}'); os.read(3, 9)", "it ended|something else"),
    ],
)
def test_one_clear_error_where_it_can_t_be_started(monkeypatch, program, reason):
    monkeypatch.setattr(host, "_START", program.replace("{", "{{").replace("}", "}}"))
    with Laboratory(TIER, limits=LaboratoryLimits(start_s=8.0)) as laboratory:
        with pytest.raises(InfrastructureError, match=reason) as caught:
            laboratory.load("LN", CONFIGS["LN"], state_of("LN"))
        assert caught.value.cause == "laboratory"
        assert "\n" not in str(caught.value)
        monkeypatch.undo()
        laboratory.load("LN", CONFIGS["LN"], state_of("LN"))
        answers(laboratory)


def test_without_isolation_it_works_as_well():
    with Laboratory(IsolationTier("none")) as laboratory:
        laboratory.load("LN", CONFIGS["LN"], state_of("LN"))
        answers(laboratory)


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _command(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return ""
