"""Recorded attempts for the replay provider: finds them in a ledger, reads their journals, compares answers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Literal

from scribe_suite.errors import ConfigurationError, InfrastructureError
from scribe_suite.ledger.ledger import Ledger, read_ledger
from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.ledger.run_names import find_run
from scribe_suite.notebook.journal import JOURNAL_SUFFIX, Event, read_journal
from scribe_suite.providers.registry import ProviderSpec
from scribe_suite.providers.replays import REPLAY, Replay, Step
from scribe_suite.report.attempt_folders import attempt_folder, part_of
from scribe_suite.tasks.arrays import with_numbers
from scribe_suite.untrusted_files import UntrustedFolder

#: Relative difference up to which two floats are equal: another machine may add in another order.
SAME_FLOAT = 1e-6
#: Largest file of an answer, in bytes; any submission is far smaller, however it is formatted.
MAX_ANSWER_BYTES = 100_000_000


def ledger_of(model: str | None, results_dir: Path) -> tuple[Path, str | None]:
    """The ledger and provider that the text after ``replay:`` names: ``RUN`` or ``RUN@PROVIDER``.

    Args:
        model: ``RUN`` is a run id or the path of a ledger.
        results_dir: Where the ledgers of run ids are.

    Raises:
        ConfigurationError: When nothing is named or it does not exist.
    """
    run, _, provider = (model or "").partition("@")
    if not run:
        raise ConfigurationError("Name a run to replay: replay:RUN, or replay:RUN@PROVIDER if it has several.")
    return find_run(run, results_dir).resolve(), provider or None


def replayed_seed(specs: Iterable[ProviderSpec], results_dir: Path) -> tuple[int, Literal["fresh", "fixed"]] | None:
    """The run seed that replays need, and whether it had been drawn; None without a replay among the providers.

    Raises:
        ConfigurationError: When a ledger can't be read, or two have different seeds.
    """
    headers = [_ledger(ledger_of(spec.model, results_dir)[0]).header for spec in specs if spec.name == REPLAY]
    if len({header.run_seed for header in headers}) > 1:
        raise ConfigurationError("These runs had different instances: replay them one after the other.")
    return (headers[0].run_seed, headers[0].seed_mode) if headers else None


def find_recorded(
    model: str | None, results_dir: Path, task: str, trial: int, instance_seed: int
) -> tuple[Path, AttemptRecord]:
    """The recorded attempt of a task and trial: its ledger's folder, and its record.

    Raises:
        InfrastructureError: With cause ``replay`` when there is none, or it was made on another instance.
        ConfigurationError: When the ledger can't be used.
    """
    path, provider = ledger_of(model, results_dir)
    records = [
        record
        for record in _ledger(path).attempts
        if (record.task, record.trial) == (task, trial) and provider in (None, record.provider) and record.folder
    ]
    providers = sorted({record.provider for record in records})
    if not records:
        raise InfrastructureError("replay", f"{path.name} has no attempt at {task}, trial {trial}, to replay.")
    if len(providers) > 1:
        raise InfrastructureError(
            "replay", f"{path.name} has attempts by {', '.join(providers)}: name one, as in {path.stem}@{providers[0]}."
        )
    record = records[-1]
    if record.instance_seed != instance_seed:
        raise InfrastructureError(
            "replay", f"The attempt was made on another instance: leave --instance-seed out, {path.name} has its own."
        )
    return path.parent, record


def read_replay(results_dir: Path, record: AttemptRecord) -> Replay:
    """Read the replay from an attempt's folder.

    Raises:
        InfrastructureError: When it is missing or damaged.
    """
    with attempt_folder(results_dir, record) or nullcontext() as folder:
        with part_of(folder, "notebooks") as notebooks:
            timed = _timed(notebooks) if notebooks is not None else None
        if folder is None or timed is None:
            name = Path(str(record.folder)).name
            raise InfrastructureError("replay", f"There are no journals in {name}/notebooks to replay.")
        return Replay(tuple(step for _, _, step in timed), _answer(folder))


def _timed(notebooks: UntrustedFolder) -> list[tuple[float, int, Step]] | None:
    """The steps of all notebooks, with their times, in chronological order; None without journals."""
    timed = []
    journals = notebooks.files(f"*{JOURNAL_SUFFIX}")
    for number, journal in enumerate(journals):
        events = read_journal(notebooks.path / journal, notebooks)
        steps = _steps(journal.removesuffix(JOURNAL_SUFFIX), events)
        timed += [(event["time"], number, step) for event, step in steps]
    timed.sort(key=lambda entry: entry[:2])
    return timed if journals else None


def _answer(folder: UntrustedFolder) -> Any:
    """The answer that was scored, or None when there is none."""
    name = "outputs/answer.json"
    try:
        if not folder.exists(name):
            return None
        answer = json.loads(folder.read(name, MAX_ANSWER_BYTES))
        return with_numbers(answer, lambda array: folder.read(f"outputs/{array}", MAX_ANSWER_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise InfrastructureError("replay", f"The answer of {folder.path.name} can't be read ({error}).") from error


def same_answer(recorded: object, replayed: object) -> bool:
    """Whether two answers are equal as JSON values; floats up to `SAME_FLOAT`."""
    if isinstance(recorded, Mapping) and isinstance(replayed, Mapping):
        return recorded.keys() == replayed.keys() and all(same_answer(recorded[key], replayed[key]) for key in recorded)
    if isinstance(recorded, list) and isinstance(replayed, list):
        return len(recorded) == len(replayed) and all(map(same_answer, recorded, replayed))
    if isinstance(recorded, float) and isinstance(replayed, float):
        return math.isclose(recorded, replayed, rel_tol=SAME_FLOAT, abs_tol=SAME_FLOAT**2)
    return type(recorded) is type(replayed) and recorded == replayed


@cache
def _ledger(path: Path) -> Ledger:
    return read_ledger(path)


def _steps(notebook: str, events: Iterable[Event]) -> Iterator[tuple[Event, Step]]:
    """The steps of one notebook. Interrupted cells are left out, because a replay does not interrupt them."""
    listed = list(events)
    interrupted = {
        (event["cell"], event["run"])
        for event in listed
        if event["event"] == "cell_finished" and event["status"] == "interrupted"
    }
    numbers: dict[str, int] = {}
    started = resumed = False
    for event in listed:
        name = event["event"]
        step: Step | None = None
        if name == "session_started":
            # resuming a session reruns the cells; in a continued copy they are the first that run
            resumed = started and event["origin"] == "resumed"
            step = Step(notebook, "resume" if resumed else "start")
            started = True
        elif name == "cell_started" and (event["cell"], event["run"]) not in interrupted:
            step = _cell_step(notebook, event, numbers, resumed)
        elif name == "markdown_added" and started:
            step = Step(notebook, "note", event["content"])
        elif name == "submission":
            step = Step(notebook, "submit", event["variable"])
        elif name == "session_closed" and event["reason"] == "shut down by the agent":
            step = Step(notebook, "close")
        if step is not None:
            yield event, step


def _cell_step(notebook: str, event: Mapping[str, Any], numbers: dict[str, int], resumed: bool) -> Step | None:
    """The step that runs a cell again, if the agent ran it; `numbers` are the code cells of the replay so far."""
    known = event["cell"] in numbers
    number = numbers.setdefault(event["cell"], len(numbers))
    if event["kind"] == "setup" or (event["kind"] == "restored" and resumed):
        return None
    return Step(notebook, "edit", event["code"], number) if known else Step(notebook, "run", event["code"])
