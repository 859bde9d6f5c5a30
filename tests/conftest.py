"""What every test may use."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.rotation import PARTS, WATCHED, Turn, line_about, turn_of

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
TURN = pytest.StashKey[Turn]()
#: How many tests that rotate run, and how many do not.
ROTATED = pytest.StashKey[tuple[int, int]]()
#: Under which xdist's workers say so.
_OUTPUT = "rotated"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # as under nohup, and inherited: what tests start and interrupt would not even notice
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rotate",
        action="store_true",
        help="of slow tests, and of tests of tools and studies that were not changed lately, run a tenth, which "
        "changes with every commit",
    )


def pytest_configure(config: pytest.Config) -> None:
    turn = turn_of(ROOT) if config.getoption("--rotate") else None
    if turn is not None:
        config.stash[TURN] = turn


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    turn = config.stash.get(TURN, None)
    if turn is None:
        return
    rotating = [
        item for item in items if _is_slow(item) or item.nodeid.startswith(tuple(f"{name}/" for name in WATCHED))
    ]
    left_out = [
        item
        for item in rotating
        if not turn.runs(item.nodeid, slow=_is_slow(item), core=item.get_closest_marker("core") is not None)
    ]
    config.stash[ROTATED] = (len(rotating) - len(left_out), len(left_out))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        dropped = set(left_out)
        items[:] = [item for item in items if item not in dropped]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """With xdist only workers collect: each says the same."""
    if (rotated := node.workeroutput.get(_OUTPUT)) is not None:
        node.config.stash[ROTATED] = (rotated[0], rotated[1])


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None and ROTATED in session.config.stash:
        output[_OUTPUT] = session.config.stash[ROTATED]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    turn, rotated = config.stash.get(TURN, None), config.stash.get(ROTATED, None)
    if turn is not None and rotated is not None:
        terminalreporter.write_line(line_about(turn, *rotated))


def pytest_report_header(config: pytest.Config) -> str | None:
    turn = config.stash.get(TURN, None)
    if turn is not None:
        return f"rotation: part {turn.part + 1} of {PARTS} of slow tests, and of tests of tools and studies"
    if config.getoption("--rotate"):
        return "rotation: git does not know this checkout's history, so that everything runs"
    return None


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None
