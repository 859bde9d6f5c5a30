"""The facts on a results card besides the tables: the content of runs, known flaws, and how to reproduce them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scribe_suite.ledger.ledger import Ledger
from scribe_suite.ledger.lock_differences import PROVIDERS, TASKS
from scribe_suite.ledger.records import HEADROOM_LEVELS, RunHeader
from scribe_suite.plugin.option.levels import LevelChoice
from scribe_suite.tasks.facts import TaskFacts

#: A provider with fewer attempts is listed as one with few.
FEW_ATTEMPTS = 20
#: Units that a limit's name may end with.
_UNITS = ("s", "usd")
#: The isolation tier that isolates nothing.
NOT_ISOLATED = "none"


@dataclass(frozen=True)
class Row:
    """One fact about every run.

    Attributes:
        name: Name of the fact.
        values: Its value for each run, in order; empty if unknown.
    """

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class CardFacts:
    """Everything except the tables of results.

    Attributes:
        runs: Run ids, in order.
        what: The content of runs, and the versions.
        agents: Provider -> facts about it in each run.
        tasks: Task id -> version and frozen base models.
        flaws: Sentences on flaws that make the numbers weaker than they look.
        contamination: Sentences on material that agents may have seen before.
        commands: Shell commands that reproduce the numbers, each with a description.
    """

    runs: tuple[str, ...]
    what: tuple[Row, ...]
    agents: tuple[Row, ...]
    tasks: tuple[Row, ...]
    flaws: tuple[str, ...]
    contamination: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]


def card_facts(ledgers: Sequence[Ledger], known: Mapping[str, TaskFacts]) -> CardFacts:
    """Collect the facts about runs for a card, except their results.

    Args:
        ledgers: The runs' ledgers, at least one.
        known: Task id -> facts about it in this version of the suite.
    """
    headers = [ledger.header for ledger in ledgers]
    return CardFacts(
        runs=tuple(header.run for header in headers),
        what=tuple(Row(name, tuple(map(tell, headers))) for name, tell in _TOLD.items()),
        agents=tuple(_agents(headers)),
        tasks=tuple(_tasks(headers)),
        flaws=tuple(flaw for ledger in ledgers for flaw in _flaws(ledger, known)),
        contamination=tuple(_contamination(headers, known)),
        commands=tuple(_commands(headers, known)),
    )


def _packages(header: RunHeader) -> Mapping[str, str]:
    packages = header.lock.get("packages", {})
    return packages if isinstance(packages, dict) else {}


def _suite(header: RunHeader) -> str:
    git = header.lock.get("git") or {}
    commit = git.get("commit")
    changed = ", changed since" if git.get("dirty") else ""
    return f"{_packages(header).get('scribe-suite', '')}{f' at {commit[:12]}{changed}' if commit else ''}".strip()


def _limits(header: RunHeader) -> str:
    return ", ".join(_limit(name, value) for name, value in header.limits.items())


def _limit(name: str, value: float) -> str:
    words, _, unit = name.rpartition("_")
    told = f"{value:,.15g}"
    return f"{words.replace('_', ' ')} {told} {unit}" if unit in _UNITS else f"{name.replace('_', ' ')} {told}"


def _machine(header: RunHeader) -> str:
    machine = header.lock.get("machine") or {}
    memory = machine.get("memory_bytes")
    parts = [machine.get("cpu"), machine.get("cores") and f"{machine['cores']} cores"]
    parts += [memory and f"{memory / 2**30:.0f} GiB", machine.get("platform")]
    return ", ".join(str(part) for part in parts if part)


def _seeds(header: RunHeader) -> str:
    return "drawn for this run" if header.seed_mode == "fresh" else f"fixed: {header.run_seed}"


#: Name of a fact about a run -> function that formats it; in the order of the card.
_TOLD = {
    "started (UTC)": lambda header: f"{header.started:%Y-%m-%d %H:%M}",
    "providers": lambda header: ", ".join(header.providers),
    "planned attempts": lambda header: f"{len(header.planned):,}",
    "trials": lambda header: str(header.trials),
    "levels": lambda header: header.levels or "each task's default",
    "arms": lambda header: header.arms or "each level's own",
    "real language model": lambda header: header.model or "",
    "instances": _seeds,
    "limits of an attempt": _limits,
    "isolation of kernels": lambda header: header.isolation,
    "isolation of agents' programs": lambda header: header.agent_isolation or "",
    "suite": _suite,
    "Python, torch": lambda header: f"{header.lock.get('python', '')}, {_packages(header).get('torch', '')}",
    "machine": _machine,
}


def _agents(headers: Sequence[RunHeader]) -> Iterator[Row]:
    names = dict.fromkeys(name for header in headers for name in header.providers)
    for name in names:
        yield Row(name, tuple(_facts_of(header.lock.get(PROVIDERS, {}).get(name)) for header in headers))


def _facts_of(facts: object) -> str:
    if not isinstance(facts, dict):
        return ""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items() if value is not None)


def _tasks(headers: Sequence[RunHeader]) -> Iterator[Row]:
    names = dict.fromkeys(name for header in headers for name in header.lock.get(TASKS, {}))
    for name in sorted(names):
        yield Row(name, tuple(_task(header.lock.get(TASKS, {}).get(name)) for header in headers))


def _task(facts: Mapping[str, Any] | None) -> str:
    if not facts:
        return ""
    models = facts.get("base_models") or {}
    told = f", {len(models)} base models" if models else ""
    return f"version {facts.get('version', '?')}{told}"


def _flaws(ledger: Ledger, known: Mapping[str, TaskFacts]) -> Iterator[str]:
    header = ledger.header
    run = f"Run {header.run}"
    if ledger.end is None:
        yield f"{run} was cut off: {len(ledger.attempts)} of its {len(header.planned)} attempts have a result."
    elif ledger.end.missing:
        yield f"{run} was stopped: {len(ledger.end.missing)} of its {len(header.planned)} attempts were not made."
    failed = Counter(record.outcome for record in ledger.attempts if not record.counts)
    for outcome, number in sorted(failed.items()):
        yield f"{run}: {number} attempts count for nothing ({outcome}); they are in no mean and no rate."
    for resume in ledger.resumes:
        for difference in resume.differences:
            yield f"{run} changed when it was resumed: {difference}."
    if header.isolation == NOT_ISOLATED:
        yield f"{run}: kernels were not isolated, and could read the answer keys."
    for gap in header.isolation_gaps:
        yield f"{run}: an escape from a kernel succeeded when it was tried: {gap}."
    if header.agent_isolation_gaps:
        yield f"{run}: agents' programs could reach: {', '.join(header.agent_isolation_gaps)}."
    if (header.lock.get("git") or {}).get("dirty"):
        yield f"{run}: the code had changes that are in no commit."
    yield from _few(ledger, run)
    yield from _easy(header, known, run)


def _few(ledger: Ledger, run: str) -> Iterator[str]:
    counted = Counter(record.provider for record in ledger.attempts if record.counts)
    for provider, number in counted.items():
        if number < FEW_ATTEMPTS:
            yield f"{run}: {number} attempts of {provider} are few; look at the intervals, not at the means."


def _easy(header: RunHeader, known: Mapping[str, TaskFacts], run: str) -> Iterator[str]:
    names = list(header.lock.get(TASKS, {}))
    easy = [name for name in names if not (name in known and known[name].has_headroom)]
    if easy:
        yield (
            f"{run}: at {len(easy)} of its {len(names)} tasks and levels no capable agent was measured to fail "
            f"(docs/headroom.md). They tell weak agents from capable ones, and not capable ones from each other; "
            f"--level {HEADROOM_LEVELS} runs the others."
        )


def _contamination(headers: Sequence[RunHeader], known: Mapping[str, TaskFacts]) -> Iterator[str]:
    fixed = [header for header in headers if header.seed_mode == "fixed"]
    if len(fixed) < len(headers):
        yield "Instances of runs with fresh seeds were drawn when the run began: no agent can have seen them."
    for header in fixed:
        yield (
            f"Run {header.run} has fixed seeds: whoever has the suite can make its instances, and an agent may have "
            "been trained on them."
        )
    names = {name for header in headers for name in header.lock.get(TASKS, {})}
    sources = {known[name].source for name in names if name in known}
    if "planted" in sources:
        yield (
            "Base models of planted tasks are in the package, so public. An instance is one of them under random "
            "symmetries, which hide the weights but not the kind of circuit. The command scribe-suite plant makes base "
            "models that nobody has."
        )
    if "real" in sources:
        yield (
            "Tasks on a real language model ask about a public model, and their truths were measured by a public "
            "program: an agent may know the answers."
        )
    if unknown := sorted(names - set(known)):
        yield f"This version of the suite does not know: {', '.join(unknown)}."


def _commands(headers: Sequence[RunHeader], known: Mapping[str, TaskFacts]) -> Iterator[tuple[str, str]]:
    for header in headers:
        which = "on the same instances" if header.seed_mode == "fixed" else "on new instances"
        yield f"what run {header.run} ran, {which}", shlex.join(run_command(header, known))
    names = [header.run for header in headers]
    yield "the tables of this card, from the ledgers", shlex.join(["scribe-suite", "compare", *names])
    for name in names:
        yield f"every attempt of run {name}: prompts, answers, notebooks", shlex.join(["scribe-suite", "report", name])
    yield "this card", shlex.join(["scribe-suite", "card", *names])


def run_command(header: RunHeader, known: Mapping[str, TaskFacts]) -> list[str]:
    """The pytest command that repeats a run, with its seed only if that is not secret.

    Args:
        header: The run's header.
        known: Task id -> facts about it.
    """
    given = {
        "-k": _selection(header, known),
        "--provider": ",".join(header.providers),
        "--trials": str(header.trials) if header.trials != 1 else None,
        "--level": header.levels,
        "--access": header.arms,
        "--model": header.model,
        "--isolation": header.isolation_asked if header.isolation_asked not in (None, "auto") else None,
        "--pass-mark": f"{header.pass_mark:g}" if header.pass_mark is not None else None,
        "--instance-seed": str(header.run_seed) if header.seed_mode == "fixed" else None,
        **{f"--{name.removesuffix('_s').replace('_', '-')}": f"{value:g}" for name, value in header.limits.items()},
    }
    options = [part for name, value in given.items() if value for part in (name, value)]
    return ["pytest", *_folders(header.planned), *options, *(["--record-only"] if header.record_only else [])]


def _selection(header: RunHeader, known: Mapping[str, TaskFacts]) -> str | None:
    """The expression for ``-k``, if some tasks of the folders were not run; None if all were, or that is unknown."""
    ran = set(header.lock.get(TASKS, {}))
    if header.arms is not None or not ran <= set(known):
        return None
    levels = LevelChoice.parse(header.levels) if header.levels else LevelChoice()
    kinds = {(known[name].family, known[name].source) for name in ran}
    chosen = {facts.id for facts in known.values() if (facts.family, facts.source) in kinds and levels.chooses(facts)}
    return " or ".join(sorted(known[name].label for name in ran)) if ran < chosen else None


def _folders(nodeids: Iterable[str]) -> list[str]:
    files = dict.fromkeys(nodeid.partition("::")[0] for nodeid in nodeids)
    return list(dict.fromkeys(file.rpartition("/")[0] or file for file in files))
