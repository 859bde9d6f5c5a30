"""One attempt outside of pytest: an instance with its notebook open, what was submitted, and the score.

The parts are those of the suite's own attempts (`scribe_suite.plugin.worker`); only what drives them differs.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scribe_suite.errors import ConfigurationError, InfrastructureError
from scribe_suite.inspect_tasks.options import TaskOptions
from scribe_suite.laboratory.client.place import DESCRIPTOR
from scribe_suite.ledger.attempt_folder import AttemptFolder
from scribe_suite.ledger.outcomes import Outcome
from scribe_suite.measurements.selection import select_model
from scribe_suite.models.device import choose_device
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.paths import suite_root
from scribe_suite.plugin.worker.hiding import hidden_from_kernels
from scribe_suite.plugin.worker.kernels import hidden_models, preload_for, shared_for, uses_gpu
from scribe_suite.plugin.worker.laboratories import Laboratories, spend_of
from scribe_suite.plugin.worker.submissions import SubmissionBox, keep_in
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.tiers import Isolation
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance

if TYPE_CHECKING:
    from scribe_suite.laboratory.desk import Desk
    from scribe_suite.notebook.server import NotebookServer

#: The word for the agent in the names of attempts' folders.
PROVIDER = "inspect"
T = TypeVar("T")

#: Everything of the notebooks runs in one thread that never ends: a sandbox ends with the thread that has started it.
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scribe-notebooks")
_real_model = threading.Lock()


def in_thread(work: Callable[[], T]) -> T:
    """Run something in the notebooks' thread, and wait for it; to be called from a thread that may wait."""
    return _THREAD.submit(work).result()


@dataclass(frozen=True)
class Verdict:
    """How an attempt ended.

    Attributes:
        outcome: A key of the outcome table.
        reason: One sentence, or empty.
        metrics: The score's metrics; empty without a score.
        skill: The skill, or None without a score.
        facts: What else a reader needs: chance, reference, interval, flags.
    """

    outcome: Outcome
    reason: str
    metrics: Mapping[str, float]
    skill: float | None
    facts: Mapping[str, Any]


class OpenAttempt:
    """An attempt whose notebook is open; made by `open_attempt`.

    Attributes:
        prompt: The prompt.
        folder: Where its files are.
    """

    def __init__(
        self, prompt: str, folder: AttemptFolder, notebook: NotebookServer, box: SubmissionBox, desk: Desk | None
    ) -> None:
        self.prompt, self.folder = prompt, folder
        self._notebook, self._box, self._desk = notebook, box, desk

    @property
    def endpoint(self) -> NotebookEndpoint:
        """The notebook's address."""
        return self._notebook.endpoint

    def begin(self, wall_s: float) -> None:
        """Start the agent's time."""
        self._box.begin(wall_s)

    def close(self) -> None:
        """Close the notebook and the laboratory, so that nothing of the agent's runs any more.

        Raises:
            InfrastructureError: When one of them failed and there is no answer.
        """
        with contextlib.suppress(InfrastructureError):  # its status has it
            self._notebook.close()
        status = self._notebook.status()
        failure = None
        if status.infrastructure_error is not None:
            failure = (status.infrastructure_cause or "notebook_internal", status.infrastructure_error)
        if self._desk is not None:
            with contextlib.suppress(InfrastructureError):
                self._desk.close()
            if failure is None and (broken := self._desk.status().infrastructure_error) is not None:
                failure = ("laboratory", broken)
        if failure is not None and self._box.answer is None:
            raise InfrastructureError(*failure)

    @property
    def answer(self) -> str | None:
        """The last valid answer as it was submitted, or None."""
        return self._box.kept[-1].raw if self._box.answer is not None else None

    @property
    def tools_seen(self) -> bool:
        """Whether an agent has seen the notebook's tools."""
        status = self._notebook.status()
        return status.tools_listed + status.tool_calls > 0

    @property
    def rejection(self) -> str | None:
        """Why the last submission was refused, or None."""
        return self._box.rejection or self._notebook.status().submission_error


@contextmanager
def open_attempt(task_id: str, seed: int, options: TaskOptions) -> Iterator[OpenAttempt]:
    """Draw an instance and open its notebook.

    Args:
        task_id: The task, in its arm.
        seed: The seed of the instance.
        options: Limits, isolation and folders.

    Raises:
        InfrastructureError: When something could not be started.
        ConfigurationError: When the task can't be done on this machine.
    """
    from scribe_suite.notebook.server import NotebookServer

    instance = draw(task_id, seed)
    folder = AttemptFolder.create(
        options.results_dir.absolute(), instance.task.label, PROVIDER, datetime.now().astimezone()
    )
    hidden = hidden_from_kernels((options.results_dir, _log_folder()))
    handed = instance.handed
    with ExitStack() as stack:
        stack.callback(folder.close)
        desk = stack.enter_context(_laboratories(options.isolation, hidden).desk(instance, folder.outputs))
        box = SubmissionBox(
            instance.answer_schema,
            lambda answer: folder.write_answer(answer.model_dump(mode="json"), answer.array_files()),
            keep_in(folder),
            spend=lambda: None if desk is None else spend_of(desk),
        )
        server = NotebookServer(
            NotebookConfig(
                folder=folder.path,
                files=handed.files,
                setup_code=handed.setup_code,
                isolation=options.isolation,
                answer_arrays=instance.answer_schema.array_limits,
                hidden=(*hidden, *hidden_models(instance)),
                cell_timeout_s=options.cell_s,
                preload=preload_for(handed.setup_code),
                shared=shared_for(handed.kernel_model),
                services={} if desk is None else {DESCRIPTOR: desk},
                gpu=uses_gpu(handed.kernel_model),
            ),
            on_submit=box.submit,
        )
        prompt = render_prompt(
            suite_root(),
            instance,
            {"agent_timeout_s": options.wall_s, "cell_timeout_s": options.cell_s, "max_turns": options.turns},
            instance.task.pass_mark,
        )
        folder.write_prompt(prompt)
        stack.callback(_quietly, server.close)
        server.start()
        yield OpenAttempt(prompt, folder, server, box, desk)


def draw(task_id: str, seed: int) -> TaskInstance:
    """The instance of a seed.

    Raises:
        ConfigurationError: When the task can't be done on this machine.
    """
    task = default_registry()[task_id]
    if task.source != "planted":
        with _real_model:
            select_model(None)
            choose_device("auto")
    if (unavailable := task.unavailable()) is not None:
        raise ConfigurationError(unavailable)
    instance = task.instance(seed)
    instance.answer_schema.check()
    return instance


def judge(task_id: str, seed: int, answer: str | None, unanswered: tuple[Outcome, str]) -> Verdict:
    """Score an answer.

    Args:
        task_id: See `open_attempt`.
        seed: See `open_attempt`.
        answer: The answer as it was submitted, or None.
        unanswered: Outcome and reason without one.

    Raises:
        InfrastructureError: When scoring failed; the agent is not at fault.
    """
    if answer is None:
        return Verdict(*unanswered, metrics={}, skill=None, facts={})
    instance = draw(task_id, seed)
    task = instance.task
    try:
        score = task.score(instance, instance.answer_schema.parse(answer))
    except InfrastructureError:
        raise
    except Exception as error:
        raise InfrastructureError(
            "scoring_exception", f"The scorer of {task.id} raised {type(error).__name__}: {error}"
        ) from error
    facts = {
        "primary": score.primary,
        "chance": score.chance,
        "reference": score.reference,
        "interval": score.interval,
        "flags": list(score.flags),
    }
    outcome = Outcome.SOLVED if score.skill >= task.pass_mark else Outcome.UNSOLVED
    metrics = {name: float(score.metrics[name]) for name in task.metrics}
    return Verdict(outcome, " ".join(score.notes), metrics, score.skill, facts)


@cache
def _laboratories(isolation: Isolation, hidden: tuple[Path, ...]) -> Laboratories:
    made = Laboratories(probe_isolation(isolation), hidden)
    atexit.register(made.close)
    return made


def _log_folder() -> Path:
    """Inspect's logs, which hold seeds and scores."""
    return Path(os.environ.get("INSPECT_LOG_DIR", "logs"))


def _quietly(close: Callable[[], None]) -> None:
    with contextlib.suppress(InfrastructureError):
        close()
