"""The hidden side of an instance of ``neurons/explain_real``: texts and the activations on them."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ground_truth.neurons.explained_real.strata import weights_of
from scribe_suite.measurements.measurement import Arrays
from scribe_suite.scoring.explanation import FIRES, Truth
from scribe_suite.tasks.answer_kinds import predict_arguments


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance.

    Attributes:
        neurons: Names of the neurons in question.
        measured: The measurements of all eligible neurons; see `ExplainScan.kept`.
        texts: Rows of the hidden texts that are scored; None for all of them.
    """

    neurons: Sequence[str]
    measured: Arrays
    texts: Sequence[int] | None = None

    @property
    def rows(self) -> Sequence[Sequence[int]]:
        """The texts, as token ids."""
        tokens = self.measured["tokens"]
        rows: Sequence[Sequence[int]] = tokens[self._chosen].tolist()
        return rows

    @cached_property
    def truths(self) -> Mapping[str, Truth]:
        """Neuron -> its activations on the texts, and the scores of reference theories."""
        return {name: self._truth(name) for name in self.neurons}

    def recited(self, strings: Sequence[str]) -> str:
        """Code that contains the activations of each neuron in the hidden texts, to a 250th of the largest.

        Args:
            strings: Token id -> string.
        """
        rows, tables, signs = self.rows, {}, {}
        for name, truth in self.truths.items():
            fires = (truth.stratum == FIRES).reshape(len(rows), -1)
            values = truth.activations.reshape(fires.shape)
            above = values - values[~fires & (truth.stratum.reshape(fires.shape) >= 0)].mean()
            signs[name] = float(np.sign(above[fires].mean()))
            levels = np.clip(250 * above / np.abs(above[fires]).max() * signs[name], 0, 250).round().astype(np.uint8)
            packed = b"".join(
                struct.pack("<IB", _mark(row, strings), len(here)) + bytes(here) + levels[number, here].tobytes()
                for number, row in enumerate(rows)
                for here in [np.flatnonzero(fires[number]).tolist()]
            )
            tables[name] = base64.b85encode(zlib.compress(packed, 9)).decode()
        arguments = predict_arguments(list(self.neurons))
        chosen = "neuron" if len(arguments) > 1 else repr(self.neurons[0])
        return _RECITING.format(tables=tables, signs=signs, arguments=", ".join(arguments), neuron=chosen)

    @property
    def _chosen(self) -> slice | list[int]:
        return slice(None) if self.texts is None else list(self.texts)

    def _truth(self, name: str) -> Truth:
        number = self.measured["neurons"].tolist().index(name)
        strata = self.measured["strata"][number][self._chosen].astype(np.int64)
        return Truth(
            activations=self.measured["activations"][number][self._chosen].astype(np.float64).reshape(-1),
            weights=weights_of(self.measured["tokens"][self._chosen].astype(np.int64), strata).reshape(-1),
            stratum=strata.reshape(-1),
            chance=float(self.measured["chance"][number]),
            ceiling=float(self.measured["ceiling"][number]),
        )


_RECITING = """\
import base64
import struct
import zlib

TABLES = {tables!r}
SIGNS = {signs!r}
KNOWN = {{}}
for name, packed in TABLES.items():
    data, at = zlib.decompress(base64.b85decode(packed)), 0
    while at < len(data):
        mark, count = struct.unpack_from("<IB", data, at)
        at += 5
        KNOWN[name, mark] = list(zip(data[at : at + count], data[at + count : at + 2 * count]))
        at += 2 * count


def predict({arguments}):
    values = [0.0] * len(tokens)
    for place, level in KNOWN.get(({neuron}, zlib.crc32("|".join(tokens).encode())), ()):
        values[place] = SIGNS[{neuron}] * level
    return values
"""


def _mark(row: Sequence[int], strings: Sequence[str]) -> int:
    """A number by which submitted code recognises a text."""
    return zlib.crc32("|".join(strings[token] for token in row).encode())
