from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.laboratory import record as record_module
from scribe_suite.laboratory.record import FILE_NAME, MAX_FREE_LINES, ExperimentRecord, described_tokens


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_line_is_there_when_it_is_added_and_the_last_one_counts(tmp_path):
    path = tmp_path / FILE_NAME
    record = ExperimentRecord(path, model="m")
    assert [line["event"] for line in lines(path)] == ["laboratory"]
    assert record.add("run", run="r1", price=3) == 1
    assert record.add("run", run="r2", price=4) == 2
    assert record.add("refused", session="s1", operation="run", reason="no") == 1
    first, one, two, refused = lines(path)
    assert (first["version"], first["model"]) == (1, "m")
    assert (one["number"], one["run"], two["number"], two["price"]) == (1, "r1", 2, 4)
    assert refused["reason"] == "no"
    assert 0 <= one["time"] <= two["time"] <= refused["time"] < 60
    record.close(spent=7)
    record.close(spent=8)
    end = lines(path)[-1]
    assert (end["event"], end["spent"], end["counts"]) == ("end", 7, {"run": 2, "refused": 1})
    assert record.counts() == {"run": 2, "refused": 1}


@pytest.mark.parametrize("event", ["refused", "repeated", "failed"])
def test_what_costs_nothing_can_not_fill_the_disk(tmp_path, event):
    record = ExperimentRecord(tmp_path / FILE_NAME)
    for _ in range(MAX_FREE_LINES + 500):
        record.add(event, reason="no")
    record.add("run", run="r1")
    record.close()
    written = lines(tmp_path / FILE_NAME)
    assert sum(line["event"] == event for line in written) == MAX_FREE_LINES
    assert written[-1]["counts"] == {event: MAX_FREE_LINES + 500, "run": 1}


def test_what_is_long_is_told_by_its_size_and_checksum(tmp_path):
    record = ExperimentRecord(tmp_path / FILE_NAME)
    record.add("run", texts=["x" * 100_000, "y"], read=["m0"])
    line = lines(tmp_path / FILE_NAME)[-1]
    assert line["texts"]["left_out"] == 2
    assert len(line["texts"]["sha256"]) == 64
    assert line["read"] == ["m0"]


def test_a_record_that_has_become_long_goes_on_with_short_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(record_module, "MAX_IN_FULL", 5000)
    record = ExperimentRecord(tmp_path / FILE_NAME)
    for number in range(6):
        record.add("run", run=f"r{number}", read=["m0"] * 200)
    sizes = [line["read"] if isinstance(line["read"], dict) else "full" for line in lines(tmp_path / FILE_NAME)[1:]]
    assert sizes[0] == "full"
    assert sizes[-1]["left_out"] == 200
    assert lines(tmp_path / FILE_NAME)[-1]["run"] == "r5"


def test_prompts_are_written_in_full_when_they_are_few():
    few = np.arange(6).reshape(2, 3)
    assert described_tokens(few, None) == {"tokens": [[0, 1, 2], [3, 4, 5]]}
    assert described_tokens(few, [2, 1]) == {"tokens": [[0, 1], [3]]}
    assert described_tokens(np.zeros((4096, 1), dtype=int), None)["tokens"][0] == [0]
    many = described_tokens(np.zeros((4097, 1), dtype=int), None)
    assert many["tokens_shape"] == [4097, 1]
    assert many["tokens_sha256"] != described_tokens(np.ones((4097, 1), dtype=int), None)["tokens_sha256"]


def test_the_longest_prompts_that_are_written_in_full_are_not_left_out(tmp_path):
    record = ExperimentRecord(tmp_path / FILE_NAME)
    record.add("run", **described_tokens(np.full((4096, 1), 49_151), None))
    record.add("run", **described_tokens(np.full((2, 2048), 49_151), None))
    assert [len(line["tokens"]) for line in lines(tmp_path / FILE_NAME)[1:]] == [4096, 2]


def test_threads_do_not_mix_their_lines(tmp_path):
    record = ExperimentRecord(tmp_path / FILE_NAME)

    def work(number: int) -> None:
        for _ in range(100):
            record.add("run", run="r" * number * 100)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = lines(tmp_path / FILE_NAME)[1:]
    assert [line["number"] for line in written] == list(range(1, 401))


def test_a_line_that_can_not_be_written_is_no_part_of_the_record(tmp_path, monkeypatch):
    record = ExperimentRecord(tmp_path / FILE_NAME)

    def half(file: Any, content: bytes) -> None:
        file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(record_module, "write_all", half)
        with pytest.raises(InfrastructureError, match="No space left") as failure:
            record.add("run", run="r1")
    assert failure.value.cause == "laboratory"
    assert record.add("run", run="r1") == 1
    assert [line["event"] for line in lines(tmp_path / FILE_NAME)] == ["laboratory", "run"]


def test_a_record_that_can_not_be_made_is_the_infrastructures(tmp_path):
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / FILE_NAME, tmp_path / "missing" / FILE_NAME):
        with pytest.raises(InfrastructureError) as failure:
            ExperimentRecord(path)
        assert failure.value.cause == "laboratory"
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_after_the_end_nothing_is_added(tmp_path):
    record = ExperimentRecord(tmp_path / FILE_NAME)
    record.close()
    with pytest.raises(InfrastructureError):
        record.add("run", run="r1")
