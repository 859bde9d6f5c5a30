"""The server: whatever comes, it answers with one sentence and goes on."""

from __future__ import annotations

import ast
import socket
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from transformer_lens import HookedTransformer

from scribe_suite.laboratory import frames, inside
from scribe_suite.laboratory.frames import Frame
from scribe_suite.laboratory.inside import operations, server
from scribe_suite.laboratory.recipes import Gradient, Wanted, run_message
from tests.laboratory.small_models import CONFIGS, base, patched, plain, state_of, tokens


@pytest.fixture
def served() -> server.Server:
    served = server.Server()
    header, tensors = served.answer(Frame({"op": "load", "model": "m", "config": CONFIGS["LN"]}, state_of("LN")))
    assert tensors == b""
    assert header["sizes"]["n_heads"] == 4
    return served


def request() -> Frame:
    return Frame(*run_message("m", [patched()], Wanted(read=["m1"])))


def test_a_run(served):
    header, tensors = served.answer(request())
    assert header == {}
    found = load(tensors)
    assert set(found) == {"outputs", "m1"}
    assert torch.equal(found["outputs"], plain("LN")(torch.tensor(tokens()))[:, -1])


def test_sizes_are_told():
    served = server.Server()
    for kind, more in {
        "LN": {"n_key_value_heads": 4, "d_mlp": 16},
        "attention only": {"d_mlp": 0},
        "grouped": {"n_key_value_heads": 2},
    }.items():
        header, _ = served.answer(Frame({"op": "load", "model": kind, "config": CONFIGS[kind]}, state_of(kind)))
        sizes = {"n_layers": 3, "n_heads": 4, "d_model": 12, "d_vocab": 11, "d_vocab_out": 7, "n_ctx": 6, **more}
        assert sizes.items() <= header["sizes"].items()


def test_it_says_that_it_works_block_by_block_but_not_too_often(served, monkeypatch):
    said = []
    served.working = lambda: said.append(1)
    served.answer(request())
    assert len(said) == 3
    served.answer(Frame(*run_message("m", [patched()], Wanted(grad=Gradient([1] * 5, ["embed"])))))
    assert len(said) == 9
    mine, theirs = socket.socketpair()
    now = [100.0]
    monkeypatch.setattr(server.time, "monotonic", lambda: now[0])
    with mine, theirs:
        pulse = server.Pulse(mine)
        for at in (100.5, 101.0, 101.1, 101.9, 102.0):
            now[0] = at
            pulse()
        mine.close()
        frames_in = list(iter(lambda: frames.receive(theirs, most=0), None))
    assert [frame.header for frame in frames_in] == [{"working": True}] * 2


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (Frame({}), "no operation"),
        (Frame({"op": "exec", "code": "1"}), "no operation 'exec'"),
        (Frame({"op": ["run"]}), "no operation"),
        (Frame({"op": "run", "model": "other"}, save({})), "no model 'other'"),
        (Frame({"op": "run"}, save({})), "no model"),
        (Frame({"op": "run", "model": "m"}, save({})), "list of recipes"),
        (Frame({"op": "run", "model": "m"}, b""), "can't be read"),
        (Frame({"op": "run", "model": "m"}, b"\xff" * 100), "can't be read"),
        (Frame({"op": "run", "model": "m"}, (1 << 40).to_bytes(8, "little") + b"{}"), "can't be read"),
        (Frame({"op": "tokenize", "model": "m", "texts": ["a"]}), "token ids, not texts"),
        (Frame({"op": "decode", "model": "m"}, save({})), "token ids, not texts"),
    ],
)  # fmt: skip
def test_what_can_t_be_done_is_refused_in_one_sentence(served, frame, reason):
    header, tensors = served.answer(frame)
    assert list(header) == ["refused"]
    assert reason in header["refused"]
    assert "\n" not in header["refused"]
    assert tensors == b""
    assert served.answer(request())[0] == {}


def test_a_tensor_that_claims_to_be_huge_is_refused(served):
    text = b'{"0/tokens":{"dtype":"I64","shape":[4096,1000000000],"data_offsets":[0,8]}}'
    header, _ = served.answer(Frame({"op": "run", "model": "m"}, len(text).to_bytes(8, "little") + text + b"\0" * 8))
    assert "can't be read" in header["refused"]


@pytest.mark.parametrize(
    ("config", "state", "reason"),
    [
        ("LN", "no norm", "these differ: blocks.0.ln1.b"),
        ("grouped", "LN", "these differ"),
        ({**CONFIGS["LN"], "d_model": 8}, "LN", "other shapes"),
        ({**CONFIGS["LN"], "parallel_attn_mlp": True}, "LN", "attention and MLP side by side"),
        ({**CONFIGS["LN"], "attention_dir": "bidirectional"}, "LN", "attention in both directions"),
    ],
)
def test_a_model_that_can_t_be_run_is_refused(config, state, reason):
    served = server.Server()
    config = CONFIGS[config] if isinstance(config, str) else config
    header, _ = served.answer(Frame({"op": "load", "model": "m", "config": config}, state_of(state)))
    assert reason in header["refused"]
    assert served.models == {}


def test_a_model_can_be_unloaded_and_replaced(served):
    served.answer(Frame({"op": "load", "model": "m", "config": CONFIGS["attention only"]}, state_of("attention only")))
    assert "no MLPs" in served.answer(request())[0]["refused"]
    for _ in range(2):
        assert served.answer(Frame({"op": "unload", "model": "m"})) == ({}, b"")
    assert "no model" in served.answer(request())[0]["refused"]


@pytest.mark.parametrize(
    ("error", "key", "text"),
    [
        (ZeroDivisionError("a\nb"), "failed", "ZeroDivisionError: a b"),
        (MemoryError(), "refused", "fewer prompts"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "refused", "fewer prompts"),
        (RecursionError("deep"), "failed", "RecursionError"),
    ],
)  # fmt: skip
def test_an_error_is_an_answer(served, monkeypatch, error, key, text):
    def broken(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(operations, "run", broken)
    header, _ = served.answer(request())
    assert list(header) == [key]
    assert text in header[key]


def test_a_hook_that_fails_leaves_no_hook_behind(served, monkeypatch):
    path = {"kind": "path", "site": "m0", "to": "m1", "run": "base"}
    frame = Frame(*run_message("m", [base(), patched(path)], Wanted(read=["a1.h0"])))
    before = served.answer(frame)
    model: HookedTransformer = served.models["m"].model
    monkeypatch.setattr(model.blocks[2].mlp, "forward", lambda _x: 1 / 0)
    assert "ZeroDivisionError" in served.answer(frame)[0]["failed"]
    monkeypatch.undo()
    assert all(not point._forward_hooks for point in model.hook_dict.values())
    assert not model.blocks[1].ln2._forward_pre_hooks
    assert served.answer(frame) == before


def test_serving_goes_on_until_the_channel_closes():
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=server.serve, args=(theirs, server.Server()))
    thread.start()
    with ours, theirs:
        assert frames.receive(ours, most=0) == Frame({"ready": True})
        frames.send(ours, {"op": "run", "model": "m"}, save({}))
        assert "no model" in frames.receive(ours, most=0).header["refused"]
        frames.send(ours, {"op": "load", "model": "m", "config": CONFIGS["LN"]}, state_of("LN"))
        assert "sizes" in frames.receive(ours, most=0).header
        frames.send(ours, *request().__dict__.values())
        assert set(load(frames.receive(ours, most=1 << 20).tensors)) == {"outputs", "m1"}
        ours.shutdown(socket.SHUT_WR)
        thread.join(10)
        assert not thread.is_alive()


def test_what_runs_in_the_process_imports_nothing_of_the_package():
    """It is not there: only files beside it are, and what is installed for models."""
    allowed = {*sys.stdlib_module_names, "torch", "safetensors", "transformer_lens", "jaxtyping"}
    room = Path(inside.__file__).parents[1]
    shared = [room / name for name in ("__init__.py", "frames.py", "limits.py", "sites.py")]
    wrong = []
    for path in [*shared, *sorted((room / "inside").glob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            extra = allowed if path.parent.name == "inside" else set(sys.stdlib_module_names)
            wrong += [f"{path.name} imports {name}" for name in names if name.partition(".")[0] not in extra]
    assert wrong == []
