"""``--resume RUN``: a run that was cut off, or failed by infrastructure, is taken up where it was left.

The ledger says what was run and how; the command line may repeat it, and may not say anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.ledger import Ledger, LedgerWriter
from scribe_suite.ledger.lock_differences import MACHINE, lock_differences
from scribe_suite.ledger.records import RunHeader
from scribe_suite.ledger.sources import find_run
from scribe_suite.plugin.option.shards import Shard
from scribe_suite.providers.registry import parse_specs

_SHOWN = 20
_THEN, _NOW = "in the run", "now"


@dataclass(frozen=True)
class ResumedRun:
    """A run that is taken up again.

    Attributes:
        writer: Of its ledger, which is locked and not changed yet.
        ledger: As it was found.
        pending: Node ids of the attempts that are missing or were failed by infrastructure.
        anyway: Whether differences between the locks are accepted.
    """

    writer: LedgerWriter
    ledger: Ledger
    pending: tuple[str, ...]
    anyway: bool

    @property
    def header(self) -> RunHeader:
        """Of the ledger."""
        return self.ledger.header

    def nothing_to_do(self) -> str:
        """Why nothing is run, as a sentence."""
        if self.pending:
            left = len(self.pending)
            return f"none of the {left} attempts of {self.header.run} that are left is among the chosen tests."
        return f"nothing is left to run of {self.header.run}: all its {len(self.header.planned)} attempts count."

    def differences(self, lock: dict[str, Any]) -> list[str]:
        """In what `lock` differs from the run's although it should not."""
        gone = [
            f"{name}: it is not here any more"
            for part in ("tasks", "providers")
            for name in self.header.lock.get(part, {})
            if name not in lock[part]
        ]
        return gone + lock_differences([(_THEN, self.header.lock), (_NOW, lock)], ignored=(MACHINE,))

    def machine_differences(self, lock: dict[str, Any]) -> list[str]:
        """In what the machine differs, which changes times and no scores."""
        then, now = ({MACHINE: locked.get(MACHINE, {})} for locked in (self.header.lock, lock))
        return lock_differences([(_THEN, then), (_NOW, now)])


RESUMED = pytest.StashKey[ResumedRun]()


@dataclass(frozen=True)
class _Kept:
    """An option whose value belongs to the run.

    Attributes:
        option: As on the command line.
        recorded: Its value in a header, as the option's parser would return it.
        same: Whether a value that was given means the recorded one.
    """

    option: str
    recorded: Callable[[RunHeader], Any]
    same: Callable[[Any, RunHeader], bool] | None = None

    @property
    def name(self) -> str:
        return self.option.lstrip("-").replace("-", "_")

    def contradicted(self, given: Any, header: RunHeader) -> bool:
        if self.same is not None:
            return not self.same(given, header)
        return bool(given != self.recorded(header))


def _limit(name: str, kind: type[int] | type[float] = float) -> Callable[[RunHeader], Any]:
    def recorded(header: RunHeader) -> Any:
        value = header.limits.get(name)
        return None if value is None else kind(value)

    return recorded


_KEPT = (
    _Kept(
        "--provider",
        lambda header: list(header.providers),
        lambda given, header: set(map(str, parse_specs(given))) == set(header.providers),
    ),
    _Kept("--trials", lambda header: header.trials),
    _Kept(
        "--instance-seed",
        lambda header: str(header.run_seed),
        lambda given, header: header.seed_mode == "fresh" if given == "fresh" else int(given) == header.run_seed,
    ),
    _Kept("--agent-timeout", _limit("agent_timeout_s")),
    _Kept("--cell-timeout", _limit("cell_timeout_s")),
    _Kept("--max-turns", _limit("max_turns", int)),
    _Kept("--max-tokens", _limit("max_tokens", int)),
    _Kept("--max-cost-usd", _limit("max_cost_usd")),
    _Kept("--pass-mark", lambda header: header.pass_mark),
    _Kept("--record-only", lambda header: header.record_only),
    _Kept("--isolation", lambda header: header.isolation_asked or "auto"),
    _Kept("--model-source", lambda header: _sources(header.planned)),
    _Kept("--device", lambda header: header.device or "auto"),
    # the planned attempts are those of the part already, so that only what was given is checked
    _Kept("--shard", lambda _: None, lambda given, header: str(Shard.parse(given)) == header.shard),
)


def take_up(config: pytest.Config, results_dir: Path) -> ResumedRun | None:
    """Lock and read the ledger that ``--resume`` names, and let the options be those of the run.

    Args:
        config: Of a process that is no worker.
        results_dir: Where the ledgers of run ids are.

    Returns:
        None without ``--resume``.

    Raises:
        pytest.UsageError: When there is no such run, it still goes on, or an option contradicts it.
    """
    option = config.option
    if option.resume is None:
        if option.resume_anyway:
            raise pytest.UsageError("--resume-anyway says how to resume a run: add --resume RUN.")
        return None
    try:
        path = find_run(option.resume, results_dir)
        writer, ledger = LedgerWriter.reopen(path)
    except ConfigurationError as error:
        raise pytest.UsageError(f"--resume: {error}") from error
    config.add_cleanup(writer.leave)
    header = ledger.header
    if header.run != path.stem:
        raise pytest.UsageError(
            f"--resume: {path} is the ledger of the run {header.run}: give it back its name {header.run}.jsonl."
        )
    _take_options(config, header, path, results_dir)
    counted = {record.nodeid for record in ledger.attempts if record.counts}
    pending = tuple(nodeid for nodeid in header.planned if nodeid not in counted)
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = _files(config.rootpath, pending or header.planned)
    config.stash[RESUMED] = resumed = ResumedRun(writer, ledger, pending, bool(option.resume_anyway))
    return resumed


def kept_options(config: pytest.Config) -> dict[str, Any]:
    """The options that belong to a run, for its workers."""
    return {kept.name: getattr(config.option, kept.name) for kept in _KEPT}


def listed(lines: Sequence[str]) -> str:
    """Some lines as one text."""
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "; ".join([*lines[:_SHOWN], *more])


def _take_options(config: pytest.Config, header: RunHeader, path: Path, results_dir: Path) -> None:
    option = config.option
    contradicting = []
    for kept in _KEPT:
        given = getattr(option, kept.name)
        if given is None:
            setattr(option, kept.name, kept.recorded(header))
        elif kept.contradicted(given, header):
            contradicting.append(f"{kept.option} ({_THEN}: {_shown(kept, header)})")
    if option.results_dir is not None and results_dir.resolve() != path.parent.resolve():
        contradicting.append(f"--results-dir ({_THEN}: {path.parent})")
    if contradicting:
        raise pytest.UsageError(
            f"--resume: the run {header.run} was started with other options: leave out {', '.join(contradicting)}."
        )


def _shown(kept: _Kept, header: RunHeader) -> str:
    if kept.option == "--instance-seed":  # seeds are in the ledger only
        return "another seed"
    value = header.shard if kept.option == "--shard" else kept.recorded(header)
    return (
        "not given" if value is None or value is False else ",".join(value) if isinstance(value, list) else f"{value}"
    )


def _sources(nodeids: Sequence[str]) -> str:
    """What ``--model-source`` was, from the attempts that were planned."""
    from scribe_suite.plugin.collection import attempt_of  # which needs the options, and they this module

    sources = {found[0].source for found in map(attempt_of, nodeids) if found is not None}
    return sources.pop() if len(sources) == 1 else "all" if sources else "planted"


def _files(root: Path, nodeids: Sequence[str]) -> list[str]:
    """The files of tests, so that nothing else is collected."""
    return [str(root / name) for name in dict.fromkeys(nodeid.partition("::")[0] for nodeid in nodeids)]
