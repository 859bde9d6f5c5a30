"""Tables of the documentation, generated from registries and tables in the code; see `tools.reference_tables`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

from scribe_suite.causes import CAUSES, Cause, Part
from scribe_suite.exit_codes import EXIT_CODES
from scribe_suite.ledger.outcomes import INFRASTRUCTURE, INFRASTRUCTURE_RULE, OUTCOMES, OutcomeRule, Test
from scribe_suite.models.spec import SOURCES
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.tools import TOOLS
from scribe_suite.plugin.option.options import OPTIONS
from scribe_suite.plugin.settings import LIVE_MEANINGS
from scribe_suite.providers.builtin.cheating.table import CHEATS
from scribe_suite.providers.clis.adapter import Adapter
from scribe_suite.providers.clis.diagnosis import adapters
from scribe_suite.providers.registry import GROUP, ProviderSpec, load_provider
from scribe_suite.sandbox.launching import PROGRAM_LIMITS
from scribe_suite.sandbox.sandbox import ProcessLimits
from scribe_suite.sandbox.tiers import TIERS
from scribe_suite.scoring.submitted_function import MAX_PROCESSES, SHM_BYTES, FunctionLimits
from scribe_suite.tasks import answer_kinds as answer_kinds_module
from scribe_suite.tasks.answers import Answer
from scribe_suite.tasks.registry import default_registry
from tools.agent_clis.binaries import CLIS, PINNED, Cli


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; a vertical bar in a cell is escaped."""
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in (head, *rows)]
    return "\n".join((lines[0], "|---" * len(head) + "|", *lines[1:]))


def outcomes() -> str:
    """How every outcome is treated."""
    rules = _outcome_rules()
    return markdown_table(
        ("outcome", "meaning", "test", "counts", "scored"),
        ((f"`{name}`", rule.meaning, rule.test, _yes(rule.counts), _yes(rule.scored)) for name, rule in rules.items()),
    )


def outcomes_by_test() -> str:
    """What a passed, failed or erroneous test says about the agent."""
    rules = _outcome_rules()
    rows = []
    for test in get_args(Test):
        found = {name: rule.counts for name, rule in rules.items() if rule.test == test}
        rows.append((test, _codes(found), _yes(all(found.values()))))
    return markdown_table(("test", "outcome in the ledger", "counts?"), rows)


def exit_codes() -> str:
    """The exit codes of a run."""
    return markdown_table(("exit code", "when"), ((str(code), when) for code, when in EXIT_CODES.items()))


def model_sources() -> str:
    """The sources of real models."""
    return markdown_table(
        ("specification", "is", "converting it needs"),
        ((f"`{kind}:{source.form}`", source.meaning, source.needs) for kind, source in SOURCES.items()),
    )


def live_options() -> str:
    """The ways of showing a run."""
    interval = next(option for option in OPTIONS if option.flag == "--live-interval")
    return markdown_table(
        ("option", "meaning"),
        (
            *((f"`--live {way}`", meaning) for way, meaning in LIVE_MEANINGS.items()),
            (f"`{interval.usage}`", f"{interval.help.partition(' of ')[0]} ({interval.shown_default} by default)"),
        ),
    )


def tiers() -> str:
    """The tiers of isolation, best first."""
    return markdown_table(
        ("tier", "what a kernel has", "needs"),
        ((f"`{tier.name}`", tier.kernels_have, tier.needs) for tier in TIERS.values()),
    )


def limits() -> str:
    """The resource limits of untrusted code, where its folders are in memory."""
    notebook, function = NotebookConfig(folder=Path()), FunctionLimits()
    kernel = ProcessLimits(memory_bytes=notebook.memory_limit_bytes, tmp_bytes=notebook.tmp_limit_bytes)
    program = PROGRAM_LIMITS
    rows = {
        "a kernel, with all that it starts": (
            kernel.memory_bytes, kernel.processes, notebook.work_limit_bytes, kernel.tmp_bytes, kernel.shm_bytes
        ),
        "a submitted function": (
            function.memory_bytes, MAX_PROCESSES, None, function.tmp_bytes, SHM_BYTES
        ),
        "an agent's program, with all that it starts": (
            program.memory_bytes, program.processes, program.folder_bytes, program.tmp_bytes, program.shm_bytes
        ),
    }  # fmt: skip
    return markdown_table(
        ("of", "memory", "processes and threads", "its folders", "`/tmp`", "`/dev/shm`"),
        (
            (of, _size(memory), str(processes), _size(folders, "read-only"), _size(tmp), _size(shm))
            for of, (memory, processes, folders, tmp, shm) in rows.items()
        ),
    )


def cli_causes() -> str:
    """The causes of failures of agent CLIs, with their specific words."""
    return markdown_table(
        ("cause", "what happened", "again?", "counts?", "what to do"),
        (
            (f"`{cause.name}`", cause.meaning, _yes(cause.retried), _yes(cause.counts), _advice(cause))
            for cause in CAUSES.values()
            if cause.part is Part.CLI
        ),
    )


def other_causes() -> str:
    """All other causes; none of them is retried."""
    return markdown_table(
        ("cause", "where", "what happened", "counts?", "what to do"),
        (
            (f"`{cause.name}`", cause.part, cause.meaning, _yes(cause.counts), _advice(cause))
            for cause in CAUSES.values()
            if cause.part is not Part.CLI
        ),
    )


def _advice(cause: Cause) -> str:
    """The advice for any CLI."""
    text = cause.advice.format(cli="the CLI", login="see `scribe-suite doctor`", variable="its variable")
    return text[:1].upper() + text[1:]


def tasks() -> str:
    """Every task with its summary and the metrics of its table."""
    return markdown_table(
        ("task", "what it asks", "metrics", "version"),
        (
            (f"`{task.id}`", task.summary, _codes(task.metrics), str(task.version))
            for task in default_registry().questions()
        ),
    )


def providers() -> str:
    """The providers of this package; other installed ones are not documented."""
    names = sorted(point.name for point in entry_points(group=GROUP) if point.value.startswith("scribe_suite."))
    return markdown_table(
        ("provider", "what it does"), ((f"`{name}`", load_provider(ProviderSpec(name)).summary) for name in names)
    )


def agent_clis() -> str:
    """How each agent CLI is installed, found and logged in; a column for each."""
    rows: dict[str, Callable[[Cli, type[Adapter]], str]] = {
        "install": lambda name, _: f"`npm install -g {PINNED[name].package}`",
        "tested with": lambda name, _: PINNED[name].version,
        "found on PATH, or through": lambda _, adapter: f"`{adapter.variable}`",
        "key, any of": lambda _, adapter: _codes(adapter.keys),
        "else your login's files": lambda _, adapter: _codes(f"~/{path}" for path in adapter.credentials),
        "its folder, if you have moved it": lambda _, adapter: f"`{adapter.config_variable}`",
        "other variables that it gets": lambda _, adapter: _codes(adapter.settings),
    }
    known = adapters()
    return markdown_table(
        ("", *(f"`{name}`" for name in CLIS)),
        ((title, *(cell(name, known[name]) for name in CLIS)) for title, cell in rows.items()),
    )


def notebook_tools() -> str:
    """The notebook's tools: the first sentence that an agent reads about each."""
    return markdown_table(
        ("tool", "arguments", "what it does"),
        (
            (
                f"`{name}`",
                ", ".join(
                    f"`{field}`" if info.is_required() else f"`{field}`?" for field, info in model.model_fields.items()
                ),
                _first_paragraph(model),
            )
            for name, (model, _) in TOOLS.items()
        ),
    )


def answer_kinds() -> str:
    """The kinds of answers: their content, and the facts that their validators need."""
    kinds = (kind for kind in vars(answer_kinds_module).values() if inspect.isclass(kind) and issubclass(kind, Answer))
    rows = [
        (
            f"`{kind.__name__}`",
            _codes((kind.content_field, *kind.further_content)),
            ", ".join(f"`{fact}`: {meaning}" for fact, meaning in kind.needs.items()),
        )
        for kind in kinds
        if hasattr(kind, "content_field")
    ]
    return markdown_table(("kind", "fields of its content", "facts it needs"), rows)


def cheats() -> str:
    """The cheats of the provider ``cheat``."""
    return markdown_table(
        ("cheat", "it tries to", "class", "it has succeeded when"),
        ((f"`{name}`", cheat.tries, cheat.flaw, cheat.success) for name, cheat in CHEATS.items()),
    )


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _outcome_rules() -> dict[str, OutcomeRule]:
    return {
        **{str(outcome): rule for outcome, rule in OUTCOMES.items()},
        f"{INFRASTRUCTURE}<cause>": INFRASTRUCTURE_RULE,
    }


def _size(count: int | None, without: str = "no limit") -> str:
    """A number of bytes as people write it; `without` where there is none."""
    if count is None:
        return without
    return f"{count >> 30} GiB" if count % (1 << 30) == 0 else f"{count >> 20} MiB"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _first_paragraph(model: type) -> str:
    return " ".join((inspect.getdoc(model) or "").partition("\n\n")[0].split())
