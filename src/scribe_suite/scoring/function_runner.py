"""Runs a submitted ``predict`` inside the sandbox. Needs the standard library and numpy only; the package is not there.

Usage: ``python -I -c <this source> <socket>``. It connects, says ``ready`` when everything that the suite promises is
there, and only then is sent the code and the prompts: whatever ends it later is the code's doing. It answers with one
line of JSON, and the harness ends it.

The code runs in this very process and can do with it what it likes: find the socket, patch json, write an answer of
its own. There is nothing to win: no label ever comes here, so all that a forger can forge are predictions, which is
what it is asked for; and `submitted_function` believes nothing that arrives.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import platform
import socket
import struct
import sys
import traceback
import types
from typing import Any

READY = b"ready\n"
MODULE = "submission"
LARGEST_LABEL = 2**63

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
CLONE_THREAD = 0x10000
#: By machine: its number in the kernel, and of the calls clone, clone3, fork and vfork (those it has).
CALLS = {
    "x86_64": (0xC000003E, 56, 435, (57, 58)),
    "aarch64": (0xC00000B7, 220, 435, ()),
}


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
    """What was returned for one prompt, as a list of labels."""
    if getattr(value, "ndim", 0):
        value = value.tolist()
    return [plain_label(label) for label in value] if isinstance(value, (list, tuple)) else [plain_label(value)]


class WrongShapeError(Exception):
    """What was returned is not one prediction per prompt; the message continues a sentence."""


def batch_labels(returned: Any, size: int) -> list[list[int | None]]:
    """What was returned for one batch, as a list of labels for each prompt.

    Raises:
        WrongShapeError: When it is not one thing per prompt, in an order.
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
    """One line about what the code raised, with the line of the code where it did."""
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


def forbid_processes() -> None:
    """Let this process make threads, never processes, so that its memory limit is the limit of all that the code uses.

    A limit on their number does not hold where the harness is root and has no other user id to give. Where the machine
    is not known, or its kernel has no filters, that number is all there is.
    """
    if platform.machine() not in CALLS:
        return
    machine, clone, clone3, forks = CALLS[platform.machine()]
    load, equal, at_least, has_bits, end = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, deny, unknown = 0x7FFF0000, 0x50000 | 1, 0x50000 | 38  # EPERM; ENOSYS makes the C library use clone
    # what is jumped to: position in the program, whose last three lines are the verdicts
    size = 6 + len(forks) + 2 + 3
    program = [
        (load, None, None, 4),  # the machine: calls of another one have other numbers
        (equal, 2, size - 2, machine),
        (load, None, None, 0),  # the call
        (at_least, size - 2, 4, 0x40000000),  # x32
        *((equal, size - 2, 5 + index, call) for index, call in enumerate(forks)),
        (equal, size - 1, 5 + len(forks), clone3),
        (equal, 6 + len(forks), size - 3, clone),
        (load, None, None, 16),  # its flags
        (has_bits, size - 3, size - 2, CLONE_THREAD),
        (end, None, None, allow),
        (end, None, None, deny),
        (end, None, None, unknown),
    ]
    lines = b"".join(
        struct.pack("HBBI", code, *(0 if to is None else to - place - 1 for to in (true, false)), value)
        for place, (code, true, false, value) in enumerate(program)
    )
    buffer = ctypes.create_string_buffer(lines)
    header = struct.pack("HP", len(program), ctypes.addressof(buffer))
    ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)


def main() -> None:
    """Connect, say ready, take one request, answer it."""
    import numpy  # noqa: F401 -- promised to the code, so that a sandbox without it must not get as far as ready

    channel = socket.socket(socket.AF_UNIX)
    channel.connect(sys.argv[1])
    # what the code prints is nobody's business, and must fill nobody's disk
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    forbid_processes()
    channel.sendall(READY)
    with channel.makefile("rb") as stream:
        request = json.loads(stream.readline())
    channel.sendall(json.dumps(answer(request)).encode() + b"\n")


if __name__ == "__main__":
    main()
