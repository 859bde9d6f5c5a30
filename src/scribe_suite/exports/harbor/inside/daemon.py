"""``python -m scribe_suite.exports.harbor.inside.daemon INSTANCE STATE``: the notebook of an attempt, until its end.

There is one for each attempt, however often an agent starts its MCP server: sessions survive, and a laboratory has one
budget. It is never started a second time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scribe_suite.errors import AnswerError, InfrastructureError, SuiteError
from scribe_suite.exports.harbor.inside.frozen import FILES, MODEL, FrozenInstance, files_of, read_frozen
from scribe_suite.exports.harbor.inside.state import ANSWER, ENDPOINT, STATUS, Status, write_whole
from scribe_suite.laboratory.client.place import DESCRIPTOR
from scribe_suite.laboratory.desk import Desk
from scribe_suite.notebook.config import NotebookConfig, SubmitVerdict
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox.probing import probe_isolation

#: Seconds between two writings of the status.
EVERY_S = 0.5


class Answers:
    """Receives answers, and writes the last valid one.

    Args:
        instance: The instance.
        state: Where to write.
    """

    def __init__(self, instance: FrozenInstance, state: Path) -> None:
        self._schema = instance.schema_of_answers
        self._state = state
        self.count = self.accepted = 0
        self.rejection: str | None = None

    def submit(self, raw: str) -> SubmitVerdict:
        """Take an answer and say whether it is valid; its score is not revealed."""
        self.count += 1
        try:
            self._schema.parse(raw)
        except AnswerError as error:
            self.rejection = str(error)
            return SubmitVerdict(accepted=False, message=self.rejection)
        write_whole(self._state, ANSWER, raw)
        self.accepted += 1
        return SubmitVerdict(
            accepted=True, message="The answer is valid and was recorded. Submit again to replace it, or stop here."
        )


def main() -> int:
    """Serve until told to end, or until the attempt must be over."""
    folder, state = Path(sys.argv[1]), Path(sys.argv[2])
    instance = read_frozen(folder)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    status = Status(instance=instance.id, pid=os.getpid())
    try:
        with _served(instance, folder, state) as (server, desk, answers):
            end = time.monotonic() + instance.life_s
            write_whole(state, ENDPOINT, str(server.endpoint.socket_path))
            while not ended.wait(EVERY_S) and time.monotonic() < end:
                status = _now(status, server, desk, answers)
                write_whole(state, STATUS, status.model_dump_json())
            status = _now(status, server, desk, answers)
    except (SuiteError, OSError) as error:
        status = status.model_copy(update={"failure": str(error)})
        print(error, file=sys.stderr)  # noqa: T201 -- for the log of the container
    write_whole(state, STATUS, status.model_dump_json())
    return 0 if status.failure is None else 1


@contextmanager
def _served(
    instance: FrozenInstance, folder: Path, state: Path
) -> Iterator[tuple[NotebookServer, Desk | None, Answers]]:
    answers = Answers(instance, state)
    with ExitStack() as stack:
        desk = stack.enter_context(_desk(instance, folder, state)) if instance.laboratory else None
        config = NotebookConfig(
            folder=state,
            files=files_of(folder / FILES),
            setup_code=instance.setup,
            answer_arrays=instance.schema_of_answers.array_limits,
            hidden=(folder.resolve(),),
            cell_timeout_s=instance.cell_timeout_s,
            preload=tuple(instance.preload),
            services={} if desk is None else {DESCRIPTOR: desk},
        )
        yield stack.enter_context(NotebookServer(config, on_submit=answers.submit)), desk, answers


@contextmanager
def _desk(instance: FrozenInstance, folder: Path, state: Path) -> Iterator[Desk]:
    """The laboratory.

    Raises:
        InfrastructureError: When kernels could read the model, or it can't be loaded.
    """
    from scribe_suite.laboratory.host import Laboratory
    from scribe_suite.laboratory.record import FILE_NAME, ExperimentRecord

    assert instance.laboratory is not None
    tier = probe_isolation("auto")
    if not tier.confined:
        raise InfrastructureError(
            "isolation_unavailable",
            "Kernels can't be isolated in this container, so they could read the model of the laboratory: allow user "
            f"namespaces or Landlock ({'; '.join(tier.reasons)}).",
        )
    model = files_of(folder / MODEL)
    with Laboratory(tier, hidden=(folder.resolve(), state.resolve()), preload=tuple(instance.preload)) as laboratory:
        shape = laboratory.load("model", json.loads(model["config.json"]), model["model.safetensors"])
        terms = instance.laboratory.terms
        record = ExperimentRecord(
            state / FILE_NAME, task=instance.task, terms=terms.told(), shape=shape.model_dump(mode="json")
        )
        with Desk(laboratory, "model", shape, terms, record, bytes.fromhex(instance.laboratory.secret)) as desk:
            yield desk


def _now(status: Status, server: NotebookServer, desk: Desk | None, answers: Answers) -> Status:
    seen = server.status()
    failure = seen.infrastructure_error
    charged: dict[str, int] = {}
    if desk is not None:
        use = desk.status()
        failure = failure or use.infrastructure_error
        charged = {"spent": use.spent, "budget": use.total}
    return status.model_copy(
        update={
            "isolation": seen.isolation,
            "tool_calls": seen.tool_calls,
            "submissions": answers.count,
            "accepted": answers.accepted,
            "rejection": answers.rejection or seen.submission_error,
            "failure": failure,
            **charged,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
