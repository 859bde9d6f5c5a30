"""The desk: the harness's side of the laboratory of one attempt, between its kernels and the model process.

It validates, prices, charges and records the requests of kernels, and passes them to the model process. It is a service
of a notebook (`scribe_suite.notebook.services`): each kernel has a connection, each connection a thread, and all of
them one budget, one record and one set of runs. Kernels may be restarted any number of times, and may send anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from jaxtyping import Int
from safetensors.numpy import load, save

from scribe_suite.errors import InfrastructureError
from scribe_suite.laboratory.budget import Budget, Payment
from scribe_suite.laboratory.experiments import Experiment, ExperimentReader
from scribe_suite.laboratory.frames import Frame
from scribe_suite.laboratory.hello import balance_told, hello
from scribe_suite.laboratory.host import LaboratoryFailedError, RunRefusedError
from scribe_suite.laboratory.prices import price_of
from scribe_suite.laboratory.recipes import Recipe, Wanted
from scribe_suite.laboratory.record import ExperimentRecord, described_tokens
from scribe_suite.laboratory.refusals import RefusedError
from scribe_suite.laboratory.requests import NoRequest, RunRequest, TokenizeRequest, understood
from scribe_suite.laboratory.results import SlowResults
from scribe_suite.laboratory.runs import KnownRun, Runs
from scribe_suite.laboratory.serving import Answer, serve
from scribe_suite.laboratory.shape import ModelShape, Unit
from scribe_suite.laboratory.terms import Terms

logger = logging.getLogger(__name__)

#: Seconds that closing waits for runs in progress; their results are lost anyway.
CLOSE_S = 5.0

Tensors = Mapping[str, np.ndarray]


class Models(Protocol):
    """The desk's interface to the model process, documented by `host.Laboratory`. Called from several threads.

    Its refusals must not depend on what a model computes, since refusals are free.
    """

    def run(self, model: str, recipes: Sequence[Recipe], wanted: Wanted, *, given_up: Callable[[], bool]) -> bytes:
        """The wanted results of the last recipe, as a safetensors file; fails when `given_up` returns true."""

    def tokenize(
        self, model: str, texts: Sequence[str], *, bos: bool | None = None
    ) -> tuple[Int[np.ndarray, "text position"], Int[np.ndarray, " text"]]:
        """Token ids of texts, padded on the right, and their numbers; `bos` as in `requests.TokenizeRequest`."""

    def decode(
        self, model: str, tokens: Int[np.ndarray, "text position"], lengths: Int[np.ndarray, " text"] | None = None
    ) -> list[str]:
        """Texts of token ids."""


@dataclass(frozen=True)
class DeskStatus:
    """A snapshot of what has happened so far.

    Attributes:
        total: The budget.
        spent: How much of it is used.
        unit: The unit of both.
        runs: Experiments that were run and charged.
        repeated: Runs that had been done before.
        refused: Requests that were refused.
        failed: Runs in which the laboratory failed.
        unread: Runs whose results were never used; see `runs.Runs.unread`.
        infrastructure_error: A permanent failure that is not the agent's fault, or None.
    """

    total: int
    spent: int
    unit: Unit
    runs: int
    repeated: int
    refused: int
    failed: int
    unread: int
    infrastructure_error: str | None


class Desk:
    """Serves the kernels of one attempt; a context manager.

    Args:
        models: The model process.
        model: Name of the model there.
        shape: The model's shape.
        terms: What the agent may do.
        record: The record of experiments; closed with the desk.
        secret: Secret bytes from which noise and samples are drawn.
    """

    def __init__(
        self, models: Models, model: str, shape: ModelShape, terms: Terms, record: ExperimentRecord, secret: bytes
    ) -> None:
        self._models, self._model, self._shape, self._terms, self._record = models, model, shape, terms, record
        self._budget = Budget(terms.budget, shape.unit)
        self._runs, self._slow = Runs(), SlowResults()
        self._reader = ExperimentReader(shape, terms, self._runs, secret)
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._closed = False
        self._failure: str | None = None
        self._operations: Mapping[str, Callable[[str, Mapping[str, Any], Tensors], Answer]] = {
            "hello": self._hello,
            "budget": self._balance,
            "price": self._price,
            "run": self._run,
            "tokenize": self._tokenize,
            "decode": self._decode,
        }

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def connect(self, session: str) -> socket.socket:
        """A connection for a kernel; the caller closes it. Never blocks.

        Args:
            session: The notebook's session, for the record.

        Raises:
            InfrastructureError: With cause ``laboratory`` when the desk has been closed.
            OSError: When there is no descriptor left.
        """
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        name = f"laboratory-{session}"
        thread = threading.Thread(target=self._serve, args=(mine, session), name=name, daemon=True)
        with self._lock:
            if self._closed:
                mine.close()
                theirs.close()
                raise InfrastructureError("laboratory", "The laboratory of this attempt has been closed.")
            self._connections[thread] = mine
        thread.start()
        return theirs

    def status(self) -> DeskStatus:
        """What has happened so far; also works after `close`."""
        counts, balance = self._record.counts(), self._budget.balance()
        return DeskStatus(
            total=balance.total,
            spent=balance.spent,
            unit=self._shape.unit,
            runs=counts.get("run", 0),
            repeated=counts.get("repeated", 0),
            refused=counts.get("refused", 0),
            failed=counts.get("failed", 0),
            unread=len(self._runs.unread()),
            infrastructure_error=self._failure,
        )

    def close(self) -> None:
        """End all connections and the record. May be called twice.

        Raises:
            InfrastructureError: With cause ``laboratory`` when the end of the record can't be written.
        """
        with self._lock:
            self._closed = True
            open_ones = dict(self._connections)
        for connection in open_ones.values():
            with contextlib.suppress(OSError):  # it has ended already
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + CLOSE_S
        for thread in open_ones:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._record.close(spent=self._budget.balance().spent, unread=self._runs.unread())

    def _serve(self, channel: socket.socket, session: str) -> None:
        try:
            with channel:
                serve(channel, lambda frame: self._answer(session, frame))
        except Exception:
            logger.exception("a connection of the laboratory ended")
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)

    def _answer(self, session: str, frame: Frame) -> Answer:
        """Execute a request, or say in one sentence why not."""
        fields = {key: value for key, value in frame.header.items() if key not in ("id", "op")}
        operation = frame.header.get("op")
        try:
            try:
                do = self._operations.get(operation) if isinstance(operation, str) else None
                if do is None:
                    raise RefusedError(f"The laboratory can {', '.join(self._operations)}, and nothing else.")
                return do(session, fields, _parsed(frame.tensors))
            except (RefusedError, RunRefusedError) as error:
                known = operation if isinstance(operation, str) and operation in self._operations else None
                self._record.add("refused", session=session, operation=known, reason=str(error))
                return Answer({"error": str(error)})
            except LaboratoryFailedError as error:
                if not self._closed:  # else the run was ended because the attempt is over
                    self._record.add("failed", session=session, reason=str(error))
                return Answer({"error": f"{error} Nothing was charged, and earlier runs can be used as before."})
        except Exception as error:  # the agent must not see a traceback of the harness, nor lose its connection
            if not self._closed:
                logger.exception("the laboratory failed")
                self._failure = self._failure or (
                    str(error) if isinstance(error, InfrastructureError) else f"The desk failed: {error!r}."
                )
            return Answer({"error": "The laboratory has failed, which is not your doing; nothing was charged."})

    def _hello(self, _session: str, fields: Mapping[str, Any], _tensors: Tensors) -> Answer:
        understood(NoRequest, fields)
        return Answer(hello(self._shape, self._terms, self._budget.balance()))

    def _balance(self, _session: str, fields: Mapping[str, Any], _tensors: Tensors) -> Answer:
        understood(NoRequest, fields)
        return Answer(balance_told(self._budget.balance(), self._shape))

    def _price(self, _session: str, fields: Mapping[str, Any], tensors: Tensors) -> Answer:
        experiment, _recipes, _request = self._experiment(fields, tensors)
        repeated = self._budget.is_paid(experiment.key)
        price = 0 if repeated else price_of(experiment.work)
        return Answer({"price": price, "repeated": repeated, "left": self._budget.balance().left})

    def _run(self, session: str, fields: Mapping[str, Any], tensors: Tensors) -> Answer:
        begin = time.monotonic()
        experiment, recipes, request = self._experiment(fields, tensors)
        with self._budget.paying(experiment.key, price_of(experiment.work)) as payment:
            data = self._slow.get(experiment.key)
            if data is None:
                data = self._models.run(self._model, recipes, experiment.wanted, given_up=lambda: self._closed)
                self._slow.keep(experiment.key, data, time.monotonic() - begin)
            run = self._runs.add(experiment.key, experiment.recipe, experiment.needs)
            self._note(session, experiment, request, payment, run, data, time.monotonic() - begin)
        header = {
            "run": run.recipe.name,
            "returns": self._terms.returns,
            "price": payment.price,
            "left": self._budget.balance().left,
            "repeated": payment.repeated,
        }
        # a run that returned nothing does not count as read
        returned = self._terms.returns != "nothing" or experiment.wanted.read or experiment.wanted.grad is not None
        return Answer(header, data, partial(self._runs.take, run.recipe.name) if returned else lambda: None)

    def _experiment(self, fields: Mapping[str, Any], tensors: Tensors) -> tuple[Experiment, list[Recipe], RunRequest]:
        """The experiment that a request asks for, and what has to be computed for it."""
        request = understood(RunRequest, fields)
        if request.texts is not None:
            if "tokens" in tensors or "lengths" in tensors:
                raise RefusedError("A run has texts or tokens, not both.")
            tensors = {**tensors, **self._tokenized(request.texts)}
        prompts = self._reader.prompts(tensors)
        experiment = self._reader.experiment(request, prompts, tensors)
        recipes = self._runs.recipes(experiment.needs, experiment.recipe)
        if self._runs.with_key(experiment.key) is None:
            self._runs.require_room(experiment.recipe)
        return experiment, recipes, request

    def _note(
        self,
        session: str,
        experiment: Experiment,
        request: RunRequest,
        payment: Payment,
        run: KnownRun,
        data: bytes,
        seconds: float,
    ) -> None:
        returned, took = hashlib.sha256(data).hexdigest(), round(seconds, 4)
        if payment.repeated:
            self._record.add("repeated", run=run.recipe.name, session=session, returned=returned, seconds=took)
            return
        wanted, recipe = experiment.wanted, experiment.recipe
        lengths = None if recipe.lengths is None else recipe.lengths.tolist()
        grad = wanted.grad
        self._record.add(
            "run",
            run=run.recipe.name,
            session=session,
            price=payment.price,
            spent=self._budget.balance().spent,
            prompts=len(recipe.tokens),
            **described_tokens(recipe.tokens, lengths),
            texts=request.texts,
            read=list(wanted.read),
            patch=list(recipe.patches),
            grad=None if grad is None else {"labels": grad.labels, "minus": grad.minus, "at": grad.at},
            outputs=wanted.outputs,
            labels=wanted.labels,
            returned=returned,
            seconds=took,
        )

    def _tokenize(self, _session: str, fields: Mapping[str, Any], _tensors: Tensors) -> Answer:
        request = understood(TokenizeRequest, fields)
        return Answer({}, save(self._tokenized(request.texts, request.bos)))

    def _decode(self, _session: str, fields: Mapping[str, Any], tensors: Tensors) -> Answer:
        understood(NoRequest, fields)
        self._require_texts()
        prompts = self._reader.prompts(tensors)
        return Answer({"texts": self._models.decode(self._model, prompts.tokens, prompts.lengths)})

    def _require_texts(self) -> None:
        if self._shape.unit != "token":
            raise RefusedError("This model has no texts: its prompts are token ids.")

    def _tokenized(self, texts: Sequence[str], bos: bool | None = None) -> dict[str, Int[np.ndarray, "..."]]:
        """Texts as the tensors of prompts."""
        self._require_texts()
        tokens, lengths = self._models.tokenize(self._model, texts, bos=bos)
        return {"tokens": tokens, "lengths": lengths}


def _parsed(data: bytes) -> dict[str, np.ndarray]:
    """The untrusted tensors of a request."""
    if not data:
        return {}
    try:
        return dict(load(data))
    except Exception as error:  # its type depends on what was sent
        raise RefusedError(f"The tensors of the request can't be read ({type(error).__name__}).") from None
