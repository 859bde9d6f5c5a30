"""Scores for code that reads a variable from activations and writes it into them.

Primary is ``score``: the harmonic mean of decoding, interchange and isolation, each rescaled so that chance is 0 (see
`scribe_suite.planting.variables.encoded.measuring`). The code only maps numbers to numbers, in the sandbox; what
written activations do is found out by running the model here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scribe_suite.planting.variables.encoded.measuring import EncodingRates, Trial
from scribe_suite.scoring.behaviour import LONGEST_PROBLEM
from scribe_suite.scoring.call_by_call import calling_each
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.submitted_function import FunctionLimits, FunctionResult, Labels, run_submitted_function
from scribe_suite.tasks.task import Score
from scribe_suite.text import shortened

#: The metrics of every score, in the tables' column order; the first is primary.
ENCODING_METRICS = ("score", "decoding", "interchange", "isolation")
#: The score of reading or writing nothing, one value, or everything.
CHANCE = 0.0
#: The limits of submitted code for all activations.
LIMITS = FunctionLimits(time_s=60.0, output_bytes=32 << 20)

#: If this many calls all raise, the code is broken; with fewer, the reason may be their activations.
_TELLING = 100
_READ, _WRITE = 0, 1
#: Activations and what is written are passed as the bit patterns of 32-bit floats, since the sandbox returns integers.
_CALL = """
predict = None


def _call(row, read=read, write=write):
    import struct

    import numpy

    words = struct.pack("<%di" % (len(row) - 2), *row[2:])
    activation = numpy.frombuffer(words, "<f4").astype(float)
    if row[0] == {read}:
        return read(activation)
    new = numpy.asarray(write(activation, row[1]), dtype=float)
    if new.shape != activation.shape or not numpy.isfinite(new).all():
        raise ValueError("write returned an array of shape %r, or numbers that are not finite" % (new.shape,))
    # -0.0 has a bit pattern of its own
    return list(struct.unpack("<%di" % len(new), (new + 0.0).astype("<f4").tobytes()))
"""


@dataclass(frozen=True)
class Submitted:
    """What submitted code reads and writes.

    Attributes:
        read: The value of each activation; -1 where there is none.
        written: The activation of each pair; that of the base where there is none.
        valid: Which activations were written.
        result: The raw result.
    """

    read: Int[Tensor, " activation"]
    written: Float[Tensor, "pair d_model"]
    valid: Bool[Tensor, " pair"]
    result: FunctionResult


def submitted_code(code: str, trial: Trial) -> Submitted:
    """Run submitted code on all activations of a trial, one by one.

    Args:
        code: Python source that defines ``read`` and ``write``; empty code reads and writes nothing.
        trial: The activations.

    Raises:
        InfrastructureError: With cause ``sandbox`` where there is none.
    """
    width = trial.before.shape[1]
    if not code:
        return _submitted(FunctionResult(None), trial)
    rows = [(_READ, 0, *_bits(row)) for row in trial.read.tolist()]
    rows += [
        (_WRITE, value, *_bits(row)) for row, value in zip(trial.before.tolist(), trial.wanted.tolist(), strict=True)
    ]
    widths = [1] * len(trial.read) + [width] * len(trial.before)
    behind = calling_each(_CALL.format(read=_READ), _TELLING)
    return _submitted(run_submitted_function(code + behind, rows, widths, LIMITS), trial)


def score_encoding(rates: EncodingRates, reference: EncodingRates, result: FunctionResult) -> Score:
    """Score what was read and written.

    Args:
        rates: The rates of the submitted code.
        reference: Those of the planted code, on the same activations.
        result: The raw result of the submitted code; a problem is flagged ``function_<fault>``, and a note says which.
    """
    return Score(
        metrics={
            "score": rates.score,
            "decoding": rates.decoding,
            "interchange": rates.interchange,
            "isolation": rates.isolation,
        },
        primary="score",
        skill=normalised_skill(rates.score, CHANCE, reference.score),
        chance=CHANCE,
        reference=reference.score,
        flags=() if result.fault is None else (f"function_{result.fault}",),
        notes=() if result.problem is None else (shortened(result.problem, LONGEST_PROBLEM),),
    )


def _submitted(result: FunctionResult, trial: Trial) -> Submitted:
    count = len(trial.read)
    rows: Sequence[Labels | None] = result.predictions or [None] * (count + len(trial.before))
    read = torch.tensor([-1 if row is None or abs(row[0]) > 1 << 20 else row[0] for row in rows[:count]])
    written, valid = trial.before.clone(), torch.zeros(len(trial.before), dtype=torch.bool)
    for number, row in enumerate(rows[count:]):
        new = None if row is None else _floats(row)
        if new is not None:
            written[number], valid[number] = new, True
    return Submitted(read, written, valid, result)


def _bits(row: Sequence[float]) -> tuple[int, ...]:
    return struct.unpack(f"<{len(row)}i", struct.pack(f"<{len(row)}f", *row))


def _floats(row: Labels) -> Float[Tensor, " d_model"] | None:
    """The activation of bit patterns, which come from the code's process and may be anything; None if it is not one."""
    if any(not -(1 << 31) <= bits < 1 << 31 for bits in row):
        return None
    new = torch.tensor(struct.unpack(f"<{len(row)}f", struct.pack(f"<{len(row)}i", *row)))
    return new if bool(new.isfinite().all()) and float(new.abs().max()) < _LARGEST else None


#: Larger numbers in an activation could overflow in the model.
_LARGEST = 1e6
