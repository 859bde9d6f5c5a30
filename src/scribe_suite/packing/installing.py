"""Installs a pack: this file is the archive's ``__main__``, and needs only a bare Python.

    python3 pack.pyz FOLDER --sha256 HASH && . FOLDER/env.sh

Every file is compared with its hash in the archive, and the archive with the given hash, before any of it is run.
Jobs on one machine wait for each other, and install once. The file imports only the standard library.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO, Any

MANIFEST = "manifest.json"
#: Folders of an archive.
WHEELS, MODELS, PROGRAMS = "wheels", "models", "programs"
_CHUNK = 1 << 20
_COMPLETE = ".complete"


def main(arguments: list[str] | None = None, archive: Path | None = None) -> int:
    """Install the archive that is running; returns the exit code."""
    parser = argparse.ArgumentParser(prog="pack.pyz", description="Install a pack of the Scribe Task Suite.")
    parser.add_argument("folder", type=Path, help="where to; on a disk of this machine")
    parser.add_argument("--sha256", help="of the archive, as `scribe-suite pack` printed it")
    options = parser.parse_args(arguments)
    try:
        place = install(archive or Path(sys.argv[0]), options.folder.absolute(), options.sha256)
    except (OSError, ValueError, zipfile.BadZipFile, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"pack: {error}\n")
        return 1
    sys.stdout.write(f"{place / 'env.sh'}\n")
    return 0


def install(archive: Path, folder: Path, expected: str | None) -> Path:
    """Install an archive if it is not installed yet; returns its folder.

    Args:
        archive: The archive.
        folder: The folder of packs on this machine.
        expected: The archive's sha256, or None.

    Raises:
        ValueError: When a hash does not match, or the archive is for another machine.
    """
    found = _sha256(archive)
    if expected is not None and found != expected.lower():
        raise ValueError(f"{archive} has the sha256 {found}, not {expected}: it is damaged, or another one.")
    place = folder / found[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / _COMPLETE).is_file():
            shutil.rmtree(place, ignore_errors=True)  # left by an installation that was killed
            _unpack(archive, place)
        link = folder / "env.sh"
        temporary = folder / ".env.sh.tmp"
        temporary.write_text(f". {_quoted(place / 'env.sh')}\n")
        temporary.replace(link)
    return place


def _unpack(archive: Path, place: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        manifest: dict[str, Any] = json.loads(zipped.read(MANIFEST))
        _require_this_machine(manifest)
        files: dict[str, str] = manifest["files"]
        others = set(zipped.namelist()) - set(files) - {MANIFEST, "__main__.py"}
        if others:
            raise ValueError(f"{archive} has files that its manifest does not name: {', '.join(sorted(others)[:5])}.")
        for name, expected in files.items():
            parts = PurePosixPath(name).parts
            if name.startswith("/") or ".." in parts:
                raise ValueError(f"{name!r} is not the name of a file in a pack.")
            target = place.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with zipped.open(name) as source, target.open("wb") as output:
                if _copied(source, output) != expected:
                    raise ValueError(f"{name} in {archive} is not what its manifest says.")
    for program in (place / PROGRAMS).glob("*"):
        program.chmod(0o755)
    _make_environment(place, manifest["requirement"])
    _write_variables(place)
    (place / _COMPLETE).touch()


def _require_this_machine(manifest: dict[str, Any]) -> None:
    here = {"python": ".".join(platform.python_version_tuple()[:2]), "machine": platform.machine()}
    for name, value in here.items():
        if manifest[name] != value:
            raise ValueError(f"The pack is for {name} {manifest[name]}, and this is {name} {value}.")


def _make_environment(place: Path, requirement: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(place / "venv")], check=True)
    python = place / "venv" / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-cache-dir"]
    subprocess.run([python, *install, "--find-links", str(place / WHEELS), requirement], check=True)
    shutil.rmtree(place / WHEELS)  # as large as the packages installed from them


def _write_variables(place: Path) -> None:
    lines = [f"export PATH={_quoted(place / 'venv' / 'bin')}:$PATH"]
    if (place / MODELS).is_dir():
        lines.append(f"export SCRIBE_SUITE_CACHE={_quoted(place / MODELS)}")
    lines += [
        f"export SCRIBE_{program.name.upper()}_BIN={_quoted(program)}"
        for program in sorted((place / PROGRAMS).glob("*"))
    ]
    (place / "env.sh").write_text("\n".join(lines) + "\n")


def _copied(source: IO[bytes], output: IO[bytes]) -> str:
    """Copy a file; returns the sha256 of the copied bytes."""
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        output.write(chunk)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _quoted(path: Path) -> str:
    """A path, quoted for a shell."""
    return "'" + os.fspath(path).replace("'", "'\\''") + "'"


if __name__ == "__main__":
    sys.exit(main())
