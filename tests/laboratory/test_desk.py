"""The desk of an attempt: what is charged, refused, given back and recorded, whatever kernels do."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from scribe_suite.errors import InfrastructureError
from scribe_suite.laboratory import frames, results
from scribe_suite.laboratory.host import LaboratoryFailedError, RunRefusedError

from .fakes import LANGUAGE, Attempt, attempt

TOKENS = np.arange(12).reshape(3, 4)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Attempt]:
    with _closing(attempt(tmp_path)) as made:
        yield made


@contextlib.contextmanager
def _closing(made: Attempt) -> Iterator[Attempt]:
    with made.desk:
        yield made


class Kernel:
    """A kernel's end of a connection, without the client."""

    def __init__(self, made: Attempt, session: str = "s1") -> None:
        self.channel = made.desk.connect(session)
        self.channel.settimeout(10)

    def ask(self, op: Any, fields: dict[str, Any] | None = None, tensors: Any = None) -> dict[str, Any]:
        data = tensors if isinstance(tensors, bytes) else save(tensors) if tensors else b""
        frames.send(self.channel, {"op": op, "id": 1, **(fields or {})}, data)
        frame = frames.receive(self.channel, most=1 << 26)
        assert frame is not None
        return {**frame.header, **(load(frame.tensors) if frame.tensors else {})}

    def run(self, fields: dict[str, Any] | None = None, tokens: Any = TOKENS, op: str = "run") -> dict[str, Any]:
        return self.ask(op, fields, {"tokens": np.ascontiguousarray(tokens)})


def _ended(lab: Attempt, name: str = "") -> None:
    """Wait until the connections whose names begin so have ended."""
    deadline = time.monotonic() + 60
    while any(thread.name.startswith(name) for thread in list(lab.desk._connections)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_is_charged_given_an_id_and_recorded(lab):
    kernel = Kernel(lab, "s4")
    answer = kernel.run({"read": ["m0", "a1.h2@-1"], "patch": [{"kind": "zero", "site": "m1"}], "labels": [0, 3]})
    assert {key: answer[key] for key in ("run", "returns", "price", "left", "repeated")} == {
        "run": "r1", "returns": "logits", "price": 6, "left": 94, "repeated": False,
    }  # fmt: skip
    assert answer["outputs"].shape == (3, 2)
    assert answer["m0"].shape == (3, 4, 8)
    assert answer["a1.h2@-1"].shape == (3, 8)
    (line,) = lab.lines("run")
    assert 0 <= line.pop("time") < 60
    assert 0 <= line.pop("seconds") < 60
    assert len(line.pop("returned")) == 64
    assert line == {
        "event": "run", "number": 1, "run": "r1", "session": "s4", "price": 6, "spent": 6, "prompts": 3,
        "tokens": TOKENS.tolist(), "texts": None, "read": ["m0", "a1.h2@-1"],
        "patch": [{"kind": "zero", "site": "m1"}], "grad": None, "outputs": "last", "labels": [0, 3],
    }  # fmt: skip


def test_an_identical_run_is_free_from_any_kernel_and_gives_the_same(lab):
    first = Kernel(lab, "s1").run({"read": ["m0"]})
    again = Kernel(lab, "s2").run({"read": ["m0"]})
    assert (again["run"], again["price"], again["repeated"], again["left"]) == ("r1", 0, True, first["left"])
    assert np.array_equal(first["m0"], again["m0"])
    (line,) = lab.lines("repeated")
    assert (line["run"], line["session"], line["returned"]) == ("r1", "s2", lab.lines("run")[0]["returned"])
    assert lab.desk.status().runs == lab.desk.status().repeated == 1


def test_the_price_is_told_before_and_is_what_is_charged(lab):
    kernel = Kernel(lab)
    fields = {"read": [f"q.{layer}.{head}" for layer in (0, 1) for head in (0, 1, 2)]}
    told = kernel.run(fields, op="price")
    assert (told["price"], told["repeated"], told["left"]) == (6, False, 100)
    assert not lab.models.calls
    assert kernel.run(fields)["price"] == 6
    told = kernel.run(fields, op="price")
    assert (told["price"], told["repeated"], told["left"]) == (0, True, 94)
    assert "no block 9" in kernel.run({"read": ["m9"]}, op="price")["error"]


def test_a_run_that_does_not_fit_is_refused_whole_before_it_is_run(tmp_path):
    with _closing(attempt(tmp_path, budget=5)) as lab:
        kernel = Kernel(lab)
        assert kernel.run()["left"] == 2
        assert "would cost 6 prompts and 2 prompts" in kernel.run({"patch": [{"kind": "zero", "site": "m0"}]})["error"]
        assert len(lab.models.calls) == 1
        assert kernel.ask("budget") == {"spent": 3, "left": 2, "total": 5, "unit": "prompt", "id": 1}
        assert kernel.run(tokens=TOKENS[:2])["left"] == 0
        assert kernel.run()["repeated"]
        assert lab.lines("refused")[0]["operation"] == "run"


def test_two_kernels_share_one_budget_and_never_overspend(tmp_path):
    with _closing(attempt(tmp_path, budget=50)) as lab:
        refused = []

        def work(session: str, offset: int) -> None:
            kernel = Kernel(lab, session)
            for number in range(30):
                answer = kernel.run(tokens=[[offset, number % 20, number // 20]])
                if "error" in answer:
                    refused.append(answer["error"])

        threads = [threading.Thread(target=work, args=(f"s{number}", number)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert lab.desk.status().spent == lab.desk.status().runs == 50
        assert len(refused) == 10
        assert sorted(line["spent"] for line in lab.lines("run"))[-1] == 50
        assert {line["session"] for line in lab.lines("run")} == {"s1", "s2"}


def test_a_run_can_be_patched_from_by_another_kernel_after_the_first_is_gone(lab):
    first = Kernel(lab, "s1")
    first.run()
    first.channel.close()
    answer = Kernel(lab, "s2").run({"patch": [{"kind": "interchange", "site": "m0", "run": "r1"}]})
    assert answer["run"] == "r2"
    recipes, _wanted = lab.models.calls[-1]
    assert [recipe.name for recipe in recipes] == ["r1", ""]
    assert recipes[1].patches == [{"kind": "interchange", "site": "m0", "run": "r1", "prompt": None}]


def failing(error: Exception) -> Any:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "said", "event", "broken"),
    [
        (
            LaboratoryFailedError("It was killed; it is being restarted."),
            "It was killed; it is being restarted. Nothing was charged, and earlier runs can be used as before.",
            "failed",
            None,
        ),
        (RunRefusedError("It needs more memory."), "It needs more memory.", "refused", None),
        (
            InfrastructureError("laboratory", "It can't be started: no disk."),
            "The laboratory has failed, which is not your doing; nothing was charged.",
            None,
            "It can't be started: no disk.",
        ),
        (
            ZeroDivisionError("host/path"),
            "The laboratory has failed, which is not your doing; nothing was charged.",
            None,
            "The desk failed: ZeroDivisionError('host/path').",
        ),
    ],
)  # fmt: skip
def test_when_the_laboratory_fails_everything_is_given_back_and_told(lab, error, said, event, broken):
    kernel = Kernel(lab)
    kernel.run()
    lab.models.before = failing(error)
    assert kernel.run({"read": ["m0"]})["error"] == said
    status = lab.desk.status()
    assert (status.spent, status.infrastructure_error) == (3, broken)
    if event:
        assert lab.lines(event)[0]["reason"] == str(error)
    lab.models.before = lambda: None
    after = kernel.run({"read": ["m0"], "patch": [{"kind": "mean", "site": "m0", "run": "r1"}]})
    assert (after["run"], after["price"], after["left"]) == ("r2", 6, 91)
    assert kernel.run({"read": ["m0"]})["price"] == 3


def test_a_run_that_can_not_be_recorded_is_not_charged_and_not_given(lab, monkeypatch):
    def unwritable(event: str, **_fields: Any) -> int:
        raise InfrastructureError("laboratory", "The disk is full.")

    kernel = Kernel(lab)
    with monkeypatch.context() as broken:
        broken.setattr(lab.desk._record, "add", unwritable)
        answer = kernel.run()
    assert set(answer) == {"error", "id"}
    assert lab.desk.status().spent == 0
    assert lab.desk.status().infrastructure_error == "The disk is full."
    assert kernel.run()["price"] == 3


@pytest.mark.parametrize("op", [None, 1, "", "load", "unload", "__init__", ["run"], {"run": 1}])
def test_only_what_a_kernel_may_ask_for_is_done(lab, op):
    answer = Kernel(lab).ask(op)
    assert answer["error"] == "The laboratory can hello, budget, price, run, tokenize, decode, and nothing else."
    assert lab.lines("refused")[0]["operation"] is None


def tensors_file(header: bytes, data: bytes = b"", size: int | None = None) -> bytes:
    return (len(header) if size is None else size).to_bytes(8, "little") + header + data


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\xff" * 1000,
        tensors_file(b"{}", size=1 << 40),
        tensors_file(b"[]"),
        tensors_file(b'{"tokens":{"dtype":"I64","shape":[1,1000000000],"data_offsets":[0,8]}}', b"x" * 8),
        tensors_file(b'{"tokens":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}', b"xx"),
    ],
)
def test_tensors_that_are_none_are_refused_and_the_connection_goes_on(lab, data):
    kernel = Kernel(lab)
    assert "can't be read" in kernel.ask("run", {}, data)["error"]
    assert kernel.run()["run"] == "r1"


def test_a_kernel_that_sends_garbage_does_not_disturb_another_one(lab):
    good, bad = Kernel(lab, "s1"), Kernel(lab, "s2")
    bad.channel.sendall(b"garbage" * 100)
    assert good.run()["run"] == "r1"
    assert b"The connection to the laboratory has been closed." in bad.channel.recv(1 << 16)
    with contextlib.suppress(ConnectionResetError):
        assert bad.channel.recv(1) == b""
    assert good.ask("budget")["left"] == 97


def test_a_kernel_that_dies_in_the_middle_of_a_run_has_paid_and_another_one_gets_it_free(lab):
    inside, go = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        go.wait(100)

    lab.models.before = wait
    dying = Kernel(lab, "s1")
    frames.send(dying.channel, {"op": "run", "id": 1}, save({"tokens": TOKENS}))
    inside.wait(5)
    dying.channel.close()
    go.set()
    _ended(lab, "laboratory-s1")
    assert (lab.desk.status().runs, lab.desk.status().unread) == (1, 1)
    another = Kernel(lab, "s2")
    answer = another.run()
    assert (answer["run"], answer["price"], answer["repeated"]) == ("r1", 0, True)
    another.ask("budget")  # so the answer before has been sent
    assert (lab.desk.status().spent, lab.desk.status().unread) == (3, 0)


def test_a_run_that_returns_nothing_is_unread_until_another_one_patches_from_it(tmp_path):
    with _closing(attempt(tmp_path, returns="nothing")) as lab:
        kernel = Kernel(lab)
        kernel.run({"read": ["m0"]})
        kernel.run({})
        kernel.run({}, TOKENS[:2])
        kernel.run({"read": ["m1"], "patch": [{"kind": "interchange", "site": "m0", "run": "r2", "prompt": None}]})
        kernel.ask("budget")
        assert lab.desk.status().unread == 1
    assert lab.lines("end")[0]["unread"] == ["r3"]


def test_the_result_of_a_slow_run_is_kept_and_that_of_a_quick_one_computed_again(lab, monkeypatch):
    kernel = Kernel(lab)
    monkeypatch.setattr(results, "SLOW_S", 1e9)
    quick = [kernel.run({"read": ["m0"]}) for _ in range(2)]
    assert len(lab.models.calls) == 2
    monkeypatch.setattr(results, "SLOW_S", 0.0)
    slow = [kernel.run({"read": ["m1"]}) for _ in range(3)]
    assert len(lab.models.calls) == 3
    assert [answer["repeated"] for answer in slow] == [False, True, True]
    for answers in (quick, slow):
        for name in ("outputs", "run", *(["m1"] if answers is slow else ["m0"])):
            assert all(np.array_equal(answer[name], answers[0][name]) for answer in answers)
    assert [line["returned"] for line in lab.lines("repeated")][-2:] == [lab.lines("run")[-1]["returned"]] * 2


def test_a_run_under_way_is_given_up_when_the_attempt_is_over_and_is_no_failure(tmp_path):
    made, begun = attempt(tmp_path), threading.Event()

    def compute_for_long() -> None:
        begun.set()
        while not made.models.given_up():
            time.sleep(0.01)
        raise LaboratoryFailedError("Nothing waits for this run any more, so it was ended.")

    made.models.before = compute_for_long
    channel = made.desk.connect("s1")
    frames.send(channel, {"op": "run", "id": 1}, save({"tokens": TOKENS}))
    assert begun.wait(10)
    assert not made.models.given_up()
    made.desk.close()
    channel.close()
    status = made.desk.status()
    assert (status.runs, status.failed, status.spent, status.infrastructure_error) == (0, 0, 0, None)
    assert made.lines()[-1]["event"] == "end"


def test_closing_ends_connections_and_record_even_in_the_middle_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr("scribe_suite.laboratory.desk.CLOSE_S", 0.2)
    lab = attempt(tmp_path)
    go = threading.Event()
    lab.models.before = lambda: go.wait(5)
    busy, idle = Kernel(lab, "s1"), Kernel(lab, "s2")
    frames.send(busy.channel, {"op": "run", "id": 1}, save({"tokens": TOKENS}))
    begin = time.monotonic()
    lab.desk.close()
    lab.desk.close()
    assert time.monotonic() - begin < 30
    assert idle.channel.recv(1) == busy.channel.recv(1) == b""
    with pytest.raises(InfrastructureError, match="has been closed") as closed:
        lab.desk.connect("s3")
    assert closed.value.cause == "laboratory"
    assert lab.lines()[-1]["event"] == "end"
    go.set()
    time.sleep(0.2)
    status = lab.desk.status()
    assert (status.spent, status.infrastructure_error) == (0, None)
    assert lab.lines()[-1]["event"] == "end"


def test_a_connection_that_ends_leaves_nothing_behind(lab):
    for number in range(20):
        kernel = Kernel(lab, f"s{number}")
        kernel.ask("budget")
        kernel.channel.close()
    _ended(lab)
    assert lab.desk._connections == {}


def test_a_kernel_that_sends_descriptors_gives_nobody_anything(lab, tmp_path):
    kernel = Kernel(lab)
    with (tmp_path / "file").open("wb") as file:
        text = json.dumps({"op": "budget", "id": 1}).encode()
        socket.send_fds(kernel.channel, [frames.SIZES.pack(len(text), 0) + text], [file.fileno()])
    answer = frames.receive(kernel.channel, most=0)
    assert answer is not None
    assert answer.header["left"] == 100


def test_language_models_take_texts_and_count_tokens(tmp_path):
    with _closing(attempt(tmp_path, LANGUAGE)) as lab:
        kernel = Kernel(lab)
        told = kernel.ask("tokenize", {"texts": ["a bb ccc", "dd"]})
        assert told["tokens"].tolist() == [[1, 2, 3], [2, 0, 0]]
        assert told["lengths"].tolist() == [3, 1]
        answer = kernel.ask("run", {"texts": ["a bb ccc", "dd"]})
        assert (answer["price"], answer["left"]) == (4, 96)
        (line,) = lab.lines("run")
        assert (line["texts"], line["tokens"]) == (["a bb ccc", "dd"], [[1, 2, 3], [2]])
        tensors = {"tokens": told["tokens"], "lengths": told["lengths"]}
        assert kernel.ask("run", {}, tensors)["repeated"]
        assert kernel.ask("decode", {}, tensors)["texts"] == ["x xx xxx", "xx"]
        assert "not both" in kernel.ask("run", {"texts": ["a"]}, tensors)["error"]
        assert kernel.ask("tokenize", {"texts": [""]})["error"] == "A text has no words."
        assert lab.desk.status().spent == 4


def test_planted_models_have_no_texts(lab):
    kernel = Kernel(lab)
    for answer in (
        kernel.ask("tokenize", {"texts": ["a"]}),
        kernel.ask("run", {"texts": ["a"]}),
        kernel.run(op="decode"),
    ):
        assert answer["error"] == "This model has no texts: its prompts are token ids."


def test_the_first_answer_tells_everything(lab):
    told = Kernel(lab).ask("hello")
    assert told["budget"]["left"] == 100
    assert told["terms"]["returns"] == "logits"
    assert "secret" not in json.dumps(told)
