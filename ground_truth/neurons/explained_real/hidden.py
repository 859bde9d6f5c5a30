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

    def recited(self, strings: Sequence[str], room: int) -> str:
        """Code that contains the highest activations of each neuron in the hidden texts, as many as there is room for.

        Args:
            strings: Token id -> string.
            room: Largest number of characters.
        """
        for share in (1.0, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1):
            code = self._recited(strings, share)
            if len(code) <= room:
                break
        return code

    def _recited(self, strings: Sequence[str], share: float) -> str:
        rows, tables, signs = self.rows, {}, {}
        marks = [_mark(row, strings) for row in rows]
        for name, truth in self.truths.items():
            fires = (truth.stratum == FIRES).reshape(len(rows), -1)
            values = truth.activations.reshape(fires.shape)
            above = values - values[~fires & (truth.stratum.reshape(fires.shape) >= 0)].mean()
            signs[name] = float(np.sign(above[fires].mean()))
            above = above * signs[name]
            chosen = fires & (above >= np.quantile(above[fires], 1 - share))
            levels = np.clip(_LEVELS * above / above[fires].max(), 1, _LEVELS).round().astype(np.uint8)
            told = [number for number in range(len(rows)) if chosen[number].any()]
            heads = b"".join(struct.pack("<HB", marks[number], chosen[number].sum()) for number in told)
            places = b"".join(bytes(np.flatnonzero(chosen[number]).tolist()) for number in told)
            heights = b"".join(levels[number, chosen[number]].tobytes() for number in told)
            packed = zlib.compress(struct.pack("<H", len(told)) + heads + places + heights, 9)
            tables[name] = base64.b85encode(packed).decode()
        arguments = predict_arguments(list(self.neurons))
        which = "neuron" if len(arguments) > 1 else repr(self.neurons[0])
        return _RECITING.format(tables=tables, signs=signs, arguments=", ".join(arguments), neuron=which)

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


#: Number of levels to which recited activations are rounded.
_LEVELS = 12
_RECITING = """\
import base64
import struct
import zlib

TABLES = {tables!r}
SIGNS = {signs!r}
KNOWN = {{}}
for name, packed in TABLES.items():
    data = zlib.decompress(base64.b85decode(packed))
    heads = list(struct.iter_unpack("<HB", data[2 : 2 + 3 * struct.unpack_from("<H", data)[0]]))
    at, total = 2 + 3 * len(heads), sum(count for _, count in heads)
    for mark, count in heads:
        KNOWN[name, mark] = list(zip(data[at : at + count], data[at + total : at + total + count]))
        at += count


def predict({arguments}):
    values = [0.0] * len(tokens)
    for place, level in KNOWN.get(({neuron}, zlib.crc32("|".join(tokens).encode()) & 65535), ()):
        values[place] = SIGNS[{neuron}] * level
    return values
"""


def _mark(row: Sequence[int], strings: Sequence[str]) -> int:
    """A number by which submitted code recognises a text."""
    return zlib.crc32("|".join(strings[token] for token in row).encode()) & 65535
