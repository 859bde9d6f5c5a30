"""A model process that computes nothing, a desk in front of it, and the client, for tests of the harness's side."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from scribe_suite.laboratory.client.assembly import client_file
from scribe_suite.laboratory.desk import Desk
from scribe_suite.laboratory.host import RunRefusedError
from scribe_suite.laboratory.recipes import Recipe, Wanted
from scribe_suite.laboratory.record import FILE_NAME, ExperimentRecord
from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.laboratory.sites import parse_site, value_shape
from scribe_suite.laboratory.terms import Terms

PLANTED = ModelShape(
    n_layers=2, n_heads=3, n_key_value_heads=3, d_model=8, d_head=4, d_mlp=16, d_vocab=20, d_vocab_out=5, n_ctx=12
)
LANGUAGE = ModelShape(
    n_layers=2, n_heads=4, n_key_value_heads=2, d_model=8, d_head=2, d_mlp=16, d_vocab=100, d_vocab_out=100, n_ctx=32,
    unit="token",
)  # fmt: skip


class FakeModels:
    """Gives numbers that depend on everything that was asked for, and on nothing else.

    Args:
        shape: Of its one model.

    Attributes:
        calls: What was asked for.
        before: Called before every run; may raise, or wait.
        given_up: Of the last run.
    """

    def __init__(self, shape: ModelShape = PLANTED) -> None:
        self.shape = shape
        self.calls: list[tuple[list[Recipe], Wanted]] = []
        self.before: Callable[[], object] = lambda: None
        self.given_up: Callable[[], bool] = lambda: False
        self._lock = threading.Lock()

    def run(
        self, model: str, recipes: Sequence[Recipe], wanted: Wanted, *, given_up: Callable[[], bool] = lambda: False
    ) -> bytes:
        self.given_up = given_up
        self.before()
        with self._lock:
            self.calls.append((list(recipes), wanted))
        last = recipes[-1]
        shape, (n_prompts, n_positions) = self.shape, last.tokens.shape
        each = shape.d_vocab_out if wanted.labels is None else len(wanted.labels)
        outputs: tuple[int, ...] = (n_prompts, each)
        if wanted.outputs != "last":
            outputs = (n_prompts, n_positions if wanted.outputs == "all" else len(wanted.outputs), each)
        if wanted.returns == "nothing":
            result = {"outputs": np.zeros((*outputs[:-1], 0), dtype=np.float32)}
        elif wanted.returns in ("labels", "samples"):
            result = {"outputs": self._drawn(wanted, outputs[:-1]).argsort().astype(np.int64) % shape.d_vocab_out}
        else:
            result = {"outputs": self._drawn(wanted, outputs)}
        for prefix, names in (("", wanted.read), ("grad/", wanted.grad.at if wanted.grad else ())):
            for name in names:
                size = value_shape(parse_site(name), shape, n_prompts, n_positions)
                result[prefix + name] = self._drawn(wanted, size)
        return save(result)

    def _drawn(self, wanted: Wanted, size: tuple[int, ...]) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(wanted.seed.encode()).digest()[:8], "big")
        return np.random.default_rng(seed).standard_normal(size).astype(np.float32)

    def tokenize(self, model: str, texts: Sequence[str], *, bos: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
        """A token for each word: its length; behind a 99 if that is asked for."""
        rows = [[99] * bool(bos) + [len(word) for word in text.split()] for text in texts]
        if not all(rows):
            raise RunRefusedError("A text has no words.")
        longest = max(map(len, rows))
        tokens = np.array([row + [0] * (longest - len(row)) for row in rows], dtype=np.int64)
        return tokens, np.array([len(row) for row in rows], dtype=np.int64)

    def decode(self, model: str, tokens: np.ndarray, lengths: np.ndarray | None = None) -> list[str]:
        count = [tokens.shape[1]] * len(tokens) if lengths is None else lengths.tolist()
        return [" ".join("x" * token for token in row[:n]) for row, n in zip(tokens.tolist(), count, strict=True)]


@dataclass
class Attempt:
    """A desk and its parts, as an attempt has them.

    Attributes:
        desk: The desk.
        models: Its model process.
        path: Of the record.
    """

    desk: Desk
    models: FakeModels
    path: Path

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Lines of the record."""
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in lines if event is None or line["event"] == event]


def attempt(
    folder: Path, shape: ModelShape = PLANTED, models: Any = None, model: str = "planted", **terms: Any
) -> Attempt:
    """A new attempt with a model of this shape.

    Args:
        folder: For the record.
        shape: Of the model.
        models: In place of a fake model process.
        model: Its name there.
        **terms: What `Terms` are to be other than a budget of 100.
    """
    path = folder / FILE_NAME
    models = models or FakeModels(shape)
    desk = Desk(models, model, shape, Terms(**{"budget": 100, **terms}), ExperimentRecord(path), b"secret")
    return Attempt(desk, models, path)


def client(desk: Desk, session: str = "s1") -> types.ModuleType:
    """The client's module as a kernel has it, connected to a desk."""
    name, source = client_file()
    module = types.ModuleType("lab")
    sys.modules[module.__name__] = module  # where dataclasses look their module up
    exec(compile(source, name, "exec"), module.__dict__)
    module.__dict__["_connection"] = module.Connection(desk.connect(session).detach())
    return module
