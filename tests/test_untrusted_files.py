from __future__ import annotations

import errno
import fcntl
import gc
import os
import re
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from scribe_suite import untrusted_files
from scribe_suite.untrusted_files import UntrustedFileError, UntrustedFolder

SECRET = b"a secret of the user"
LIMIT = 1000


@pytest.fixture(params=["openat2", "walk"], autouse=True)
def mechanism(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "openat2" and not untrusted_files._openat2_works():
        pytest.skip("openat2 is not there")
    monkeypatch.setattr(untrusted_files, "_openat2_works", lambda: request.param == "openat2")
    return str(request.param)


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    """A call that waits for a pipe would wait for ever."""
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "x").write_bytes(SECRET)
    return tmp_path / "home" / "x"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place" / "sub").mkdir(parents=True)
    (tmp_path / "place" / "good").write_bytes(b"good")
    (tmp_path / "place" / "sub" / "good").write_bytes(b"good")
    return tmp_path / "place"


@pytest.fixture
def folder(place: Path) -> Iterator[UntrustedFolder]:
    with UntrustedFolder(place) as folder:
        yield folder


def descriptors() -> int:
    """Open files below the folder of this test: threads of tests before it may open and close others at any time."""
    gc.collect()
    name = os.environ["PYTEST_CURRENT_TEST"].partition("::")[2].rpartition(" ")[0]
    own = "/" + re.sub(r"\W", "_", name)[:30]  # as tmp_path is called
    count = 0
    for link_to in Path("/dev/fd").iterdir():
        with suppress(OSError):
            count += own in str(link_to.readlink())
    return count


def link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def relative_link(path: Path, secret: Path) -> None:
    path.symlink_to(os.path.relpath(secret, path.parent))


def link_to_root(path: Path, secret: Path) -> None:
    path.symlink_to(f"/proc/self/root{secret}")


def link_to_a_good_file(path: Path, secret: Path) -> None:
    path.symlink_to("good")


def dangling_link(path: Path, secret: Path) -> None:
    path.symlink_to(secret.with_name("new"))


def pipe(path: Path, secret: Path) -> None:
    os.mkfifo(path)


def named_socket(path: Path, secret: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:  # its path may have 107 bytes
        listener.bind(f"/proc/self/fd/{here}/{path.name}" if Path("/proc/self/fd").exists() else str(path))
    os.close(here)


def a_folder(path: Path, secret: Path) -> None:
    path.mkdir()


def hard_link(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def device(path: Path, secret: Path) -> None:
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("device nodes are made by root only")


PLANTS: list[Callable[[Path, Path], None]] = [
    link, relative_link, link_to_root, link_to_a_good_file, dangling_link, pipe, named_socket, a_folder, hard_link,
    device,
]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("name", ["bad", "sub/bad"])
def test_what_is_no_regular_file_is_neither_read_nor_appended_to(folder, place, secret, plant, name):
    plant(place / name, secret)
    before = descriptors()
    for attempt in (lambda: folder.read(name, LIMIT), lambda: folder.open(name), lambda: folder.append(name)):
        with pytest.raises(UntrustedFileError, match="bad' is not opened: ") as caught:
            attempt()
        assert caught.value.filename == str(place / name)
        assert caught.value.strerror
    assert descriptors() == before
    assert secret.read_bytes() == SECRET
    assert not secret.with_name("new").exists()


@pytest.mark.parametrize("plant", PLANTS)
def test_whatever_has_the_name_a_written_file_is_a_new_one(folder, place, secret, plant):
    plant(place / "bad", secret)
    if plant is a_folder:
        with pytest.raises(UntrustedFileError):
            folder.write("bad", [b"new"])
        assert (place / "bad").is_dir()
    else:
        folder.write("bad", [b"n", b"ew"])
        assert (place / "bad").read_bytes() == b"new"
        assert stat.S_ISREG((place / "bad").lstat().st_mode)
    assert secret.read_bytes() == SECRET
    assert not secret.with_name("new").exists()
    assert sorted(path.name for path in place.iterdir()) == ["bad", "good", "sub"]


def test_a_file_under_the_name_of_what_is_written_first_is_not_opened(folder, place, secret, monkeypatch):
    monkeypatch.setattr(untrusted_files.secrets, "token_hex", lambda _size: "guessed")
    (place / ".guessed.tmp").symlink_to(secret)
    with pytest.raises(OSError, match="exists"):
        folder.write("new", [b"new"])
    assert secret.read_bytes() == SECRET


def test_a_folder_on_the_way_that_is_a_link_is_not_gone_through(folder, place, secret):
    (place / "way").symlink_to(secret.parent)
    (place / "sub" / "way").symlink_to("../sub")
    for name in ("way/x", "sub/way/good", "good/x"):
        for attempt in (
            lambda name=name: folder.read(name, LIMIT),
            lambda name=name: folder.append(name),
            lambda name=name: folder.write(name, [b"new"]),
            lambda name=name: folder.remove(name),
            lambda name=name: folder.stat(name),
        ):
            with pytest.raises(UntrustedFileError):
                attempt()
        assert not folder.exists(name)
    with pytest.raises(UntrustedFileError):
        folder.folder("way")
    assert secret.read_bytes() == SECRET
    assert folder.files(depth=5) == ["good", "sub/good"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
def test_a_link_to_an_open_descriptor_is_not_followed(folder, place, secret):
    with secret.open("rb") as held:
        here = os.open(secret.parent, os.O_RDONLY)
        (place / "file").symlink_to(f"/proc/self/fd/{held.fileno()}")
        (place / "way").symlink_to(f"/proc/self/fd/{here}")
        for name in ("file", "way/x"):
            with pytest.raises(UntrustedFileError):
                folder.read(name, LIMIT)
        os.close(here)


@pytest.mark.parametrize(
    "name",
    ["..", "../home/x", "sub/../good", "/etc/hostname", "", ".", "/", "a\0b", "sub/\ud800", "./..", "sub/.."],
)
def test_names_that_lead_elsewhere_or_are_none_are_refused(folder, secret, name):
    for attempt in (
        lambda: folder.read(name, LIMIT),
        lambda: folder.append(name),
        lambda: folder.write(name, [b""]),
        lambda: folder.remove(name),
        lambda: folder.folder(name if name != "." else ""),
    ):
        with pytest.raises(UntrustedFileError, match="not the name of a file in this folder"):
            attempt()
    assert not folder.exists(name)


def test_names_in_no_encoding_and_with_many_parts_are_names(folder, place):
    name = os.fsdecode(b"\xff\xfe")
    folder.write(name, [b"1"])
    assert folder.files() == sorted(["good", name])
    assert folder.read(name, LIMIT) == b"1"
    assert folder.read("./sub//good", LIMIT) == b"good"
    with pytest.raises(OSError, match=r"(?i)name too long"):
        folder.read("x" * 5000, LIMIT)


def test_a_file_that_is_missing_or_closed_is_an_ordinary_error_that_names_it(folder, place):
    with pytest.raises(FileNotFoundError, match="nothing"):
        folder.read("nothing", LIMIT)
    with pytest.raises(FileNotFoundError):
        folder.write("nothing/x", [])
    with pytest.raises(NotADirectoryError):
        UntrustedFolder(place / "good")


def test_a_file_larger_than_the_limit_is_refused_unread(folder, place):
    (place / "exact").write_bytes(b"x" * LIMIT)
    assert len(folder.read("exact", LIMIT)) == LIMIT
    (place / "more").write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(UntrustedFileError, match="more than 1,000 bytes"):
        folder.read("more", LIMIT)


def test_a_terabyte_without_content_costs_nothing(folder, place):
    with (place / "sparse").open("wb") as file:
        try:
            file.truncate(1 << 40)
        except OSError:
            pytest.skip("the file system has no files of this size")
    with pytest.raises(UntrustedFileError, match="more than"):
        folder.read("sparse", 1 << 20)


def test_a_file_that_grows_or_shrinks_while_it_is_read_gives_what_the_descriptor_gives(folder, place, monkeypatch):
    real = os.fstat

    def change(size: int) -> None:
        (place / "x").write_bytes(b"x" * 10)

        def fstat(descriptor: int) -> os.stat_result:
            status = real(descriptor)
            if stat.S_ISREG(status.st_mode):
                os.truncate(place / "x", size)
            return status

        monkeypatch.setattr(os, "fstat", fstat)

    change(5)
    assert folder.read("x", 10) == b"x" * 5
    change(1 << 40)
    with pytest.raises(UntrustedFileError, match="more than 10 bytes"):
        folder.read("x", 10)


def test_a_file_that_is_replaced_all_the_time_is_the_good_one_or_none(folder, place, secret):
    (place / "x").write_bytes(b"good")
    end = threading.Event()

    def swap() -> None:
        number = 0
        plants = [link, pipe, hard_link, link_to_root, a_folder, lambda path, _secret: path.write_bytes(b"good")]
        while not end.is_set():
            other = place / f"other{number}"
            plants[number % len(plants)](other, secret)
            if (place / "x").is_dir() and not (place / "x").is_symlink():
                (place / "x").rmdir()
            if other.is_dir() and not other.is_symlink():
                (place / "x").unlink()
            other.rename(place / "x")
            number += 1

    thread = threading.Thread(target=swap)
    thread.start()
    seen: set[bytes] = set()
    try:
        for _ in range(2000):
            try:
                seen.add(folder.read("x", LIMIT))
            except (UntrustedFileError, FileNotFoundError):
                continue
    finally:
        end.set()
        thread.join()
    assert seen <= {b"good", b""}, "an empty one is one that is just being written"


def test_a_lease_does_not_make_it_wait(folder, place):
    if not hasattr(fcntl, "F_SETLEASE"):
        pytest.skip("there are no leases")
    handler = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with (place / "good").open("r+b") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            pytest.skip("the file system has no leases")
        with pytest.raises(UntrustedFileError, match="another process holds it back"):
            folder.read("good", LIMIT)
    signal.signal(signal.SIGIO, handler)


def test_hard_links_are_taken_where_somebody_says_so(place, secret):
    (place / "x").hardlink_to(secret)
    with UntrustedFolder(place, hard_links="accepted") as folder:
        assert folder.read("x", LIMIT) == SECRET


def test_a_folder_below_has_the_rules_of_the_one_above_and_stays_what_it_was(folder, place, secret):
    inner = folder.folder("sub")
    (place / "sub").rename(place / "moved")
    (place / "sub").symlink_to(secret.parent)
    assert inner.path == place / "sub"
    assert inner.read("good", LIMIT) == b"good"
    (place / "moved" / "hard").hardlink_to(secret)
    with pytest.raises(UntrustedFileError, match="second name"):
        inner.read("hard", LIMIT)
    assert inner.folder(".").read("good", LIMIT) == b"good"
    inner.close()
    inner.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        inner.read("good", LIMIT)


def test_a_folder_that_is_forgotten_is_closed(place):
    before = descriptors()
    folders = [UntrustedFolder(place) for _ in range(3)]
    assert descriptors() == before + 3
    folders.clear()
    gc.collect()
    assert descriptors() == before


def test_files_are_listed_by_pattern_and_depth_without_links_pipes_and_folders(folder, place, secret):
    for number, plant in enumerate([link, pipe, link_to_root, named_socket, dangling_link]):
        plant(place / f"bad{number}", secret)
    (place / "b" / "c").mkdir(parents=True)
    for name in ("b.x", "b/a.x", "b/c/d.x", "b/c/.hidden.x"):
        (place / name).write_text("")
    assert folder.folders() == ["b", "sub"]
    assert folder.files("*.x") == ["b.x"]
    assert folder.files("*.x", depth=1) == ["b/a.x", "b.x"]
    assert folder.files("*.x", depth=2) == ["b/a.x", "b/c/.hidden.x", "b/c/d.x", "b.x"]


def test_a_walk_has_an_end(folder, place, monkeypatch):
    deep = place
    for _ in range(untrusted_files.MAX_DEPTH + 3):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "x").write_text("")
    assert folder.files("x", depth=1000) == []
    monkeypatch.setattr(untrusted_files, "MAX_ENTRIES", 10)
    with pytest.raises(UntrustedFileError, match="more than 10 entries"):
        folder.files(depth=1000)


def test_a_file_is_made_once_and_appended_to_afterwards(folder, place):
    for part in (b"1", b"2"):
        with folder.append("x") as file:
            file.write(part)
    with folder.append("x") as file:
        file.seek(0)
        assert file.read() == b"12"
    assert folder.stat("x").st_size == 2
    folder.remove("x")
    assert not folder.exists("x")


def test_folders_are_made_where_they_are_missing_and_never_through_a_link(folder, place, secret):
    before = descriptors()
    folder.make("sub/new/newer").write("x", [b"1"])
    assert (place / "sub" / "new" / "newer" / "x").read_bytes() == b"1"
    assert folder.make("sub/new").exists("newer")
    (place / "way").symlink_to(secret.parent)
    for name in ("way/new", "good/new", "good", "way"):
        with pytest.raises(UntrustedFileError):
            folder.make(name)
    assert [path.name for path in secret.parent.iterdir()] == ["x"]
    gc.collect()
    assert descriptors() == before


def test_what_cannot_be_written_leaves_nothing(folder, place):
    def fails() -> Iterator[bytes]:
        yield b"x"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        folder.write("good", fails())
    assert (place / "good").read_bytes() == b"good"
    assert sorted(path.name for path in place.iterdir()) == ["good", "sub"]


def test_another_file_system_is_not_entered():
    with UntrustedFolder(Path("/")) as root:
        if not Path("/proc/self").exists():
            pytest.skip("there is no /proc")
        with pytest.raises(UntrustedFileError, match="file system"):
            root.folder("proc")
        with pytest.raises(UntrustedFileError, match="file system"):
            root.read("proc/version", LIMIT)
