"""Runs a submitted ``predict`` inside the sandbox. Needs only the standard library and numpy, not the package.

Usage: ``python -I -c <this source> <descriptor>``, with the descriptor of a connected socket. It sends ``ready`` when
everything that the suite promises is available, and only then receives the code and the prompts: whatever ends it later
is the code's fault. It answers with one line of JSON, and the harness ends it.

The code runs in this process and can do anything with it: find the socket, patch json, write its own answer. It gains
nothing by that: no label ever comes here, so it can only forge predictions, which it is asked for anyway, and
`submitted_function` does not trust anything that arrives.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import sys
import traceback
import types
from typing import Any

READY = b"ready\n"
MODULE = "submission"
LARGEST_LABEL = 2**63


def plain_label(value: Any) -> int | None:
    """A label as an int: ints, bools, whole floats, and numpy's kinds of these; None for anything else."""
    if hasattr(value, "item"):
        try:
            value = value.item()
        except (TypeError, ValueError):  # an array of several elements
            return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) < LARGEST_LABEL:
        return int(value)
    return None


def plain_labels(value: Any) -> list[int | None]:
    """The return value for one prompt, as a list of labels."""
    if getattr(value, "ndim", 0):
        value = value.tolist()
    return [plain_label(label) for label in value] if isinstance(value, (list, tuple)) else [plain_label(value)]


class WrongShapeError(Exception):
    """The return value is not one prediction per prompt; the message continues a sentence."""


def batch_labels(returned: Any, size: int) -> list[list[int | None]]:
    """The return value for one batch, as a list of labels for each prompt.

    Raises:
        WrongShapeError: When it is not an ordered iterable with one item per prompt.
    """
    if isinstance(returned, (str, bytes, dict, set, frozenset)):
        raise WrongShapeError(f"returned a {type(returned).__name__}, not a list with one prediction per prompt")
    try:
        iterator = iter(returned)
    except TypeError:
        message = f"returned one {type(returned).__name__}, not a list with one prediction per prompt"
        raise WrongShapeError(message) from None
    rows = list(itertools.islice(iterator, size + 1))  # a generator may have no end
    if len(rows) != size:
        count = "more predictions than" if len(rows) > size else f"{len(rows)} predictions for"
        raise WrongShapeError(f"returned {count} the {size} prompts of a batch")
    return [plain_labels(row) for row in rows]


def failure(error: BaseException) -> str:
    """One line about the code's exception, with the line of code that raised it."""
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = ""
    frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == f"<{MODULE}>"]
    place = f" at line {frames[-1]}" if frames else ""
    return f"{type(error).__name__}{place}{': ' if text else ''}{text[:200]}"


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run the code, and predict batch after batch.

    Returns:
        ``labels`` (per prompt, in the order of the batches), or ``problem``, a clause without its subject.
    """
    try:
        module = types.ModuleType(MODULE)
        sys.modules[MODULE] = module  # dataclasses look their module up
        exec(compile(request["code"], f"<{MODULE}>", "exec"), module.__dict__)
        predict = module.__dict__.get("predict")
        if not callable(predict):
            return {"problem": "does not define predict"}
    except BaseException as error:
        return {"problem": f"raised {failure(error)}"}
    labels: list[list[int | None]] = []
    for batch in request["batches"]:
        size = len(batch)  # the code may change its batch
        try:
            labels += batch_labels(predict(batch), size)
        except WrongShapeError as error:
            return {"problem": str(error)}
        except BaseException as error:
            return {"problem": f"raised {failure(error)}"}
    return {"labels": labels}


def main() -> None:
    """Send ready, receive one request, answer it."""
    import numpy  # noqa: F401 -- promised to the code, so that a sandbox without it must not get as far as ready

    channel = socket.socket(fileno=int(sys.argv[1]))
    # the code's output is not read and must not fill the disk
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    channel.sendall(READY)
    with channel.makefile("rb") as stream:
        request = json.loads(stream.readline())
    channel.sendall(json.dumps(answer(request)).encode() + b"\n")


if __name__ == "__main__":
    main()
