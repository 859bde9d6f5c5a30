"""Files of fixed size in memory: what a writer may do to them, and what a reader gets."""

from __future__ import annotations

import os
import struct
import sys

import psutil
import pytest

from scribe_suite.sandbox.inside import memory_file

linux = pytest.mark.skipif(sys.platform != "linux", reason="files in memory without a name are Linux's")


def test_what_is_written_is_read_and_replaced():
    with memory_file.create(100) as file:
        assert memory_file.read(file.fileno(), 100) == b""
        memory_file.write(file.fileno(), b"first, and longer")
        memory_file.write(file.fileno(), b"second")
        assert memory_file.read(file.fileno(), 100) == b"second"
        assert memory_file.read(file.fileno(), 3) == b"sec"


@linux
def test_a_writer_can_make_it_neither_longer_nor_shorter():
    with memory_file.create(100) as file:
        for size in (0, 50, 1 << 20):
            with pytest.raises(PermissionError):
                os.ftruncate(file.fileno(), size)
        with pytest.raises(PermissionError):
            os.posix_fallocate(file.fileno(), 0, 1 << 20)
        with pytest.raises(PermissionError):
            os.pwrite(file.fileno(), b"x", 1000)


@pytest.mark.parametrize("count", [101, 1 << 40, (1 << 64) - 1])
def test_a_forged_length_gives_what_is_there(count):
    with memory_file.create(100) as file:
        os.pwrite(file.fileno(), struct.pack("<Q", count), 0)
        assert len(memory_file.read(file.fileno(), 1 << 20)) <= 100


def test_without_memory_files_it_is_one_whose_name_is_gone(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with memory_file.create(100) as file:
        memory_file.write(file.fileno(), b"kept")
        assert memory_file.read(file.fileno(), 100) == b"kept"
        assert list(tmp_path.iterdir()) == []


def test_a_tail_keeps_the_end_and_never_waits():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with memory_file.create(10) as file:
        tail = memory_file.Tail(file.fileno(), 10)
        assert tail.take(reader)  # nothing there, and nobody waits
        for text in (b"0123456789", b"abc"):
            os.write(writer, text)
            assert tail.take(reader)
        assert memory_file.read(file.fileno(), 10) == b"3456789abc"
        os.close(writer)
        assert not tail.take(reader)
    os.close(reader)


def test_no_descriptor_is_left_when_it_can_not_be_made(monkeypatch):
    before = psutil.Process().num_fds()
    monkeypatch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        memory_file.create(10)
    assert psutil.Process().num_fds() <= before
