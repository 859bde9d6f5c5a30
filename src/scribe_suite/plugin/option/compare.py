"""``--compare RUN``: prints, at the end of a run, what changed since an earlier one; with ``--fail-below``, a verdict.

The earlier run is read before anything starts, so that a wrong name is noticed after a second and not after a night.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scribe_suite.analysis.arguments import DEFAULT_TOLERANCE
from scribe_suite.errors import ConfigurationError
from scribe_suite.exit_codes import EXIT_NOT_COMPARABLE, EXIT_WORSE
from scribe_suite.ledger.run_names import find_run
from scribe_suite.ledger.sources import Source
from scribe_suite.plugin.attempt_keys import task_of
from scribe_suite.plugin.reporter import write
from scribe_suite.plugin.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from scribe_suite.analysis.baseline import Judgement, Verdict

#: A significantly worse provider and a missing verdict have their own exit codes.
_EXITS: Mapping[Judgement, int] = {"worse": EXIT_WORSE, "not comparable": EXIT_NOT_COMPARABLE}
#: Exit codes that a verdict replaces: it is normal that an agent fails some tasks. Any other code says more.
_REPLACED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


class RunComparison:
    """Compares the run with an earlier one; registered by the process that writes the ledger.

    Args:
        settings: This run's settings.
        earlier: The file to compare with.
        tolerance: From ``--fail-below``, or None.

    Raises:
        pytest.UsageError: When `earlier` can't be read or has nothing to compare with.
    """

    def __init__(self, settings: Settings, earlier: Path, tolerance: float | None) -> None:
        self._settings = settings
        self._earlier = earlier
        self._tolerance = tolerance
        self._versions = _versions_in(earlier)

    # -- before the first test ------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist: refuse other task versions."""
        self._require_versions([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ARG002
        """With xdist: the same."""
        self._require_versions(ids)

    def _require_versions(self, nodeids: Sequence[str]) -> None:
        tasks = {task.id: task for task in map(task_of, nodeids) if task is not None}
        for task_id, versions in self._versions.items():
            if task_id in tasks and versions != {tasks[task_id].version}:
                raise pytest.UsageError(
                    f"--compare: {self._earlier.name} has version {' and '.join(map(str, sorted(versions)))} of "
                    f"{task_id}, and here it is {tasks[task_id].version}, so the scores can't be compared: name a "
                    "newer run, or leave --compare out."
                )

    # -- after the last test --------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Set the exit code before the controller records it; a code of the controller's own replaces it."""
        if not session.config.option.collectonly and self._tolerance is not None and session.exitstatus in _REPLACED:
            verdict = self._verdict()
            judgement = "not comparable" if isinstance(verdict, str) else verdict.judgement
            session.exitstatus = _EXITS.get(judgement, session.exitstatus)
        yield

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Print the differences, the tasks that changed, and the verdict."""
        from scribe_suite.analysis.presentation.formats import print_notes, print_tables, without_controls
        from scribe_suite.analysis.presentation.tables import difference_tables, notes_of

        if config.option.collectonly:
            return
        terminalreporter.section(f"compared with {self._earlier.name}", sep="=", bold=True)
        verdict = self._verdict()
        if isinstance(verdict, str):
            terminalreporter.write_line(f"NOT COMPARABLE: {verdict}", red=True, bold=True)
            return
        tolerance = DEFAULT_TOLERANCE if self._tolerance is None else self._tolerance
        write(terminalreporter, lambda console: print_tables(difference_tables(verdict.comparison, tolerance), console))
        write(terminalreporter, lambda console: print_notes(notes_of(verdict.comparison), console))
        failed = verdict.judgement in _EXITS
        for line in verdict.lines():
            terminalreporter.write_line(without_controls(line), bold=True, red=failed)

    def _verdict(self) -> Verdict | str:
        """The verdict, or why there is none."""
        from scribe_suite.analysis.baseline import judge

        path = self._settings.ledger_path
        if not path.exists():
            return "no attempt was made."
        try:
            return judge(Source(path), Source(self._earlier), self._tolerance)
        except ConfigurationError as error:
            return str(error)


def comparing(config: pytest.Config) -> RunComparison | None:
    """The comparison that ``--compare`` asks for, or None without it.

    Raises:
        pytest.UsageError: When the options can't be followed.
    """
    name, tolerance = config.option.compare, config.option.fail_below
    if name is None:
        if tolerance is not None:
            raise pytest.UsageError("--fail-below needs the run to compare with: add --compare RUN.")
        return None
    settings = config.stash[SETTINGS]
    try:
        earlier = find_run(name, settings.results_dir)
    except ConfigurationError as error:
        raise pytest.UsageError(f"--compare: {error}") from error
    if earlier.resolve() == settings.ledger_path.resolve():
        raise pytest.UsageError("--compare names the run that is being resumed: name another one.")
    return RunComparison(settings, earlier, tolerance)


def _versions_in(path: Path) -> dict[str, set[int]]:
    """Task -> the versions that were attempted in a run; every line is read."""
    from scribe_suite.analysis.columns import read_attempts

    try:
        attempts = read_attempts([path])
    except ConfigurationError as error:
        raise pytest.UsageError(f"--compare: {error}") from error
    versions: dict[str, set[int]] = {}
    for task, version in set(zip(attempts.task.tolist(), attempts.version.tolist(), strict=True)):
        versions.setdefault(attempts.tasks[task], set()).add(version)
    if not versions:
        raise pytest.UsageError(f"--compare: there is no attempt in {path}, so there is nothing to compare with.")
    return versions
