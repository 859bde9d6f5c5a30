"""The module that an agent imports as ``lab``, against a desk with a fake model process."""

from __future__ import annotations

import os
import pydoc
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from ..fakes import LANGUAGE, Attempt, attempt, client

TOKENS = [[1, 2, 3, 4], [5, 6, 7, 8]]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Attempt]:
    made = attempt(tmp_path)
    with made.desk:
        yield made


@pytest.fixture
def lab(made: Attempt) -> ModuleType:
    return client(made.desk)


def refusal(lab: ModuleType, *arguments: Any, **named: Any) -> str:
    with pytest.raises(lab.LabError) as error:
        lab.run(*arguments, **named)
    return str(error.value)


def test_a_run_has_outputs_sites_gradients_and_says_what_it_is(lab):
    run = lab.run(TOKENS, read=["a1.h0", "resid_post.1@-1"], grad_of=lab.logit([0, 1], minus=2), grad_at=["m1"])
    assert run.logits.shape == (2, 5)
    assert run["a1.h0"].shape == (2, 4, 8)
    assert run.read["resid_post.1@-1"].shape == (2, 8)
    assert run.grad["m1"].shape == (2, 4, 8)
    assert "m1" not in run.read
    assert list(run.read) == ["a1.h0", "resid_post.1@-1"]
    assert (run.id, run.price, run.left, run.repeated) == ("r1", 6, 94, False)
    assert repr(run) == (
        "<Run r1: logits [2, 5]; read a1.h0 [2, 4, 8], resid_post.1@-1 [2, 8]; gradients m1 [2, 4, 8]; cost 6; 94 left>"
    )
    again = lab.run(TOKENS, read=["a1.h0", "resid_post.1@-1"], grad_of=lab.logit([0, 1], minus=2), grad_at=["m1"])
    assert torch.equal(again["a1.h0"], run["a1.h0"])
    assert repr(again).endswith("free, as it had been run before; 94 left>")


def test_what_a_run_has_not_is_said_with_how_to_get_it(lab):
    run = lab.run(TOKENS, "m0")
    with pytest.raises(lab.LabError, match=r"nothing for 'm1'; it has m0: name sites in read=\."):
        run["m1"]
    with pytest.raises(lab.LabError, match=r"nothing for 'm1'; it has none: name sites in grad_at=\."):
        run.grad["m1"]
    with pytest.raises(lab.LabError, match=r"does not return labels: use run\.logits\."):
        _ = run.labels


@pytest.mark.parametrize("returns", ["logits", "log_probs", "labels", "samples"])
def test_outputs_have_the_name_of_what_is_returned(tmp_path, returns):
    made = attempt(tmp_path, returns=returns)
    with made.desk:
        run = client(made.desk).run(TOKENS)
        assert getattr(run, returns) is run.outputs


def test_outputs_that_are_withheld_are_not_there_under_any_name(tmp_path):
    made = attempt(tmp_path, returns="nothing")
    with made.desk:
        lab = client(made.desk)
        run = lab.run(TOKENS, "m0")
        assert run.outputs.numel() == 0
        assert "no outputs" in repr(run)
        with pytest.raises(lab.LabError, match="it gives what is read, and no outputs"):
            _ = run.logits
        assert run["m0"].numel() > 0


@pytest.mark.parametrize(
    "tokens",
    [
        TOKENS,
        tuple(map(tuple, TOKENS)),
        np.array(TOKENS, dtype=np.int32),
        torch.tensor(TOKENS, dtype=torch.uint8),
        torch.tensor(TOKENS).T.contiguous().T,
        [torch.tensor(row) for row in TOKENS],
        [np.array(row) for row in TOKENS],
        torch.tensor(TOKENS * 2)[::2][[0, 0]] * 0 + torch.tensor(TOKENS),
    ],
)
def test_prompts_may_be_anything_that_holds_whole_numbers(lab, made, tokens):
    lab.run(tokens)
    assert made.models.calls[0][0][0].tokens.tolist() == TOKENS


def test_one_prompt_needs_no_second_axis(lab, made):
    assert lab.run(TOKENS[0]).outputs.shape == (1, 5)
    assert lab.run(torch.tensor(TOKENS[0])).repeated


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ([[1.5, 2.0]], "Token ids are whole numbers, not float32."),
        (torch.ones(2, 3), "Token ids are whole numbers, not float32."),
        ([[True]], "Token ids are whole numbers, not bool."),
        ([["a"], ["b"]], "Token ids are whole numbers, not texts; lab.tokenize gives the ids of a text."),
        ([None], "Token ids are whole numbers in lists of one length"),
        (None, "Token ids are whole numbers in lists of one length"),
        (["a", 1], "Prompts are either all texts or all token ids."),
        ({"a": 1}, "Token ids are whole numbers in lists of one length"),
        ([[1, 2], [3]], "The prompts of this model all have one length"),
        ([[1, 2], []], "Prompt 1 has no tokens; a prompt has at least one."),
        ([], "Prompts are a table of token ids"),
        ("text", "This model has no texts"),
        (["text", [1]], "Prompts are either all texts or all token ids."),
        ([[2**70]], "Token ids are whole numbers in lists"),
        ([[99]], "from 0 to 19"),
        (torch.zeros(1, 4, 1 << 22, dtype=torch.int64), "The request can't be sent: The tensors of the frame have"),
    ],
)
def test_prompts_that_are_none_are_said_in_one_sentence(lab, made, tokens, said):
    assert said in refusal(lab, tokens)
    assert made.desk.status().spent == 0
    assert lab.run(TOKENS).id == "r1"


def test_every_patch_arrives(lab, made):
    base = lab.run(TOKENS)
    vector, basis = np.ones(8), torch.eye(8)[:, :2].double()
    patches = [
        lab.interchange("a0.h1", base),
        lab.interchange("m0@1", "r1", prompt=1),
        lab.interchange("m0@2", base, prompt=[1, 0]),
        lab.zero("a0.h0"),
        lab.mean("m0", base),
        lab.add("m1", vector),
        lab.set_to("resid_post.1", [[0.0] * 8] * 2),
        lab.subspace("m1", basis, base),
        lab.path("m0", "logits", base, prompt=torch.tensor(0)),
    ]
    lab.run(TOKENS, patch=patches)
    recipe = made.models.calls[-1][0][-1]
    assert [(patch["kind"], patch["site"]) for patch in recipe.patches] == [
        ("interchange", "a0.h1"), ("zero", "a0.h0"), ("interchange", "m0@1"), ("interchange", "m0@2"), ("mean", "m0"),
        ("path", "m0"), ("add", "m1"), ("subspace", "m1"), ("set", "resid_post.1"),
    ]  # fmt: skip
    assert [patch.get("prompt") for patch in recipe.patches][:4] == [None, None, 1, [1, 0]]
    assert sorted(value.shape for value in recipe.vectors.values()) == [(2, 8), (8,), (8, 2)]
    assert all(value.dtype == np.float32 for value in recipe.vectors.values())
    assert repr(patches[1]) == "interchange('m0@1', run='r1', prompt=1)"
    assert repr(patches[3]) == "zero('a0.h0')"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"patch": "m0"}, "A patch is made by lab.interchange, lab.zero and so on, not a str."),
        ({"patch": [{"kind": "zero"}]}, "A patch is made by lab.interchange, lab.zero and so on, not a dict."),
        ({"read": [1]}, "Sites are strings such as 'resid_post.0'."),
        ({"read": "m7"}, "m7: there is no block 7; blocks are 0 to 1."),
        ({"grad_at": ["m0"]}, "Gradients need both grad_of=lab.logit(...) and grad_at=[sites]."),
        ({"grad_of": 3, "grad_at": ["m0"]}, "grad_of is made by lab.logit, not a int."),
        ({"outputs": [1.5]}, "Positions of outputs are whole numbers, not float32."),
        ({"outputs": "first"}, "The request can't be understood: outputs"),
        ({"labels": [[1]]}, "Labels are one number, or a list with one for each prompt."),
        ({"labels": [7]}, "Labels are numbers from 0 to 4."),
    ],
)  # fmt: skip
def test_arguments_that_are_wrong_are_said_in_one_sentence(lab, made, named, said):
    assert said in refusal(lab, TOKENS, **named)
    assert made.desk.status().spent == 0


def test_parts_of_a_run_that_are_wrong_are_said_where_they_are_made(lab):
    for make, said in [
        (lambda: lab.interchange("m0", 3), "A patch takes values of a run or of its id such as 'r1', not of a int."),
        (lambda: lab.interchange("m0", "r1", prompt="x"), "Prompts of a run are whole numbers"),
        (lambda: lab.add("m0", "x"), "The vector for m0 is an array of numbers."),
        (lambda: lab.subspace("m0", torch.eye(8) * 1j, "r1"), "The basis for m0 is an array of real numbers."),
        (lambda: lab.logit("x"), "Labels are whole numbers"),
        (lambda: lab.logit([1, 2], minus=[0.5, 1]), "Labels are whole numbers, not float32."),
    ]:
        with pytest.raises(lab.LabError) as error:
            make()
        assert said in str(error.value)


def test_the_price_and_the_budget_are_told(lab):
    price = lab.price(TOKENS, patch=lab.zero("m0"))
    assert (int(price), price.left, price.repeated) == (4, 100, False)
    assert lab.run(TOKENS, patch=lab.zero("m0")).price == 4
    assert lab.price(TOKENS, patch=[lab.zero("m0")]).repeated
    budget = lab.budget
    assert (budget.spent, budget.left, budget.total, budget.unit) == (4, 96, 100, "prompt")
    assert repr(budget) == "96 of 100 prompts left"


def test_what_the_laboratory_is_is_told(lab):
    assert lab.shape["n_layers"] == 2
    assert lab.terms["returns"] == "logits"
    assert lab.prices[0] == {"what": "a run", "per unit": 1}
    assert "a1.h2" in lab.sites()
    assert {"run", "budget", "shape"} <= set(dir(lab))
    assert "send" not in dir(lab)
    with pytest.raises(AttributeError, match="has no 'weights'"):
        _ = lab.weights


def test_help_teaches_with_what_an_agent_needs_and_nothing_else(lab):
    text = pydoc.plaintext.document(lab)
    for name in ("run(", "price(", "interchange(", "path(", "class Run", "class LabError", "lab.budget"):
        assert name in text
    assert "FrameError" not in text
    assert "Connection" not in text
    assert len(text.splitlines()) < 330, "a page that nobody reads teaches nothing"


def test_language_models_take_texts(tmp_path):
    made = attempt(tmp_path, LANGUAGE)
    with made.desk:
        lab = client(made.desk)
        assert lab.tokenize(["a bb ccc", "dd"]) == [[1, 2, 3], [2]]
        assert lab.tokenize("a bb") == lab.tokenize("a bb", bos=False) == [1, 2]
        assert lab.tokenize("a bb", bos=True) == [99, 1, 2]
        assert lab.decode([[1, 2], [3]]) == ["x xx", "xxx"]
        assert lab.decode([1, 2]) == "x xx"
        assert lab.run("a bb").price == 2
        assert lab.run([[1, 2]]).repeated
        assert lab.run(["a bb", "ccc"]).price == 3
        assert lab.run([[1, 2], [3]]).repeated
        assert repr(lab.budget) == "95 of 100 tokens left"
        for call, said in {
            "lab.run([])": "Prompts are texts, or a table of token ids with one row for each prompt; at least one.",
            "lab.run([[1, 2], []])": "Prompt 1 has no tokens; a prompt has at least one.",
            "lab.run(['a'] * 5000)": "The request can't be understood: texts: at most 4,096 are allowed, not 5,000.",
            "lab.run('a ' * 600_000)": "The request can't be sent: The header of the frame has 1,200,085 bytes; "
            "at most 1,048,576 are allowed. Ask for less at a time.",
            "lab.run(['a b', 'c'], read='m0@1')": "m0@1: the shortest prompt has 1 position.",
            "lab.run('a', labels='a')": "Labels are whole numbers, not texts; lab.tokenize gives the ids of a text.",
            "lab.run('a', labels=['a'])": "Labels are whole numbers, not texts; lab.tokenize gives the ids of a text.",
        }.items():
            with pytest.raises(lab.LabError) as refused:
                eval(call)
            assert str(refused.value) == said, call
        assert lab.budget.spent == 5


def test_threads_do_not_mix_their_answers(lab):
    wrong: list[Any] = []

    def work(number: int) -> None:
        for _ in range(20):
            run = lab.run([[number] * (number + 1)], read="embed")
            if run["embed"].shape != (1, number + 1, 8):
                wrong.append(run)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_call_that_is_interrupted_goes_on_and_the_next_one_gets_its_own_answer(lab, made, monkeypatch):
    go = threading.Event()
    made.models.before = lambda: go.wait(5)

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            super().wait(0.1)
            raise KeyboardInterrupt

    with monkeypatch.context() as interrupting:
        exchange = lab._Exchange
        interrupting.setattr(lab, "_Exchange", lambda *given: _with(exchange(*given), done=Interrupted()))
        with pytest.raises(KeyboardInterrupt) as interrupt:
            lab.run(TOKENS)
    assert interrupt.value.__notes__ == [
        "The laboratory goes on with what it was asked for; ask again, and it costs nothing more."
    ]
    threading.Timer(0.2, go.set).start()
    assert lab.budget.spent == 2
    again = lab.run(TOKENS)
    assert (again.id, again.repeated) == ("r1", True)


def _with(thing: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(thing, name, value)
    return thing


def test_a_call_that_is_given_up_before_its_turn_is_not_made(lab, made, monkeypatch):
    with monkeypatch.context() as interrupting:
        exchange = lab._Exchange
        interrupting.setattr(lab, "_Exchange", lambda *given: _with(exchange(*given), given_up=True))
        with pytest.raises(AssertionError):
            lab.run(TOKENS)
    assert made.desk.status().runs == 0
    assert lab.run(TOKENS).id == "r1"


def test_a_fork_gets_a_sentence_and_the_kernel_goes_on(lab):
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            said = refusal(lab, TOKENS)
        except BaseException as error:
            said = repr(error)
        os.write(write, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert b"This process is a fork of the kernel" in os.read(read, 1000)
    assert lab.run(TOKENS).id == "r1"


def test_a_connection_that_has_ended_says_how_to_go_on(lab, made):
    lab.run(TOKENS)
    made.desk.close()
    for _ in range(2):
        message = refusal(lab, TOKENS)
        assert message.startswith("The connection to the laboratory has ended. This session can't reach the laboratory")


def test_what_the_desk_says_at_last_is_told(lab, made):
    os.write(lab._connection._descriptor, b"garbage" * 4)
    for _ in range(2):
        message = refusal(lab, TOKENS)
        assert "The connection to the laboratory has been closed. This session can't reach" in message
    assert client(made.desk, "s2").run(TOKENS).id == "r1"


def test_an_answer_that_can_not_be_taken_ends_the_connection_with_a_sentence(lab, monkeypatch):
    with monkeypatch.context() as small:
        small.setattr(lab, "receive", lambda *_given, **_named: (_ for _ in ()).throw(MemoryError()))
        assert "could not be taken (MemoryError)" in refusal(lab, TOKENS)
    assert "could not be taken (MemoryError)" in refusal(lab, TOKENS)


def test_without_a_laboratory_there_is_a_sentence(lab, tmp_path):
    with (tmp_path / "x").open("wb") as file:
        for descriptor in (file.fileno(), 9999):
            with pytest.raises(lab.LabError, match="There is no laboratory here"):
                lab.Connection(descriptor).ask({"op": "budget"}, {})
        file.write(b"still open")
