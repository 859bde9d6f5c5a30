"""What every test may use."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.rotation import PARTS, WATCHED, Turn, line_about, turn_of

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
TURN = pytest.StashKey[Turn]()
#: How many tests that rotate run, and which do not.
ROTATED = pytest.StashKey[tuple[int, list[str]]]()

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
    config.stash[ROTATED] = (len(rotating) - len(left_out), [item.nodeid for item in left_out])
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        dropped = set(left_out)
        items[:] = [item for item in items if item not in dropped]


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    turn, rotated = config.stash.get(TURN, None), config.stash.get(ROTATED, None)
    return None if turn is None or rotated is None else line_about(turn, *rotated)


def pytest_report_header(config: pytest.Config) -> str | None:
    turn = config.stash.get(TURN, None)
    if turn is not None:
        return f"rotation: part {turn.part + 1} of {PARTS} of slow tests, and of tests of tools and studies"
    if config.getoption("--rotate"):
        return "rotation: git does not know this checkout's history, so that everything runs"
    return None


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None
